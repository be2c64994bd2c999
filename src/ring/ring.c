// The ring, forward and backward.
//
//   step        0          1          2             rank r computes on the keys of rank r - step;
//   rank 0   keys 0     keys 3     keys 2   ...     while it does, they already travel on to rank
//   rank 1   keys 1     keys 0     keys 3           r + 1, and the next ones come in. Two buffers
//   rank 2   keys 2     keys 1     keys 0           take turns: one is read and sent from, one is
//   rank 3   keys 3     keys 2     keys 1           received into.
//
// In the backward pass the gradients of a block travel behind it: a rank adds its share to what
// arrives from the rank before and sends the sum on, so that a sum has a whole step to travel in.
// The last rank that a block visits sends its gradients home.
#include "base/clock.h"
#include "ring/ring_schedule.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT_KEYS, SLOT_VALUES, SLOT_DK, SLOT_DV, SLOT_HOME_DK, SLOT_HOME_DV };

// Two arrays that always go together: keys and values, or their gradients.
typedef struct pair {
    void *a, *b;
} pair;

struct fv_ring {
    fv_attention *plan;
    ring_schedule schedule;
    fv_ring_transport transport;
    int rank;
    int64_t rows, most_rows;
    size_t kv_row, gradient_row; // bytes of a row of keys, and of its gradient, all heads
    bool gradients;
    pair kv[2], sums[2], share; // the buffers
    float *delta;
    fv_ring_report report;
    fv_attention_work worked; // before the pass
    fv_ring_span *spans;
    int n_spans, capacity;
    double began;
};

// --- making and freeing --------------------------------------------------------------------------

static fv_status check(const fv_ring_config *config, fv_error *error) {
    const fv_attention_config *a = &config->attention;
    if (a->n_query != a->n_key || a->first_query != 0)
        return fv_fail(error, FV_USAGE,
                       "ring: queries and keys must be of the same sequence: n_query = n_key and "
                       "first_query = 0");
    if (a->mask.selected > 0)
        return fv_fail(
            error, FV_USAGE,
            "ring: selected blocks are chosen from means of the whole sequence, which no "
            "rank has; a ring needs a mask without `selected`");
    if ((int)config->layout < 0 || config->layout >= FV_RING_LAYOUT_COUNT)
        return fv_fail(error, FV_USAGE, "ring: layout is %d; it must be one of fv_ring_layout",
                       (int)config->layout);
    return FV_OK;
}

// Both arrays, of `size` bytes each; neither is NULL, or both are.
static bool allocate_pair(pair *p, size_t size) {
    p->a = malloc(size);
    p->b = malloc(size);
    return p->a != NULL && p->b != NULL;
}

static void free_pair(pair *p) {
    free(p->a);
    free(p->b);
}

// Buffers that blocks travel through: the one of step 0 is the rank's own array, so that a block
// that travels once needs one, and two take turns from the second step on.
static int n_buffers(const fv_ring *ring) {
    return ring->schedule.n_steps < 2 ? ring->schedule.n_steps : 2;
}

static fv_status allocate(fv_ring *ring, fv_error *error) {
    const fv_attention_config *c = attention_config_of(ring->plan);
    size_t rows = (size_t)ring->most_rows, n_spans = 3 * (size_t)ring->schedule.n_ranks + 16;
    bool done = true;
    ring->spans = calloc(2 * n_spans, sizeof *ring->spans);
    ring->capacity = (int)(2 * n_spans);
    done = ring->spans != NULL;
    for (int step = 1; step <= n_buffers(ring); step++)
        done = allocate_pair(&ring->kv[step % 2], rows * ring->kv_row) && done;
    if (ring->gradients) {
        size_t n = (size_t)(c->n_batch * c->n_head * ring->rows);
        ring->delta = malloc(n * sizeof *ring->delta);
        done = done && ring->delta != NULL;
        for (int step = 1; step <= n_buffers(ring); step++)
            done = allocate_pair(&ring->sums[step % 2], rows * ring->gradient_row) && done;
        if (n_buffers(ring) > 0)
            done = allocate_pair(&ring->share, rows * ring->gradient_row) && done;
    }
    return done ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory for the blocks of a ring");
}

