// Over MPI (mpi/mpi_calls.h). A thread of rank 0 stands for each other rank: it takes a run from the sweep's queue
// (lab/crew), sends it to a worker that is free and waits for the result. MPI is used by one thread
// at a time, and waiting is looking now and then, because most MPIs wait by spinning, on a core
// that could train.
//
//   rank 0                     worker
//     order  ------------------>   trains in its main thread;
//     <------------------> pulses  another thread of both says every second that they live
//     <------------------- result  and is free again
//
// A worker is lost when nothing has come from it for a lease (FOVEA_LEASE, 30 seconds): it was
// killed, or stopped, or its host is gone. Its run is given out again, at last to rank 0 itself
// where no worker is left. A worker that was only slow comes back with its late result, which is
// dropped: another brings the same bits. One that is asked to end (SIGTERM, SIGINT) or runs out of
// memory gives its run back with a goodbye and takes no more. A worker that has not heard rank 0
// for four leases ends itself.
//
// What MPI adds to this: Open MPI's mpirun ends the whole job when a process dies, unless it is
// told otherwise, `mpirun --enable-recovery` (4.1; without it every run that came back before is in
// the store, and the same command trains the rest). MPI_Finalize waits for all ranks, the dead ones
// too, so that a fleet that lost one scatters: rank 0 leaves by MPI_Abort, which ends all others
// without recovery and only itself with it, and the others leave by themselves a little later.
#include "fleet/fleet.h"

#include "fleet/parcel.h"
#include "mpi/mpi_calls.h"
#include "tool.h"

#include <fovea/config.h>
#include <fovea/train.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG_ORDER = 1, TAG_RESULT, TAG_PULSE, TAG_GOODBYE, TAG_LEAVE, TAG_SCATTER };

static const mpi_calls *mpi; // of a process that is in a fleet

static const double default_lease = 30; // seconds
enum {
    pulse_seconds = 1,
    scatter_seconds = 3, // in which MPI_Abort ends the others where it ends any
    PATIENCE = 4         // leases that a worker waits for rank 0: what it decides then is final
};

// A thread that does something every second, with the lock that is held around every call of MPI.
typedef struct pulse {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_t thread;
    bool end;
    void (*beat)(void *owner);
    void *owner;
} pulse;

static void *live(void *context) {
    pulse *p = context;
    pthread_mutex_lock(&p->lock);
    while (!p->end) {
        struct timespec next;
        clock_gettime(CLOCK_REALTIME, &next);
        next.tv_sec += pulse_seconds;
        pthread_cond_timedwait(&p->ended, &p->lock, &next);
        if (!p->end) p->beat(p->owner);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

// Without a pulse there is no fleet.
static void pulse_start(pulse *p, void (*beat)(void *owner), void *owner) {
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->ended, NULL);
    p->beat = beat;
    p->owner = owner;
    if (pthread_create(&p->thread, NULL, live, p) == 0) return;
    tool_usage_error("a process of the fleet cannot start a thread");
    mpi->abort(EXIT_FAILED);
}

static void pulse_end(pulse *p) {
    pthread_mutex_lock(&p->lock);
    p->end = true;
    pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->lock);
}

// --- messages ----------------------------------------------------------------------------------

static double now(void) {
    return tool_seconds(CLOCK_MONOTONIC);
}

static void nap(void) {
    const struct timespec a_moment = {.tv_nsec = 500000};
    nanosleep(&a_moment, NULL);
}

// The tag of what has come from `rank` first, and its size; 0 where nothing has.
static int look(int rank, int *size) {
    int tag = mpi->look(rank, MPI_CALLS_ANY_TAG, size);
    return tag > 0 ? tag : 0;
}

// Takes a message that says all by its tag.
static void take_sign(int rank, int tag) {
    mpi->receive(NULL, 0, rank, tag);
}

