// The gradient of a long recurrence. A thread takes the heads of one sequence that share keys, one
// after the other: from the last kept state to the first it finds the states before every chunk
// between, and goes back through these chunks. Gradients of shared queries and keys are added in
// the order of the heads.
#include "scan/long_recurrence_plan.h"

#include <string.h>

typedef struct backward_pass {
    fv_recurrence *recurrence;
    const fv_recurrence_input *input;
    const float *dy, *dfinal;
    const fv_recurrence_gradient *gradient;
} backward_pass;

// The state before chunk i behind a kept one, of a worker.
static float *state_again(const fv_recurrence *r, int worker, int64_t i) {
    const int64_t n = r->config.checkpoint / FV_CHUNK;
    return (float *)arena_at(&r->again, 0) + (size_t)(worker * n + i) * r->state_size;
}

static void run_chunk(const backward_pass *pass, const kernel_chunk *chunk, bool adds,
                      float *dstate) {
    const fv_recurrence_gradient *g = pass->gradient;
    const fv_recurrence_input *in = pass->input;
    const ptrdiff_t keys = chunk->q - in->q, values = chunk->v - in->v;
    kernel_chunk_gradient job = {.forward = *chunk,
                                 .dy = pass->dy + values,
                                 .dstate = dstate,
                                 .adds = adds,
                                 .dq = g->dq + keys,
                                 .dk = g->dk + keys,
                                 .dv = g->dv + values};
    if (in->log_decay && g->dlog_decay)
        job.dlog_decay = g->dlog_decay + (chunk->log_decay - in->log_decay);
    if (in->rate && g->drate) job.drate = g->drate + (chunk->rate - in->rate);
    pass->recurrence->kernels->chunk_gradient(&job);
}

// Back from position `end` to kept state i.
static void run_kept(const backward_pass *pass, int64_t index, int64_t i, bool adds, float *dstate,
                     int worker) {
    const fv_recurrence *r = pass->recurrence;
    const int64_t first = i * r->config.checkpoint, left = r->config.n - first;
    const int64_t end = first + (left < r->config.checkpoint ? left : r->config.checkpoint);
    const int64_t n = (end - first + FV_CHUNK - 1) / FV_CHUNK;
    const size_t bytes = r->state_size * sizeof(float);
    memcpy(state_again(r, worker, 0), recurrence_kept(r, index, i), bytes);
    for (int64_t c = 0; c + 1 < n; c++) {
        kernel_chunk chunk = recurrence_chunk(r, pass->input, index, first + c * FV_CHUNK, end);
        memcpy(state_again(r, worker, c + 1), state_again(r, worker, c), bytes);
        chunk.state = state_again(r, worker, c + 1);
        chunk.scratch = recurrence_scratch(r, worker);
        r->kernels->chunk(&chunk);
    }
    for (int64_t c = n - 1; c >= 0; c--) {
        kernel_chunk chunk = recurrence_chunk(r, pass->input, index, first + c * FV_CHUNK, end);
        chunk.state = state_again(r, worker, c);
        chunk.scratch = recurrence_scratch(r, worker);
        run_chunk(pass, &chunk, adds, dstate);
    }
}

// Piece (batch, head of keys).
static void run_heads(void *context, int piece, int worker) {
    const backward_pass *pass = context;
    const fv_recurrence *r = pass->recurrence;
    const fv_recurrence_config *c = &r->config;
    const int64_t shared = c->n_head / c->n_key_head, size = c->d_key * c->d_value;
    float *dstate = recurrence_scratch(r, worker) + r->scratch_size - r->state_size;
    for (int64_t h = 0; h < shared; h++) {
        const int64_t index = piece * shared + h;
        recurrence_load(r, pass->dfinal ? pass->dfinal + index * size : NULL, dstate);
        for (int64_t i = r->n_kept - 1; i >= 0; i--)
            run_kept(pass, index, i, h > 0, dstate, worker);
        if (pass->gradient->dinitial)
            recurrence_save(r, dstate, pass->gradient->dinitial + index * size);
    }
}

fv_status fv_recurrence_backward(fv_recurrence *r, const fv_recurrence_input *input,
                                 const float *dy, const float *dfinal,
                                 const fv_recurrence_gradient *gradient, fv_error *error) {
    fv_status status = recurrence_check_input(input, error);
    if (status != FV_OK) return status;
    if (!r->is_kept)
        return fv_fail(error, FV_USAGE,
                       "the recurrence's gradient needs the states of a forward pass with `keep`, "
                       "and the last one kept none");
    if (r->again.base == NULL) {
        r->again = (memory_arena){0};
        arena_reserve(&r->again, (size_t)r->n_threads * (size_t)(r->config.checkpoint / FV_CHUNK),
                      r->state_size * sizeof(float));
        status = arena_allocate(&r->again, error);
        if (status != FV_OK) return status;
    }
    backward_pass pass = {r, input, dy, dfinal, gradient};
    pool_run(r->pool, (int)(r->config.n_batch * r->config.n_key_head), run_heads, &pass);
    return FV_OK;
}
