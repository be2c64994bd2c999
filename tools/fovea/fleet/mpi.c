// Over MPI. A thread of rank 0 stands for each other rank: it sends an order, waits for the result
// and takes the next run from the sweep's queue (lab/crew). MPI is used by one thread at a time,
// and waiting is looking now and then, because most MPIs wait by spinning, on a core that could
// train.
//
// When a process is lost MPI ends all the others, as its standard error handler does. Every run
// that came back before is in the store; the same command trains the rest.
#include "fleet.h"

#include "parcel.h"
#include "tool.h"

#include <fovea/train.h>
#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TAG_ORDER = 1, TAG_RESULT, TAG_LEAVE };

struct fleet {
    int size;
    pthread_mutex_t lock; // held around every call of MPI, and guards n_busy
    int n_busy;           // ranks that have an order and have not answered
};

static void nap(void) {
    const struct timespec a_moment = {.tv_nsec = 500000};
    nanosleep(&a_moment, NULL);
}

// Receives what has come from `rank` with `tag` (MPI_ANY_TAG: any), ended by a zero byte. False
// where nothing has come; *bytes stays NULL without memory for it.
static bool receive(int rank, int *tag, char **bytes, size_t *size) {
    int come, count;
    MPI_Status message;
    *bytes = NULL;
    MPI_Iprobe(rank, *tag, MPI_COMM_WORLD, &come, &message);
    if (!come) return false;
    MPI_Get_count(&message, MPI_BYTE, &count);
    *tag = message.MPI_TAG;
    *size = (size_t)count;
    *bytes = malloc(*size + 1);
    if (*bytes == NULL) return true;
    MPI_Recv(*bytes, count, MPI_BYTE, rank, *tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    (*bytes)[*size] = '\0';
    return true;
}

// --- the others --------------------------------------------------------------------------------

// Trains what the order asks for; the result is NULL without memory.
static char *obey(char *order, size_t *size) {
    int n_known, n_probes;
    fv_probes(&n_known);
    fv_record record;
    fv_record_init(&record);
    fv_error error = {0};
    const fv_probe **probes = calloc((size_t)n_known + 1, sizeof *probes);
    fv_status status = probes != NULL ? FV_OK : fv_fail(&error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK)
        status = parcel_read_order(order, &record.config, probes, &n_probes, &error);
    if (status == FV_OK) {
        const fv_run_options options = {.n_threads = 1, .probes = probes, .n_probes = n_probes};
        const fv_config config = record.config;
        status = fv_run(&config, &options, &record, &error);
    }
    char *result = parcel_result(status, &error, &record, size);
    if (result != NULL && *size > INT_MAX) {
        free(result);
        fv_fail(&error, FV_USAGE, "a run of more than 2 GiB of snapshots cannot be sent");
        result = parcel_result(FV_USAGE, &error, &record, size);
    }
    fv_record_free(&record);
    free(probes);
    return result;
}

static int serve(void) {
    for (;;) {
        int tag = MPI_ANY_TAG;
        char *order;
        size_t size;
        while (!receive(0, &tag, &order, &size)) nap();
        if (order != NULL && tag == TAG_LEAVE) {
            free(order);
            MPI_Finalize();
            return EXIT_DONE;
        }
        char *result = order != NULL ? obey(order, &size) : NULL;
        if (result == NULL) MPI_Abort(MPI_COMM_WORLD, EXIT_FAILED);
        MPI_Send(result, (int)size, MPI_BYTE, 0, TAG_RESULT, MPI_COMM_WORLD);
        free(order);
        free(result);
    }
}

// --- rank 0 ------------------------------------------------------------------------------------

// Whether an mpirun or srun has started this process; a process on its own leaves MPI alone.
static bool is_launched(void) {
    static const char *const NAMES[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK",
                                        "PMIX_RANK"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (getenv(NAMES[i]) != NULL) return true;
    return false;
}

int fleet_join(fleet **out, bool *served) {
    *out = NULL;
    *served = false;
    if (!is_launched()) return EXIT_DONE;
    int level, rank, size;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    *served = rank > 0;
    if (rank > 0) return serve();
    fleet *f = calloc(1, sizeof *f);
    if (f == NULL || level < MPI_THREAD_SERIALIZED) {
        tool_usage_error("this MPI does not serve programs with threads");
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILED);
        return EXIT_FAILED;
    }
    pthread_mutex_init(&f->lock, NULL);
    f->size = size;
    *out = f;
    return EXIT_DONE;
}

int fleet_size(const fleet *f) {
    return f != NULL ? f->size : 1;
}

static void send_order(fleet *f, int rank, char *order) {
    pthread_mutex_lock(&f->lock);
    MPI_Send(order, (int)strlen(order), MPI_BYTE, rank, TAG_ORDER, MPI_COMM_WORLD);
    f->n_busy++;
    pthread_mutex_unlock(&f->lock);
}

// False where it was interrupted before the result came.
static bool await_result(fleet *f, int rank, const volatile int *interrupted, char **result,
                         size_t *size) {
    for (;;) {
        int tag = TAG_RESULT;
        pthread_mutex_lock(&f->lock);
        bool come = receive(rank, &tag, result, size);
        f->n_busy -= come;
        pthread_mutex_unlock(&f->lock);
        if (come) return true;
        if (__atomic_load_n(interrupted, __ATOMIC_RELAXED)) return false;
        nap();
    }
}

fv_status fleet_train(void *context, int worker, const fv_config *config,
                      const fv_probe *const *probes, int n_probes, const volatile int *interrupted,
                      fv_record *record, fv_error *error) {
    fleet *f = context;
    char *order = parcel_order(config, probes, n_probes), *result = NULL;
    if (order == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    send_order(f, worker, order);
    free(order);
    size_t size;
    if (!await_result(f, worker, interrupted, &result, &size))
        return fv_fail(error, FV_INTERRUPTED, "interrupted");
    if (result == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a result");
    fv_status status = parcel_read_result(result, size, record, error);
    free(result);
    return status;
}

void fleet_leave(fleet *f, int exit_code) {
    if (f == NULL) return;
    if (f->n_busy > 0) MPI_Abort(MPI_COMM_WORLD, exit_code != EXIT_DONE ? exit_code : EXIT_FAILED);
    for (int rank = 1; rank < f->size; rank++)
        MPI_Send("", 0, MPI_BYTE, rank, TAG_LEAVE, MPI_COMM_WORLD);
    MPI_Finalize();
    pthread_mutex_destroy(&f->lock);
    free(f);
}
