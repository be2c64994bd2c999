#include "ring/ring_run.h"

#include "ring/ring_data.h"
#include "tool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct run {
    const ring_request *request;
    ring_group *group;
    fv_ring_transport transport;
    fv_ring_link *link;
    fv_ring *ring;
    fv_attention *attention; // the whole sequence, at rank 0
    ring_part part, all;
    float *mine[RING_TENSORS], *whole[RING_TENSORS];
    float *logsumexp, *whole_logsumexp;
    ring_member member, trial; // the fastest repetition, and the one at hand
    ring_outcome *outcome;
} run;

static double now(void) {
    return tool_seconds(CLOCK_MONOTONIC);
}

// A line of /proc/self/status in bytes; NAN where there is none.
static double memory_line(const char *name) {
    char line[256];
    double kib = NAN;
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) return NAN;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) kib = strtod(line + strlen(name), NULL);
    fclose(file);
    return 1024 * kib;
}

// --- memory --------------------------------------------------------------------------------------

static bool is_wanted(const run *r, int tensor) {
    return r->request->config.gradients || tensor < RING_D_O || tensor == RING_O;
}

static fv_status allocate(const run *r, const ring_part *part, float **tensors, float **logsumexp,
                          fv_error *error) {
    const fv_attention_config *a = &r->request->config.attention;
    bool done = true;
    for (int t = 0; t < RING_TENSORS; t++) {
        if (!is_wanted(r, t)) continue;
        size_t n = ring_part_size(part, t);
        tensors[t] = malloc(n * sizeof *tensors[t]);
        done = done && tensors[t] != NULL;
        if (t <= RING_D_O && tensors[t] != NULL) ring_part_draw(part, t, tensors[t]);
    }
    *logsumexp =
        malloc((size_t)(a->n_batch * a->n_head * ring_part_rows(part)) * sizeof **logsumexp);
    if (done && *logsumexp != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for %s",
                   part->n_ranks == 1 ? "the whole sequence" : "a rank's share of the sequence");
}

static void free_all(run *r) {
    for (int t = 0; t < RING_TENSORS; t++) {
        free(r->mine[t]);
        free(r->whole[t]);
    }
    free(r->logsumexp);
    free(r->whole_logsumexp);
    fv_ring_free(r->ring);
    fv_ring_link_free(r->link);
    fv_attention_free(r->attention);
}

// --- agreeing ------------------------------------------------------------------------------------

// The failure of any rank is that of all. Before messages whose other end would wait for ever,
// every rank makes its room first and then agrees; nothing that one rank alone can fail at comes
// between.
static fv_status agree(ring_group *group, fv_status status, fv_error *error) {
    fv_status worst = (fv_status)-ring_group_largest(group, -(double)status);
    if (status == FV_OK && worst != FV_OK)
        return fv_fail(error, worst, "another rank has failed: %s", fv_status_text(worst));
    return status;
}

// --- passes --------------------------------------------------------------------------------------

static void keep_spans(ring_member *m, const fv_ring *ring, double offset) {
    int n;
    const fv_ring_span *spans = fv_ring_spans(ring, &n);
    for (int i = 0; i < n && m->n_spans < RING_MAX_SPANS; i++) {
        fv_ring_span *span = &m->spans[m->n_spans++];
        *span = spans[i];
        span->from += offset;
        span->to += offset;
    }
}

// No rank waits for the others between forward and backward.
static fv_status ring_pass(run *r, ring_member *m, fv_error *error) {
    float **t = r->mine;
    m->n_spans = 0;
    m->backward = (fv_ring_report){0};
    fv_status status =
        fv_ring_forward(r->ring, t[RING_Q], t[RING_K], t[RING_V], t[RING_O], r->logsumexp, error);
    m->forward = fv_ring_last(r->ring);
    m->turn = m->forward.seconds;
    keep_spans(m, r->ring, 0);
    if (status != FV_OK || !r->request->config.gradients) return status;
    status = fv_ring_backward(r->ring, t[RING_Q], t[RING_K], t[RING_V], t[RING_O], r->logsumexp,
                              t[RING_D_O], t[RING_DQ], t[RING_DK], t[RING_DV], error);
    m->backward = fv_ring_last(r->ring);
    keep_spans(m, r->ring, m->turn);
    return status;
}

static fv_status single_pass(run *r, double *forward, double *seconds, fv_error *error) {
    float **t = r->whole;
    double began = now();
    fv_status status = fv_attention_forward(r->attention, t[RING_Q], t[RING_K], t[RING_V],
                                            t[RING_O], r->whole_logsumexp, error);
    *forward = now() - began;
    if (status == FV_OK && r->request->config.gradients)
        status = fv_attention_backward(r->attention, t[RING_Q], t[RING_K], t[RING_V], t[RING_O],
                                       r->whole_logsumexp, t[RING_D_O], t[RING_DQ], t[RING_DK],
                                       t[RING_DV], error);
    *seconds = now() - began;
    return status;
}

