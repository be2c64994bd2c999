// Ranks as threads of one process: a message is copied once, from the sender's array into the
// receiver's, by whichever of the two waits for it first.
#include <fovea/ring.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef enum state { OVER, BEGUN, COPIED_NOW } state;

// One end of a message that is under way.
typedef struct end {
    state state;
    int other; // rank
    union {
        const void *from;
        void *to;
    } data;
    size_t size;
} end;

typedef struct member {
    fv_ring_local *local;
    int rank;
    end sends[FV_RING_SLOTS], receives[FV_RING_SLOTS];
} member;

struct fv_ring_local {
    pthread_mutex_t lock; // around everything but the copying itself
    pthread_cond_t changed;
    bool aborted;
    int n;
    member *members; // [n]
};

fv_status fv_ring_local_create(int n_ranks, fv_ring_local **out, fv_error *error) {
    *out = NULL;
    if (n_ranks < 1)
        return fv_fail(error, FV_USAGE, "ring: there must be at least one rank, not %d", n_ranks);
    fv_ring_local *local = calloc(1, sizeof *local);
    if (local != NULL) local->members = calloc((size_t)n_ranks, sizeof *local->members);
    if (local == NULL || local->members == NULL) {
        free(local);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a ring of %d threads", n_ranks);
    }
    pthread_mutex_init(&local->lock, NULL);
    pthread_cond_init(&local->changed, NULL);
    local->n = n_ranks;
    for (int r = 0; r < n_ranks; r++) {
        local->members[r].local = local;
        local->members[r].rank = r;
    }
    *out = local;
    return FV_OK;
}

void fv_ring_local_free(fv_ring_local *local) {
    if (local == NULL) return;
    pthread_cond_destroy(&local->changed);
    pthread_mutex_destroy(&local->lock);
    free(local->members);
    free(local);
}

void fv_ring_local_abort(fv_ring_local *local) {
    pthread_mutex_lock(&local->lock);
    local->aborted = true;
    pthread_cond_broadcast(&local->changed);
    pthread_mutex_unlock(&local->lock);
}

static fv_status start(member *m, end *e, end value, fv_error *error) {
    fv_ring_local *local = m->local;
    pthread_mutex_lock(&local->lock);
    bool free_slot = e->state == OVER;
    if (free_slot) *e = value;
    pthread_cond_broadcast(&local->changed);
    pthread_mutex_unlock(&local->lock);
    if (free_slot) return FV_OK;
    return fv_fail(error, FV_USAGE, "ring: rank %d uses a slot whose last message is under way",
                   m->rank);
}

static fv_status local_send(void *context, int slot, int to, const void *data, size_t size,
                            fv_error *error) {
    member *m = context;
    return start(m, &m->sends[slot], (end){BEGUN, to, {.from = data}, size}, error);
}

static fv_status local_receive(void *context, int slot, int from, void *data, size_t size,
                               fv_error *error) {
    member *m = context;
    return start(m, &m->receives[slot], (end){BEGUN, from, {.to = data}, size}, error);
}

// Copies the message if both ends have begun; the lock is held before and after.
static fv_status copy_if_ready(fv_ring_local *local, int slot, int from, int to, fv_error *error) {
    end *send = &local->members[from].sends[slot], *receive = &local->members[to].receives[slot];
    if (send->state != BEGUN || receive->state != BEGUN || send->other != to ||
        receive->other != from)
        return FV_OK;
    if (send->size != receive->size)
        return fv_fail(error, FV_USAGE,
                       "ring: rank %d sends %zu bytes to rank %d, which expects %zu", from,
                       send->size, to, receive->size);
    send->state = receive->state = COPIED_NOW;
    pthread_mutex_unlock(&local->lock);
    memcpy(receive->data.to, send->data.from, send->size);
    pthread_mutex_lock(&local->lock);
    send->state = receive->state = OVER;
    pthread_cond_broadcast(&local->changed);
    return FV_OK;
}

static fv_status wait_for(member *m, const end *e, int slot, bool sends, fv_error *error) {
    fv_ring_local *local = m->local;
    fv_status status = FV_OK;
    pthread_mutex_lock(&local->lock);
    while (status == FV_OK && e->state != OVER && !local->aborted) {
        if (e->state == BEGUN)
            status = copy_if_ready(local, slot, sends ? m->rank : e->other,
                                   sends ? e->other : m->rank, error);
        if (status == FV_OK && e->state != OVER && !local->aborted)
            pthread_cond_wait(&local->changed, &local->lock);
    }
    if (status == FV_OK && e->state != OVER)
        status = fv_fail(error, FV_INTERRUPTED, "ring: another rank has given up");
    pthread_mutex_unlock(&local->lock);
    return status;
}

static fv_status local_wait_send(void *context, int slot, fv_error *error) {
    member *m = context;
    return wait_for(m, &m->sends[slot], slot, true, error);
}

static fv_status local_wait_receive(void *context, int slot, fv_error *error) {
    member *m = context;
    return wait_for(m, &m->receives[slot], slot, false, error);
}

fv_ring_transport fv_ring_local_transport(fv_ring_local *local, int rank) {
    return (fv_ring_transport){.context = &local->members[rank],
                               .rank = rank,
                               .n_ranks = local->n,
                               .send = local_send,
                               .receive = local_receive,
                               .wait_send = local_wait_send,
                               .wait_receive = local_wait_receive};
}