// Waits until the other side has done its part, at most for `seconds`; the lock is held on entry
// and return, and not in between. MPI may go on using the memory of what did not end.
static bool settle(pthread_mutex_t *lock, mpi_request *request, double seconds) {
    double until = now() + seconds;
    for (;;) {
        bool ended = false;
        if (!mpi->has_ended(request, &ended)) return false;
        if (ended) return true;
        if (now() > until) return false;
        pthread_mutex_unlock(lock);
        nap();
        pthread_mutex_lock(lock);
    }
}

// Sends a message that says all by its tag, and does not wait for one who may be dead.
static void send_sign(int rank, int tag) {
    mpi_request request;
    if (mpi->begin_send(NULL, 0, rank, tag, &request)) mpi->forget(&request);
}

// With the lock held: whether the other side has taken the message within `seconds`. If not, MPI
// may still read the bytes.
static bool deliver(pthread_mutex_t *lock, const void *bytes, size_t size, int rank, int tag,
                    double seconds) {
    mpi_request request;
    return mpi->begin_send(bytes, (int)size, rank, tag, &request) &&
           settle(lock, &request, seconds);
}

// With the lock held: takes the message of `size` bytes, ended by a zero byte. NULL where it does
// not come whole within `seconds`, or without memory.
static char *take(pthread_mutex_t *lock, int rank, int tag, int size, double seconds) {
    mpi_request request;
    char *bytes = malloc((size_t)size + 1);
    if (bytes == NULL) return NULL;
    bytes[size] = '\0';
    if (!mpi->begin_receive(bytes, size, rank, tag, &request)) {
        free(bytes);
        return NULL;
    }
    return settle(lock, &request, seconds) ? bytes : NULL; // what hangs keeps its memory
}

// --- the others --------------------------------------------------------------------------------

typedef struct member {
    pulse pulse;
    bool busy;
    int silence, most_silence; // beats since rank 0 was heard, and as many as it may be silent
} member;

// Tells rank 0 of this worker, and takes in what rank 0 says while it trains. Silence is counted in
// beats: who was stopped has not listened meanwhile.
static void beat_of_member(void *owner) {
    member *m = owner;
    m->silence++;
    int size;
    for (; look(0, &size) == TAG_PULSE; m->silence = 0) take_sign(0, TAG_PULSE);
    if (mpi->look(0, TAG_SCATTER, &size) == TAG_SCATTER) tool_interrupted = 1;
    if (m->silence > m->most_silence) _exit(EXIT_FAILED); // nobody is left to finalize with
    if (m->busy) send_sign(0, TAG_PULSE);
}

// Trains what the order asks for; the result is NULL where the run is better given to another.
static char *obey(char *order, size_t *size) {
    int n_known, n_probes;
    fv_probes(&n_known);
    fv_config config;
    fv_record record;
    fv_record_init(&record);
    fv_error error = {0};
    const fv_probe **probes = calloc((size_t)n_known + 1, sizeof *probes);
    fv_status status = probes != NULL ? FV_OK : fv_fail(&error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK) status = parcel_read_order(order, &config, probes, &n_probes, &error);
    if (status == FV_OK) {
        const fv_run_options options = {.n_threads = 1,
                                        .probes = probes,
                                        .n_probes = n_probes,
                                        .interrupted = &tool_interrupted};
        status = fv_run(&config, &options, &record, &error);
    }
    char *result = NULL;
    if (status != FV_INTERRUPTED && status != FV_NO_MEMORY)
        result = parcel_result(status, &error, &record, size);
    if (result != NULL && *size > INT_MAX) {
        free(result);
        fv_fail(&error, FV_USAGE, "a run of more than 2 GiB of snapshots cannot be sent");
        result = parcel_result(FV_USAGE, &error, &record, size);
    }
    fv_record_free(&record);
    free(probes);
    return result;
}

