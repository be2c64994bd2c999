// What a ring takes on a machine that is not at hand: every rank is followed through every step.
//
//   done(r, s)    = max(done(r, s - 1), keys arrive(r, s)) + work(r, s) / flops, then sums arrive
//   keys arrive   latency + bytes / bandwidth after both ends have begun: the sender with the step
//                 before, the receiver too. Where nothing is hidden they only begin to move when
//                 both ends wait for them, after that step's work.
//   sums arrive   the same, from when the sender is done with the step before (backward)
#include "ring/ring_schedule.h"

#include <math.h>
#include <stdlib.h>

typedef struct model {
    const fv_ring_machine *machine;
    const fv_attention *plan;
    ring_schedule schedule;
    double *work; // [n_ranks][n_ranks] operations of rank r at step s, forward
    double *begun, *done, *keys, *sums; // [n_ranks]
} model;

static double largest(const double *x, int n) {
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, x[i]);
    return most;
}

static double work_at(const model *m, int rank, int step) {
    return m->work[(size_t)rank * (size_t)m->schedule.n_ranks + (size_t)step];
}

static fv_status count_work(model *m, fv_error *error) {
    const fv_attention_config *c = attention_config_of(m->plan);
    const ring_schedule *s = &m->schedule;
    double each = 4.0 * (double)(c->d_head * c->n_head * c->n_batch);
    for (int r = 0; r < s->n_ranks; r++)
        for (int step = 0; step <= s->n_steps; step++) {
            if (!ring_has_block(s, r, step)) continue;
            int64_t pairs = ring_pairs(m->plan, &s->at[r], &s->at[ring_block_at(s, r, step)]);
            if (pairs < 0) return fv_fail(error, FV_NO_MEMORY, "out of memory for a count");
            m->work[(size_t)r * (size_t)s->n_ranks + (size_t)step] = each * (double)pairs;
        }
    return FV_OK;
}

static double transfer_seconds(const model *m, int block, size_t bytes_a_number) {
    const fv_attention_config *c = attention_config_of(m->plan);
    double numbers = (double)placement_rows(&m->schedule.at[block]) *
                     (double)(c->n_batch * c->n_kv_head * c->d_head);
    return 2 * m->machine->latency +
           2 * numbers * (double)bytes_a_number / m->machine->bytes_per_second;
}

// When keys for `step` are at rank r, and its neighbour's sums are ready to leave, the step before
// being known of all ranks.
static void arrivals(model *m, int step) {
    const ring_schedule *s = &m->schedule;
    size_t kv_bytes = attention_config_of(m->plan)->kv_type == FV_FLOAT32 ? 4 : 2;
    const double *start = m->machine->hides ? m->begun : m->done;
    for (int r = 0; r < s->n_ranks; r++) {
        int block = ring_block_at(s, r, step), from = ring_block_at(s, r, 1);
        bool here = ring_has_block(s, r, step);
        m->keys[r] = here ? fmax(start[r], start[from]) + transfer_seconds(m, block, kv_bytes) : 0;
        m->sums[r] = m->done[from];
    }
}

// When a rank that has done its own share at `ready` has the sums of the block too.
static double with_sums(const model *m, int rank, int step, double ready) {
    if (!ring_has_block(&m->schedule, rank, step)) return ready;
    double seconds = transfer_seconds(m, ring_block_at(&m->schedule, rank, step), sizeof(float));
    if (m->machine->hides) return fmax(ready, m->sums[rank] + seconds);
    return fmax(ready, m->sums[rank]) + seconds;
}

// One pass, all ranks beginning together; adds to *seconds and *compute.
static void follow(model *m, bool backward, double *seconds, double *compute) {
    const ring_schedule *s = &m->schedule;
    double speed = m->machine->flops / (backward ? 2.5 : 1), most = 0;
    for (int r = 0; r < s->n_ranks; r++) m->begun[r] = m->done[r] = m->keys[r] = m->sums[r] = 0;
    for (int step = 0; step <= s->n_steps; step++) {
        if (step > 0) arrivals(m, step);
        for (int r = 0; r < s->n_ranks; r++) {
            m->begun[r] = fmax(m->done[r], m->keys[r]);
            double ready = m->begun[r] + work_at(m, r, step) / speed;
            m->done[r] = backward && step > 0 ? with_sums(m, r, step, ready) : ready;
        }
    }
    double end = largest(m->done, s->n_ranks);
    if (backward && s->n_steps > 0) end += transfer_seconds(m, 0, sizeof(float)); // home
    for (int r = 0; r < s->n_ranks; r++) {
        double sum = 0;
        for (int step = 0; step <= s->n_steps; step++) sum += work_at(m, r, step) / speed;
        most = fmax(most, sum);
    }
    *seconds += end;
    *compute += most;
}

static double all_work(const model *m) {
    size_t n = (size_t)m->schedule.n_ranks;
    double sum = 0;
    for (size_t i = 0; i < n * n; i++) sum += m->work[i];
    return sum;
}

static fv_status allocate(model *m, fv_error *error) {
    size_t n = (size_t)m->schedule.n_ranks;
    m->work = calloc(n * n, sizeof *m->work);
    m->begun = calloc(4 * n, sizeof *m->begun);
    if (m->work == NULL || m->begun == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a model of %zu ranks", n);
    m->done = m->begun + n;
    m->keys = m->done + n;
    m->sums = m->keys + n;
    return FV_OK;
}

fv_status fv_ring_predict(const fv_ring_config *config, int n_ranks, const fv_ring_machine *machine,
                          fv_ring_forecast *forecast, fv_error *error) {
    model m = {.machine = machine};
    fv_attention *plan = NULL;
    *forecast = (fv_ring_forecast){0};
    if (!(machine->flops > 0) || !(machine->latency >= 0) || !(machine->bytes_per_second > 0))
        return fv_fail(error, FV_USAGE,
                       "ring: a machine needs flops and bandwidth above 0 and a latency of 0 s or "
                       "more");
    fv_status status = fv_attention_create(&config->attention, &plan, error);
    m.plan = plan;
    if (status == FV_OK)
        status = ring_schedule_create(plan, config->layout, n_ranks, &m.schedule, error);
    if (status == FV_OK) status = allocate(&m, error);
    if (status == FV_OK) status = count_work(&m, error);
    if (status == FV_OK) {
        follow(&m, false, &forecast->seconds, &forecast->compute_seconds);
        if (config->gradients) follow(&m, true, &forecast->seconds, &forecast->compute_seconds);
        forecast->ideal_seconds =
            all_work(&m) / n_ranks / machine->flops * (config->gradients ? 3.5 : 1);
    }
    free(m.work);
    free(m.begun);
    ring_schedule_free(&m.schedule);
    fv_attention_free(plan);
    return status;
}