fv_status fv_ring_create(const fv_ring_config *config, const fv_ring_transport *transport,
                         fv_ring **out, fv_error *error) {
    *out = NULL;
    fv_status status = check(config, error);
    if (status != FV_OK) return status;
    fv_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a ring");
    ring->transport = *transport;
    ring->rank = transport->rank;
    ring->gradients = config->gradients;
    status = fv_attention_create(&config->attention, &ring->plan, error);
    if (status == FV_OK)
        status = ring_schedule_create(ring->plan, config->layout, transport->n_ranks,
                                      &ring->schedule, error);
    if (status == FV_OK) {
        const fv_attention_config *c = attention_config_of(ring->plan);
        size_t numbers = (size_t)(c->n_batch * c->n_kv_head * c->d_head);
        ring->kv_row = numbers * (c->kv_type == FV_FLOAT32 ? sizeof(float) : sizeof(uint16_t));
        ring->gradient_row = numbers * sizeof(float);
        ring->rows = placement_rows(&ring->schedule.at[ring->rank]);
        ring->most_rows = ring_most_rows(&ring->schedule);
        status = allocate(ring, error);
    }
    if (status == FV_OK)
        *out = ring;
    else
        fv_ring_free(ring);
    return status;
}

void fv_ring_free(fv_ring *ring) {
    if (ring == NULL) return;
    for (int i = 0; i < 2; i++) {
        free_pair(&ring->kv[i]);
        free_pair(&ring->sums[i]);
    }
    free_pair(&ring->share);
    free(ring->delta);
    free(ring->spans);
    ring_schedule_free(&ring->schedule);
    fv_attention_free(ring->plan);
    free(ring);
}

// --- the clock -----------------------------------------------------------------------------------

static void begin(fv_ring *ring) {
    ring->report = (fv_ring_report){0};
    ring->n_spans = 0;
    ring->worked = fv_attention_worked(ring->plan);
    ring->began = clock_now();
}

static void finish(fv_ring *ring) {
    fv_attention_work work = fv_attention_worked(ring->plan);
    ring->report.seconds = clock_now() - ring->began;
    ring->report.work =
        (fv_attention_work){work.pairs - ring->worked.pairs, work.tiles - ring->worked.tiles};
}

static void note(fv_ring *ring, fv_ring_activity activity, int block, double from) {
    double to = clock_now() - ring->began;
    from -= ring->began;
    if (activity == FV_RING_COMPUTES) ring->report.compute_seconds += to - from;
    if (activity == FV_RING_WAITS) ring->report.wait_seconds += to - from;
    if (ring->n_spans == ring->capacity) return;
    ring->spans[ring->n_spans++] = (fv_ring_span){activity, block, from, to};
}

// --- messages ------------------------------------------------------------------------------------

static size_t rows_of(const fv_ring *ring, int block) {
    return (size_t)placement_rows(&ring->schedule.at[block]);
}

static int next_rank(const fv_ring *ring) {
    return (ring->rank + 1) % ring->schedule.n_ranks;
}
static int previous_rank(const fv_ring *ring) {
    return ring_block_at(&ring->schedule, ring->rank, 1);
}

static fv_status send_pair(fv_ring *ring, int slot, int to, pair data, size_t size,
                           fv_error *error) {
    const fv_ring_transport *t = &ring->transport;
    fv_status status = t->send(t->context, slot, to, data.a, size, error);
    if (status == FV_OK) status = t->send(t->context, slot + 1, to, data.b, size, error);
    ring->report.bytes_sent += 2 * size;
    return status;
}

static fv_status receive_pair(fv_ring *ring, int slot, int from, pair data, size_t size,
                              fv_error *error) {
    const fv_ring_transport *t = &ring->transport;
    fv_status status = t->receive(t->context, slot, from, data.a, size, error);
    if (status == FV_OK) status = t->receive(t->context, slot + 1, from, data.b, size, error);
    return status;
}

static fv_status wait_pair(fv_ring *ring, int slot, bool received, int block, fv_error *error) {
    const fv_ring_transport *t = &ring->transport;
    fv_status (*wait)(void *, int, fv_error *) = received ? t->wait_receive : t->wait_send;
    double from = clock_now();
    fv_status status = wait(t->context, slot, error);
    if (status == FV_OK) status = wait(t->context, slot + 1, error);
    note(ring, FV_RING_WAITS, block, from);
    return status;
}

// Keys and values on their way to step + 1: this rank's go on, the next ones come in. The buffer
// that they come into was sent from a step ago.
static fv_status start_travel(fv_ring *ring, int step, pair current, fv_error *error) {
    const ring_schedule *s = &ring->schedule;
    int block = ring_block_at(s, ring->rank, step), coming = ring_block_at(s, ring->rank, step + 1);
    fv_status status = wait_pair(ring, SLOT_KEYS, false, block, error);
    if (status == FV_OK && ring_has_block(s, ring->rank, step + 1))
        status = receive_pair(ring, SLOT_KEYS, previous_rank(ring), ring->kv[(step + 1) % 2],
                              rows_of(ring, coming) * ring->kv_row, error);
    if (status == FV_OK && ring_has_block(s, next_rank(ring), step + 1))
        status = send_pair(ring, SLOT_KEYS, next_rank(ring), current,
                           rows_of(ring, block) * ring->kv_row, error);
    return status;
}