// Trains one run. Returns false after a goodbye.
static bool work(member *m, char *order) {
    size_t size = 0;
    char *result = obey(order, &size);
    pthread_mutex_lock(&m->pulse.lock);
    m->busy = false;
    // A rank 0 that takes nothing for so long has lost this worker, or its own life.
    if (!deliver(&m->pulse.lock, result, result != NULL ? size : 0, 0,
                 result != NULL ? TAG_RESULT : TAG_GOODBYE, m->most_silence * pulse_seconds))
        _exit(EXIT_FAILED);
    pthread_mutex_unlock(&m->pulse.lock);
    free(result);
    return result != NULL;
}

// Takes the next message, if any: an order, or how to leave. A signal in between two runs is a
// goodbye.
static int take_message(member *m, bool *serves, char **order) {
    int size = 0;
    *order = NULL;
    pthread_mutex_lock(&m->pulse.lock);
    int tag = look(0, &size);
    if (tag != 0) {
        *order = calloc((size_t)size + 1, 1);
        if (*order == NULL) _exit(EXIT_FAILED);
        mpi->receive(*order, size, 0, tag);
        m->silence = 0;
    }
    if (*serves && tool_interrupted) {
        send_sign(0, TAG_GOODBYE);
        *serves = false;
    }
    m->busy = tag == TAG_ORDER && *serves;
    pthread_mutex_unlock(&m->pulse.lock);
    return tag;
}

// Trains until rank 0 says how to leave: with TAG_LEAVE or TAG_SCATTER, which it returns. After a
// goodbye a worker stays, idle, because no rank can finalize before all others do.
static int follow(member *m) {
    bool serves = true;
    for (;;) {
        char *order;
        int tag = take_message(m, &serves, &order);
        if (tag == TAG_ORDER && serves) serves = work(m, order);
        free(order);
        if (tag == TAG_LEAVE || tag == TAG_SCATTER) return tag;
        if (tag == 0) nap();
    }
}

static int serve(double lease) {
    member m = {.most_silence = (int)(PATIENCE * lease / pulse_seconds)};
    tool_catch_interrupts();
    pulse_start(&m.pulse, beat_of_member, &m);
    int tag = follow(&m);
    pulse_end(&m.pulse);
    if (tag == TAG_SCATTER) {
        sleep(scatter_seconds);
        _exit(EXIT_DONE);
    }
    mpi->leave();
    return EXIT_DONE;
}

// --- rank 0 ------------------------------------------------------------------------------------

typedef enum worker_state { IS_FREE, IS_BUSY, IS_LOST, HAS_LEFT } worker_state;

struct fleet {
    pulse pulse; // its lock guards the workers, too
    int size;
    double lease;          // seconds
    pthread_mutex_t here;  // held by the one thread that trains for workers that are gone
    worker_state *workers; // [size]; rank 0 is none
};

// The lost are not told: what is sent to the dead stays in MPI's buffers.
static void beat_of_fleet(void *owner) {
    const fleet *f = owner;
    for (int rank = 1; rank < f->size; rank++)
        if (f->workers[rank] != IS_LOST) send_sign(rank, TAG_PULSE);
}

// Whether an mpirun or srun has started this process, and more than one; a process on its own leaves
// MPI alone.
static bool is_launched(bool *many) {
    static const char *const NAMES[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK",
                                        "PMIX_RANK"};
    bool launched = false;
    *many = false;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *text = getenv(NAMES[i]);
        launched |= text != NULL;
        *many |= text != NULL && strstr(NAMES[i], "SIZE") != NULL && atoi(text) > 1;
    }
    return launched;
}

bool fleet_is_launched(void) {
    bool many;
    return is_launched(&many);
}

// Without an MPI one process is a fleet of one, and several would each train the whole sweep.
static int load(bool many) {
    const char *why;
    mpi = mpi_load(&why);
    if (mpi != NULL || !many) return EXIT_DONE;
    return tool_usage_error("%s, or use --share: this is one process of several", why);
}

static double read_lease(int rank) {
    const char *text = getenv("FOVEA_LEASE");
    char *end;
    double seconds = text != NULL ? strtod(text, &end) : default_lease;
    if (text == NULL || (end != text && *end == '\0' && seconds > pulse_seconds && seconds < 1e6))
        return seconds;
    if (rank > 0) return default_lease;
    fprintf(stderr, "fovea: FOVEA_LEASE is a number of seconds above %g, not '%s'; %g are taken\n",
            (double)pulse_seconds, text, default_lease);
    return default_lease;
}