// --- measuring -----------------------------------------------------------------------------------

// The time of a small message: to the next rank and from the one before.
static fv_status measure_latency(run *r, fv_error *error) {
    enum { TIMES = 200 };
    const fv_ring_transport *t = &r->transport;
    int next = (t->rank + 1) % t->n_ranks, before = (t->rank + t->n_ranks - 1) % t->n_ranks;
    double out = 1, in, best = INFINITY;
    fv_status status = FV_OK;
    ring_group_meet(r->group);
    for (int i = 0; i < TIMES && status == FV_OK; i++) {
        double began = now();
        status = t->receive(t->context, 0, before, &in, sizeof in, error);
        if (status == FV_OK) status = t->send(t->context, 0, next, &out, sizeof out, error);
        if (status == FV_OK) status = t->wait_receive(t->context, 0, error);
        if (status == FV_OK) status = t->wait_send(t->context, 0, error);
        best = fmin(best, now() - began);
    }
    r->outcome->message_latency = best;
    return status;
}

static fv_status measure_ring(run *r, fv_error *error) {
    ring_outcome *o = r->outcome;
    ring_member *m = &r->trial;
    ring_group_meet(r->group);
    fv_status status = ring_pass(r, m, error);
    double seconds = ring_group_largest(r->group, m->forward.seconds + m->backward.seconds);
    double first = ring_group_largest(r->group, m->forward.seconds);
    if (status != FV_OK || (o->seconds > 0 && seconds >= o->seconds)) return status;
    o->seconds = seconds;
    o->forward_seconds = first;
    double memory = r->member.memory;
    r->member = *m;
    r->member.memory = memory;
    return FV_OK;
}

static fv_status measure_transfer(run *r, fv_error *error) {
    ring_outcome *o = r->outcome;
    ring_group_meet(r->group);
    fv_status status = fv_ring_transfer(r->ring, r->mine[RING_K], r->mine[RING_V], error);
    double seconds = ring_group_largest(r->group, fv_ring_last(r->ring).seconds);
    if (o->transfer_seconds == 0 || seconds < o->transfer_seconds) o->transfer_seconds = seconds;
    return status;
}

// One process, while the others sleep.
static fv_status measure_single(run *r, fv_error *error) {
    fv_status status = FV_OK;
    ring_outcome *o = r->outcome;
    ring_group_meet(r->group);
    if (r->transport.rank == 0) {
        double forward = 0, seconds = 0;
        status = single_pass(r, &forward, &seconds, error);
        if (o->single_seconds == 0 || seconds < o->single_seconds) {
            o->single_seconds = seconds;
            o->single_forward = forward;
        }
    }
    return agree(r->group, status, error);
}

// Ring and single process take turns, so that a drifting clock meets both.
static fv_status measure(run *r, fv_error *error) {
    const ring_request *request = r->request;
    fv_status status = measure_latency(r, error);
    for (int i = 0; i < request->repeats && status == FV_OK; i++) {
        status = measure_ring(r, error);
        if (status == FV_OK && r->transport.n_ranks > 1) status = measure_transfer(r, error);
        if (status == FV_OK && request->check) status = measure_single(r, error);
    }
    return status;
}

// --- checking ------------------------------------------------------------------------------------

static double largest_of(const float *x, size_t n) {
    double largest = 1e-30;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)x[i]));
    return largest;
}

// Rank 0 takes the others' results one by one into one buffer.
static void check_tensor(run *r, int tensor, float *theirs) {
    size_t size = ring_part_size(&r->part, tensor);
    if (r->transport.rank != 0) {
        ring_group_give(r->group, r->mine[tensor], size * sizeof(float));
        return;
    }
    double apart = ring_part_distance(&r->part, tensor, r->mine[tensor], r->whole[tensor]);
    for (int rank = 1; rank < r->transport.n_ranks; rank++) {
        ring_part other = r->part;
        other.rank = rank;
        size = ring_part_size(&other, tensor);
        ring_group_take(r->group, rank, theirs, size * sizeof *theirs);
        double distance = ring_part_distance(&other, tensor, theirs, r->whole[tensor]);
        if (!(distance <= apart)) apart = distance;
    }
    r->outcome->errors[tensor] =
        apart / largest_of(r->whole[tensor], ring_part_size(&r->all, tensor));
}

// The largest tensor of a rank but the first.
static size_t largest_share(const run *r) {
    size_t most = 1;
    for (int rank = 1; rank < r->transport.n_ranks; rank++) {
        ring_part other = r->part;
        other.rank = rank;
        for (int t = RING_O; t < RING_TENSORS; t++) {
            size_t size = ring_part_size(&other, t);
            if (size > most) most = size;
        }
    }
    return most;
}