// --- passes --------------------------------------------------------------------------------------

// What a pass does at a step: `block` belongs here, and is here if ring_has_block says so.
typedef fv_status (*visitor)(fv_ring *ring, void *context, int step, int block, pair keys,
                             fv_error *error);

// Takes the blocks around. `k` and `v` are the rank's own.
static fv_status go_around(fv_ring *ring, const void *k, const void *v, visitor visit,
                           void *context, fv_error *error) {
    const ring_schedule *s = &ring->schedule;
    fv_status status = FV_OK;
    // The rank's own arrays are only read, like everything that is current.
    pair current = {(void *)(uintptr_t)k, (void *)(uintptr_t)v};
    begin(ring);
    for (int step = 0; status == FV_OK && step <= s->n_steps; step++) {
        int block = ring_block_at(s, ring->rank, step);
        double started = clock_now();
        if (step < s->n_steps) status = start_travel(ring, step, current, error);
        if (status == FV_OK) status = visit(ring, context, step, block, current, error);
        if (status != FV_OK || step == s->n_steps) break;
        int coming = ring_block_at(s, ring->rank, step + 1);
        status = wait_pair(ring, SLOT_KEYS, true, coming, error);
        if (ring_has_block(s, ring->rank, step + 1)) note(ring, FV_RING_TRAVELS, coming, started);
        current = ring->kv[(step + 1) % 2];
    }
    if (status == FV_OK) status = wait_pair(ring, SLOT_KEYS, false, ring->rank, error);
    return status;
}

static local_keys keys_of(const fv_ring *ring, int block, pair keys) {
    return (local_keys){ring->schedule.at[block], keys.a, keys.b};
}

static fv_status visit_nothing(fv_ring *ring, void *context, int step, int block, pair keys,
                               fv_error *error) {
    (void)ring, (void)context, (void)step, (void)block, (void)keys, (void)error;
    return FV_OK;
}

fv_status fv_ring_transfer(fv_ring *ring, const void *k, const void *v, fv_error *error) {
    fv_status status = go_around(ring, k, v, visit_nothing, NULL, error);
    finish(ring);
    return status;
}

// --- forward -------------------------------------------------------------------------------------

static fv_status visit_forward(fv_ring *ring, void *context, int step, int block, pair keys,
                               fv_error *error) {
    (void)error;
    if (!ring_has_block(&ring->schedule, ring->rank, step)) return FV_OK;
    local_keys local = keys_of(ring, block, keys);
    double from = clock_now();
    tiles_forward(ring->plan, context, &local, step == 0);
    note(ring, FV_RING_COMPUTES, block, from);
    return FV_OK;
}

fv_status fv_ring_forward(fv_ring *ring, const float *q, const void *k, const void *v, float *o,
                          float *logsumexp, fv_error *error) {
    local_queries queries = {ring->schedule.at[ring->rank], q, o, logsumexp};
    fv_status status = go_around(ring, k, v, visit_forward, &queries, error);
    finish(ring);
    return status;
}

// --- backward ------------------------------------------------------------------------------------

typedef struct backward {
    local_gradients queries;
    pair own; // dk, dv of the caller
} backward;

static void add(float *sum, const float *share, size_t n) {
    for (size_t i = 0; i < n; i++) sum[i] += share[i];
}

// Sends the sums of the block on, or home from the last rank that it visits.
static fv_status send_sums(fv_ring *ring, int step, int block, pair sums, fv_error *error) {
    const ring_schedule *s = &ring->schedule;
    size_t size = rows_of(ring, block) * ring->gradient_row;
    if (step < s->travel[block])
        return send_pair(ring, SLOT_DK, next_rank(ring), sums, size, error);
    return step > 0 ? send_pair(ring, SLOT_HOME_DK, block, sums, size, error) : FV_OK;
}

// The sums of the next step's block go into the buffer that was sent from a step ago.
static fv_status receive_sums(fv_ring *ring, int step, fv_error *error) {
    const ring_schedule *s = &ring->schedule;
    if (!ring_has_block(s, ring->rank, step + 1)) return FV_OK;
    int coming = ring_block_at(s, ring->rank, step + 1);
    return receive_pair(ring, SLOT_DK, previous_rank(ring), ring->sums[(step + 1) % 2],
                        rows_of(ring, coming) * ring->gradient_row, error);
}

static void compute_share(fv_ring *ring, const backward *b, int block, pair keys, pair share) {
    local_keys local = keys_of(ring, block, keys);
    size_t size = rows_of(ring, block) * ring->gradient_row;
    double from = clock_now();
    memset(share.a, 0, size);
    memset(share.b, 0, size);
    tiles_backward(ring->plan, &b->queries, &local, share.a, share.b);
    note(ring, FV_RING_COMPUTES, block, from);
}

