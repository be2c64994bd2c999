// What the passes of the long scan share: how it is cut, and where things lie.
#ifndef SCAN_SCAN_PLAN_H
#define SCAN_SCAN_PLAN_H

#include "base/arena.h"
#include "base/pool.h"
#include "kernels/kernels.h"

#include <fovea/scan.h>

struct fv_selective_scan {
    fv_selective_scan_config config; // chunk and segments as chosen
    const kernel_set *kernels;
    thread_pool *pool;
    int n_threads;
    // Blocks of channels, in spans (others on the way back); chunks of positions, in segments. A
    // task is (batch, block).
    int64_t n_blocks, n_spans, n_back_spans, n_chunks, n_segments, chunks_per_segment;
    size_t state_size; // floats: [state][FV_SCAN_BLOCK]
    memory_arena arena, kept, partial;
    size_t at_a, at_skip, at_bias, at_states, at_totals, at_workers, worker_size;
    bool is_kept; // by the last forward
};

// The scratch of a worker.
typedef struct scan_worker {
    float *step, *drive, *sum, *dsum, *ddrive, *dstep; // [chunk][ROW]
    float *state;                                      // [state][BLOCK]
    float *kept, *lanes;
} scan_worker;

static inline float *scan_a(const fv_selective_scan *s, int64_t block) {
    return (float *)arena_at(&s->arena, s->at_a) + (size_t)block * s->state_size;
}
static inline float *scan_skip(const fv_selective_scan *s, int64_t block) {
    return (float *)arena_at(&s->arena, s->at_skip) + block * FV_SCAN_BLOCK;
}
static inline float *scan_bias(const fv_selective_scan *s, int64_t block) {
    return (float *)arena_at(&s->arena, s->at_bias) + block * FV_SCAN_BLOCK;
}
// The state at the end of a segment that began with nothing, and the state before a segment.
static inline float *scan_state(const fv_selective_scan *s, int64_t task, int64_t segment) {
    return (float *)arena_at(&s->arena, s->at_states) +
           (size_t)(task * (s->n_segments + 1) + segment) * 2 * s->state_size;
}
static inline float *scan_before(const fv_selective_scan *s, int64_t task, int64_t segment) {
    return scan_state(s, task, segment) + s->state_size;
}
// The gradient of a task's state, on the way back. Nothing comes before the first segment.
static inline float *scan_dstate(const fv_selective_scan *s, int64_t task) {
    return scan_before(s, task, 0);
}
// The sum of a segment's steps, [BLOCK].
static inline float *scan_total(const fv_selective_scan *s, int64_t task, int64_t segment) {
    return (float *)arena_at(&s->arena, s->at_totals) +
           (task * s->n_segments + segment) * FV_SCAN_BLOCK;
}
// The state before a chunk, kept for the gradient.
static inline float *scan_kept(const fv_selective_scan *s, int64_t task, int64_t chunk) {
    return (float *)arena_at(&s->kept, 0) + (size_t)(task * s->n_chunks + chunk) * s->state_size;
}

// Blocks of a sequence that are scanned together, a chunk of each in turn: first .. end - 1.
typedef struct scan_span {
    int64_t batch, first, end;
} scan_span;
// Span `index` of n_batch * n_spans.
scan_span scan_span_of(const fv_selective_scan *scan, int64_t n_spans, int64_t index);

int scan_block_width(const fv_selective_scan *scan, int64_t block);
void scan_pack(fv_selective_scan *scan, const fv_selective_scan_input *input);
scan_worker scan_worker_of(const fv_selective_scan *scan, int worker);
// The arguments of a chunk but y and total; its state is the worker's.
kernel_scan_chunk scan_chunk(const fv_selective_scan *scan, const fv_selective_scan_input *input,
                             const scan_worker *worker, int64_t batch, int64_t block,
                             int64_t chunk);
// Has chunk i of a block fetch its part of chunk `next` of the span, unless that is negative or
// shorter than others.
void scan_look_ahead(const fv_selective_scan *scan, const scan_span *span, int64_t block, int64_t i,
                     int64_t next, kernel_scan_chunk *chunk);

#endif