static fv_status check(run *r, fv_error *error) {
    fv_status status = FV_OK;
    float *theirs = NULL;
    if (r->transport.rank == 0) {
        theirs = malloc(largest_share(r) * sizeof *theirs);
        if (theirs == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory for a check");
    }
    status = agree(r->group, status, error);
    for (int t = RING_O; t < RING_TENSORS && status == FV_OK; t++)
        if (is_wanted(r, t)) check_tensor(r, t, theirs);
    free(theirs);
    return status;
}

// --- the whole -----------------------------------------------------------------------------------

static fv_status join_link(run *r, fv_error *error) {
    const ring_request *request = r->request;
    r->transport = ring_group_transport(r->group);
    if (request->link_bandwidth <= 0) return FV_OK;
    fv_status status = fv_ring_link_create(&r->transport, request->latency, request->link_bandwidth,
                                           &r->link, error);
    if (status == FV_OK) r->transport = fv_ring_link_transport(r->link);
    return status;
}

// The ring, with a first pass that shows how much memory a rank needs: the whole sequence, which
// only the check needs, comes after it.
static fv_status prepare(run *r, fv_error *error) {
    const ring_request *request = r->request;
    r->part = (ring_part){&request->config, r->transport.n_ranks, r->transport.rank};
    r->all = (ring_part){&request->config, 1, 0};
    double before = memory_line("VmRSS:");
    fv_status status = fv_ring_create(&request->config, &r->transport, &r->ring, error);
    if (status == FV_OK) status = allocate(r, &r->part, r->mine, &r->logsumexp, error);
    status = agree(r->group, status, error);
    if (status == FV_OK) status = measure_ring(r, error);
    if (status != FV_OK) return status;
    r->outcome->seconds = 0; // it was for the memory alone
    r->member.memory = memory_line("VmHWM:") - before;
    if (request->check && r->transport.rank == 0) {
        status = allocate(r, &r->all, r->whole, &r->whole_logsumexp, error);
        if (status == FV_OK)
            status = fv_attention_create(&request->config.attention, &r->attention, error);
    }
    return agree(r->group, status, error);
}

static fv_status collect(run *r, fv_error *error) {
    ring_outcome *o = r->outcome;
    r->member.rows = ring_part_rows(&r->part);
    r->member.plan = fv_ring_plan_of(r->ring);
    o->n_ranks = r->transport.n_ranks;
    fv_status status = FV_OK;
    if (r->transport.rank == 0) {
        o->members = calloc((size_t)o->n_ranks, sizeof *o->members);
        if (o->members == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory for reports");
    }
    status = agree(r->group, status, error);
    if (status != FV_OK) return status;
    if (r->transport.rank != 0) {
        ring_group_give(r->group, &r->member, sizeof r->member);
        return FV_OK;
    }
    o->members[0] = r->member;
    for (int rank = 1; rank < o->n_ranks; rank++)
        ring_group_take(r->group, rank, &o->members[rank], sizeof r->member);
    return FV_OK;
}

fv_status ring_run(const ring_request *request, ring_group *group, ring_outcome *outcome,
                   fv_error *error) {
    *outcome = (ring_outcome){0};
    run *r = calloc(1, sizeof *r);
    fv_status status = r != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory for a ring");
    status = agree(group, status, error);
    if (status != FV_OK) {
        free(r);
        return status;
    }
    r->request = request;
    r->group = group;
    r->outcome = outcome;
    status = agree(group, join_link(r, error), error);
    if (status == FV_OK) status = prepare(r, error);
    if (status == FV_OK) status = measure(r, error);
    if (status == FV_OK && request->check) status = check(r, error);
    if (status == FV_OK) status = collect(r, error);
    free_all(r);
    free(r);
    if (status != FV_OK) ring_outcome_free(outcome);
    return status;
}

void ring_outcome_free(ring_outcome *outcome) {
    free(outcome->members);
    outcome->members = NULL;
}

// --- what follows from it ------------------------------------------------------------------------

double ring_flops(const ring_request *request, const ring_outcome *outcome, bool backward) {
    double pairs = 0;
    for (int rank = 0; rank < outcome->n_ranks; rank++)
        pairs += (double)outcome->members[rank].forward.work.pairs;
    return (backward ? 10.0 : 4.0) * pairs * (double)request->config.attention.d_head;
}

double ring_hidden_share(const ring_outcome *outcome) {
    double compute = 0;
    for (int rank = 0; rank < outcome->n_ranks; rank++)
        compute = fmax(compute, outcome->members[rank].forward.compute_seconds);
    double shown = outcome->forward_seconds - compute;
    return fmin(fmax(1 - shown / outcome->transfer_seconds, 0), 1);
}