static fv_status wait_for_sent(fv_ring *ring, int block, fv_error *error) {
    fv_status status = wait_pair(ring, SLOT_DK, false, block, error);
    if (status == FV_OK) status = wait_pair(ring, SLOT_HOME_DK, false, block, error);
    return status;
}

// The block's gradients: of this rank's queries, and of those that it met before.
static fv_status add_up(fv_ring *ring, const backward *b, int step, int block, pair keys,
                        fv_error *error) {
    if (step == 0) {
        compute_share(ring, b, block, keys, b->own);
        return FV_OK;
    }
    pair sums = ring->sums[step % 2];
    size_t n = rows_of(ring, block) * ring->gradient_row / sizeof(float);
    compute_share(ring, b, block, keys, ring->share);
    fv_status status = wait_pair(ring, SLOT_DK, true, block, error);
    double from = clock_now();
    add(sums.a, ring->share.a, n);
    add(sums.b, ring->share.b, n);
    note(ring, FV_RING_COMPUTES, block, from);
    return status;
}

static fv_status visit_backward(fv_ring *ring, void *context, int step, int block, pair keys,
                                fv_error *error) {
    const backward *b = context;
    const ring_schedule *s = &ring->schedule;
    bool here = ring_has_block(s, ring->rank, step);
    fv_status status = here ? add_up(ring, b, step, block, keys, error) : FV_OK;
    if (status == FV_OK) status = wait_for_sent(ring, block, error);
    // The rank's own sums have left at step 0: their array is free for what comes home.
    if (status == FV_OK && step == 1 && s->travel[ring->rank] > 0)
        status = receive_pair(ring, SLOT_HOME_DK, (ring->rank + s->travel[ring->rank]) % s->n_ranks,
                              b->own, (size_t)ring->rows * ring->gradient_row, error);
    if (status == FV_OK && here)
        status = send_sums(ring, step, block, step == 0 ? b->own : ring->sums[step % 2], error);
    if (status == FV_OK) status = receive_sums(ring, step, error);
    return status;
}

fv_status fv_ring_backward(fv_ring *ring, const float *q, const void *k, const void *v,
                           const float *o, const float *logsumexp, const float *d_o, float *dq,
                           float *dk, float *dv, fv_error *error) {
    if (!ring->gradients)
        return fv_fail(error, FV_USAGE, "ring: it was made without room for gradients");
    const fv_attention_config *c = attention_config_of(ring->plan);
    backward b = {.queries = {ring->schedule.at[ring->rank], q, logsumexp, d_o, ring->delta, dq},
                  .own = {dk, dv}};
    tiles_delta(ring->plan, ring->rows, o, d_o, ring->delta);
    memset(dq, 0, (size_t)(c->n_batch * c->n_head * ring->rows * c->d_head) * sizeof *dq);
    fv_status status = go_around(ring, k, v, visit_backward, &b, error);
    if (status == FV_OK) status = wait_for_sent(ring, ring->rank, error);
    if (status == FV_OK) status = wait_pair(ring, SLOT_HOME_DK, true, ring->rank, error);
    finish(ring);
    return status;
}

// --- facts ---------------------------------------------------------------------------------------

fv_ring_report fv_ring_last(const fv_ring *ring) {
    return ring->report;
}

const fv_ring_span *fv_ring_spans(const fv_ring *ring, int *n) {
    *n = ring->n_spans;
    return ring->spans;
}

fv_ring_plan fv_ring_plan_of(const fv_ring *ring) {
    const ring_schedule *s = &ring->schedule;
    fv_ring_plan plan = {0};
    for (int step = 0; step <= s->n_steps; step++) {
        if (!ring_has_block(s, ring->rank, step)) continue;
        int block = ring_block_at(s, ring->rank, step);
        bool goes_on = step < s->travel[block];
        plan.n_steps++;
        plan.forward_bytes += goes_on ? 2 * rows_of(ring, block) * ring->kv_row : 0;
        plan.backward_bytes +=
            goes_on || step > 0 ? 2 * rows_of(ring, block) * ring->gradient_row : 0;
    }
    plan.backward_bytes += plan.forward_bytes;
    const fv_attention_config *c = attention_config_of(ring->plan);
    size_t rows = (size_t)ring->most_rows, n = 2 * (size_t)n_buffers(ring);
    plan.memory_bytes = n * rows * ring->kv_row;
    if (!ring->gradients) return plan;
    plan.memory_bytes += (size_t)(c->n_batch * c->n_head * ring->rows) * sizeof *ring->delta;
    if (n > 0) plan.memory_bytes += (n + 2) * rows * ring->gradient_row;
    return plan;
}