int fleet_join(fleet **out, bool *served) {
    *out = NULL;
    *served = false;
    bool many;
    if (!is_launched(&many)) return EXIT_DONE;
    int exit_code = load(many), rank, size;
    if (mpi == NULL) return exit_code;
    if (!mpi->join(true, &rank, &size)) {
        tool_usage_error("this MPI does not serve programs with threads");
        mpi->abort(EXIT_FAILED);
    }
    *served = rank > 0;
    double lease = read_lease(rank);
    if (rank > 0) return serve(lease);
    fleet *f = calloc(1, sizeof *f);
    worker_state *workers = calloc((size_t)size, sizeof *workers);
    if (f == NULL || workers == NULL) {
        free(f);
        free(workers);
        tool_usage_error("out of memory for a fleet of %d", size);
        mpi->abort(EXIT_FAILED);
        return EXIT_FAILED;
    }
    pthread_mutex_init(&f->here, NULL);
    f->size = size;
    f->lease = lease;
    f->workers = workers;
    pulse_start(&f->pulse, beat_of_fleet, f);
    *out = f;
    return EXIT_DONE;
}

int fleet_size(const fleet *f) {
    return f != NULL ? f->size : 1;
}

// With the lock held: whether a worker without order is there. One that said goodbye while it was
// idle has left; one that was lost is found again by its late result, which nobody needs.
static bool is_ready(fleet *f, int rank) {
    if (f->workers[rank] == IS_BUSY || f->workers[rank] == HAS_LEFT) return false;
    for (int tag, size; (tag = look(rank, &size)) != 0;) {
        if (tag == TAG_RESULT) {
            char *late = take(&f->pulse.lock, rank, tag, size, f->lease);
            if (late == NULL) return false;
            free(late);
            f->workers[rank] = IS_FREE;
            continue;
        }
        take_sign(rank, tag);
        if (tag != TAG_GOODBYE) continue;
        f->workers[rank] = HAS_LEFT;
        fprintf(stderr, "fovea: worker %d has left\n", rank);
    }
    return f->workers[rank] == IS_FREE;
}

// Waits for a worker that is free. Returns 0 where none is left to wait for, -1 when interrupted.
static int engage(fleet *f, const volatile int *interrupted) {
    for (;;) {
        int n_busy = 0, found = 0;
        pthread_mutex_lock(&f->pulse.lock);
        for (int rank = 1; rank < f->size && found == 0; rank++) {
            if (is_ready(f, rank)) found = rank;
            n_busy += f->workers[rank] == IS_BUSY;
        }
        if (found > 0) f->workers[found] = IS_BUSY;
        pthread_mutex_unlock(&f->pulse.lock);
        if (found > 0 || n_busy == 0) return found;
        if (__atomic_load_n(interrupted, __ATOMIC_RELAXED)) return -1;
        nap();
    }
}

static void report_gone(int rank, worker_state state) {
    fprintf(stderr, "fovea: worker %d %s; its run is given out again\n", rank,
            state == IS_LOST ? "is lost" : "has left");
}

// Whether the worker has taken the order; one that was stopped between two runs takes none.
static bool send_order(fleet *f, int rank, char *order) {
    pthread_mutex_lock(&f->pulse.lock);
    bool sent = deliver(&f->pulse.lock, order, strlen(order), rank, TAG_ORDER, f->lease);
    if (!sent) f->workers[rank] = IS_LOST;
    pthread_mutex_unlock(&f->pulse.lock);
    if (!sent) report_gone(rank, IS_LOST);
    return sent;
}

