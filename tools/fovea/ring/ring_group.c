// Over MPI (mpi/mpi_calls.h): every message non-blocking, in pieces that its integers can count. When a process is
// lost MPI's own error handler ends the others.
#include "ring/ring_group.h"

#include "mpi/mpi_calls.h"
#include "tool.h"

#include <stdlib.h>
#include <time.h>

enum { MOST_PIECES = 64, TAG_GIVE = FV_RING_SLOTS };
static const size_t PIECE = (size_t)1 << 30; // bytes

typedef struct message {
    mpi_request pieces[MOST_PIECES];
    int n;
} message;

static const mpi_calls *mpi; // of a process that has joined a group

struct ring_group {
    int rank, size;
    message sends[FV_RING_SLOTS], receives[FV_RING_SLOTS];
};

int ring_group_join(bool threads, ring_group **out) {
    const char *why;
    *out = NULL;
    mpi = mpi_load(&why);
    if (mpi == NULL)
        return tool_usage_error("ring: %s (`fovea bench ring` runs ranks as threads without MPI)",
                                why);
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        fv_error error;
        fv_fail(&error, FV_NO_MEMORY, "out of memory");
        return tool_fail(&error);
    }
    if (mpi->join(threads, &(*out)->rank, &(*out)->size)) return EXIT_DONE;
    tool_usage_error("ring: this MPI does not serve programs with threads");
    mpi->abort(EXIT_FAILED);
    return EXIT_FAILED;
}

void ring_group_leave(ring_group *g) {
    if (g == NULL) return;
    mpi->leave();
    free(g);
}

void ring_group_abort(ring_group *g, int exit_code) {
    (void)g;
    mpi->abort(exit_code);
}

// --- the transport -------------------------------------------------------------------------------

static fv_status check_size(size_t size, fv_error *error) {
    if (size <= MOST_PIECES * PIECE) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "ring: a block of %zu bytes is more than can be sent; use more "
                   "ranks",
                   size);
}

static fv_status mpi_send(void *context, int slot, int to, const void *data, size_t size,
                          fv_error *error) {
    message *m = &((ring_group *)context)->sends[slot];
    fv_status status = check_size(size, error);
    for (size_t at = 0; status == FV_OK && at < size; at += PIECE)
        mpi->begin_send((const char *)data + at, (int)(size - at < PIECE ? size - at : PIECE), to,
                        slot, &m->pieces[m->n++]);
    return status;
}

static fv_status mpi_receive(void *context, int slot, int from, void *data, size_t size,
                             fv_error *error) {
    message *m = &((ring_group *)context)->receives[slot];
    fv_status status = check_size(size, error);
    for (size_t at = 0; status == FV_OK && at < size; at += PIECE)
        mpi->begin_receive((char *)data + at, (int)(size - at < PIECE ? size - at : PIECE), from,
                           slot, &m->pieces[m->n++]);
    return status;
}

static fv_status wait_for(message *m) {
    for (int i = 0; i < m->n; i++) mpi->wait(&m->pieces[i]);
    m->n = 0;
    return FV_OK;
}

static fv_status mpi_wait_send(void *context, int slot, fv_error *error) {
    (void)error;
    return wait_for(&((ring_group *)context)->sends[slot]);
}

static fv_status mpi_wait_receive(void *context, int slot, fv_error *error) {
    (void)error;
    return wait_for(&((ring_group *)context)->receives[slot]);
}

fv_ring_transport ring_group_transport(ring_group *g) {
    return (fv_ring_transport){.context = g,
                               .rank = g->rank,
                               .n_ranks = g->size,
                               .send = mpi_send,
                               .receive = mpi_receive,
                               .wait_send = mpi_wait_send,
                               .wait_receive = mpi_wait_receive};
}

// --- the group -----------------------------------------------------------------------------------

void ring_group_meet(ring_group *g) {
    (void)g;
    const struct timespec a_moment = {.tv_nsec = 200000};
    mpi_request request;
    bool here = false;
    mpi->begin_meeting(&request);
    for (mpi->has_ended(&request, &here); !here; mpi->has_ended(&request, &here))
        nanosleep(&a_moment, NULL);
    mpi->meet(); // all are awake: leave together
}

double ring_group_largest(ring_group *g, double number) {
    (void)g;
    return mpi->largest(number);
}

void ring_group_give(ring_group *g, const void *data, size_t size) {
    (void)g;
    for (size_t at = 0; at < size; at += PIECE)
        mpi->send((const char *)data + at, (int)(size - at < PIECE ? size - at : PIECE), 0,
                  TAG_GIVE);
}

void ring_group_take(ring_group *g, int rank, void *data, size_t size) {
    (void)g;
    for (size_t at = 0; at < size; at += PIECE)
        mpi->receive((char *)data + at, (int)(size - at < PIECE ? size - at : PIECE), rank,
                     TAG_GIVE);
}
