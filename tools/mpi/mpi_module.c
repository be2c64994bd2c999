// The module through which the tool speaks MPI: tools/fovea/mpi/mpi_calls.h, over whichever MPI was
// there when it was built.
#include "mpi/mpi_calls.h"

#include <mpi.h>
#include <string.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(mpi_request), "a request must fit into the tool's");

static MPI_Request load(const mpi_request *request) {
    MPI_Request own;
    memcpy(&own, request->content, sizeof own);
    return own;
}

static void keep(MPI_Request own, mpi_request *request) {
    memcpy(request->content, &own, sizeof own);
}

static bool join(bool threads, int *rank, int *size) {
    int level = MPI_THREAD_SINGLE;
    if (threads)
        MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    else
        MPI_Init(NULL, NULL);
    if (threads) MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, size);
    return !threads || level >= MPI_THREAD_SERIALIZED;
}

static void leave(void) {
    MPI_Finalize();
}

static void abort_all(int exit_code) {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static int look(int rank, int tag, int *size) {
    int come = 0;
    MPI_Status message;
    if (tag == MPI_CALLS_ANY_TAG) tag = MPI_ANY_TAG;
    if (MPI_Iprobe(rank, tag, MPI_COMM_WORLD, &come, &message) != MPI_SUCCESS || !come) return -1;
    MPI_Get_count(&message, MPI_BYTE, size);
    return message.MPI_TAG;
}

static void send(const void *bytes, int size, int rank, int tag) {
    MPI_Send(bytes, size, MPI_BYTE, rank, tag, MPI_COMM_WORLD);
}

static void receive(void *bytes, int size, int rank, int tag) {
    MPI_Recv(bytes, size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static bool begin_send(const void *bytes, int size, int rank, int tag, mpi_request *request) {
    MPI_Request own;
    int begun = MPI_Isend(bytes, size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &own);
    if (begun == MPI_SUCCESS) keep(own, request);
    return begun == MPI_SUCCESS;
}

static bool begin_receive(void *bytes, int size, int rank, int tag, mpi_request *request) {
    MPI_Request own;
    int begun = MPI_Irecv(bytes, size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &own);
    if (begun == MPI_SUCCESS) keep(own, request);
    return begun == MPI_SUCCESS;
}

static void begin_meeting(mpi_request *request) {
    MPI_Request own;
    MPI_Ibarrier(MPI_COMM_WORLD, &own);
    keep(own, request);
}

static bool has_ended(mpi_request *request, bool *ended) {
    MPI_Request own = load(request);
    int done = 0;
    bool well = MPI_Test(&own, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS;
    keep(own, request);
    *ended = done != 0;
    return well;
}

static void forget(mpi_request *request) {
    MPI_Request own = load(request);
    MPI_Request_free(&own);
}

static void wait_for(mpi_request *request) {
    MPI_Request own = load(request);
    MPI_Wait(&own, MPI_STATUS_IGNORE);
    keep(own, request);
}

static void meet(void) {
    MPI_Barrier(MPI_COMM_WORLD);
}

static double largest(double number) {
    double of_all = number;
    MPI_Allreduce(&number, &of_all, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return of_all;
}

__attribute__((visibility("default"))) extern const mpi_calls fovea_mpi_calls;
const mpi_calls fovea_mpi_calls = {.version = FOVEA_VERSION,
                                   .join = join,
                                   .leave = leave,
                                   .abort = abort_all,
                                   .look = look,
                                   .send = send,
                                   .receive = receive,
                                   .begin_send = begin_send,
                                   .begin_receive = begin_receive,
                                   .begin_meeting = begin_meeting,
                                   .has_ended = has_ended,
                                   .forget = forget,
                                   .wait = wait_for,
                                   .meet = meet,
                                   .largest = largest};