// What has come from a busy worker; *heard is when it last gave a sign.
static worker_state listen(fleet *f, int rank, double *heard, char **result, size_t *size) {
    int bytes = 0, tag;
    pthread_mutex_lock(&f->pulse.lock);
    while ((tag = look(rank, &bytes)) == TAG_PULSE) {
        take_sign(rank, tag);
        *heard = now();
    }
    if (tag == TAG_RESULT) {
        *result = take(&f->pulse.lock, rank, tag, bytes, f->lease);
        *size = (size_t)bytes;
        f->workers[rank] = *result != NULL ? IS_FREE : IS_LOST;
    } else if (tag == TAG_GOODBYE) {
        take_sign(rank, tag);
        f->workers[rank] = HAS_LEFT;
    } else if (now() - *heard > f->lease) {
        f->workers[rank] = IS_LOST;
    }
    worker_state state = f->workers[rank];
    pthread_mutex_unlock(&f->pulse.lock);
    return state;
}

// Waits for the result of a busy worker; NULL with FV_OK where the worker is gone.
static fv_status await_result(fleet *f, int rank, const volatile int *interrupted, char **result,
                              size_t *size, fv_error *error) {
    *result = NULL;
    for (double heard = now();; nap()) {
        worker_state state = listen(f, rank, &heard, result, size);
        if (state == IS_FREE) return FV_OK;
        if (state != IS_BUSY) {
            report_gone(rank, state);
            return FV_OK;
        }
        if (__atomic_load_n(interrupted, __ATOMIC_RELAXED))
            return fv_fail(error, FV_INTERRUPTED, "interrupted");
    }
}

// For workers that are gone, one run at a time: this process has one core of its own.
static fv_status train_here(fleet *f, const fv_config *config, const fv_probe *const *probes,
                            int n_probes, const volatile int *interrupted, fv_record *record,
                            fv_error *error) {
    const fv_run_options options = {
        .n_threads = 1, .probes = probes, .n_probes = n_probes, .interrupted = interrupted};
    pthread_mutex_lock(&f->here);
    fv_status status = fv_run(config, &options, record, error);
    pthread_mutex_unlock(&f->here);
    return status;
}

fv_status fleet_train(void *context, int worker, const fv_config *config,
                      const fv_probe *const *probes, int n_probes, const volatile int *interrupted,
                      fv_record *record, fv_error *error) {
    (void)worker; // whoever is free
    fleet *f = context;
    char *result = NULL;
    size_t size = 0;
    while (result == NULL) {
        int rank = engage(f, interrupted);
        if (rank < 0) return fv_fail(error, FV_INTERRUPTED, "interrupted");
        if (rank == 0) return train_here(f, config, probes, n_probes, interrupted, record, error);
        char *order = parcel_order(config, probes, n_probes);
        if (order == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
        if (!send_order(f, rank, order)) continue; // MPI may still read the order
        free(order);
        fv_status status = await_result(f, rank, interrupted, &result, &size, error);
        if (status != FV_OK) return status;
    }
    fv_status status = parcel_read_result(result, size, record, error);
    free(result);
    return status;
}

// Sends every other rank `tag`; the lost may not take it.
static void dismiss(fleet *f, int tag) {
    pthread_mutex_lock(&f->pulse.lock);
    for (int rank = 1; rank < f->size; rank++)
        deliver(&f->pulse.lock, NULL, 0, rank, tag, pulse_seconds);
    pthread_mutex_unlock(&f->pulse.lock);
}

void fleet_leave(fleet *f, int exit_code) {
    if (f == NULL) return;
    bool busy = false, lost = false;
    for (int rank = 1; rank < f->size; rank++) {
        busy |= f->workers[rank] == IS_BUSY;
        lost |= f->workers[rank] == IS_LOST;
    }
    if (busy && exit_code == EXIT_DONE) exit_code = EXIT_FAILED;
    dismiss(f, busy || lost ? TAG_SCATTER : TAG_LEAVE);
    pulse_end(&f->pulse);
    fflush(NULL);
    if (busy || lost) mpi->abort(exit_code);
    mpi->leave();
    pthread_mutex_destroy(&f->here);
    free(f->workers);
    free(f);
}
