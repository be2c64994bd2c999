// What the passes of a long recurrence share: how it is cut, and where states lie.
#ifndef SCAN_LONG_RECURRENCE_PLAN_H
#define SCAN_LONG_RECURRENCE_PLAN_H

#include "base/arena.h"
#include "base/pool.h"
#include "kernels/kernels.h"

#include <fovea/recurrence.h>

struct fv_recurrence {
    fv_recurrence_config config; // key heads, scale, checkpoint and segments as chosen
    const kernel_set *kernels;
    thread_pool *pool;
    int n_threads;
    int64_t n_states;                // batch x heads; state b * heads + h
    int64_t n_segments, per_segment; // positions
    int64_t n_kept;                  // states of one head and sequence
    size_t state_size, scratch_size; // floats
    size_t transition_size;          // of the delta rule: [key][key], as a state of n_key columns
    memory_arena arena, kept, again;
    size_t at_scratch, at_states, at_transitions, at_nothing, at_step, step_size, at_decays;
    bool is_kept; // by the last forward
};

// A worker's scratch for chunks, and behind it the gradient of a state.
static inline float *recurrence_scratch(const fv_recurrence *r, int worker) {
    return (float *)arena_at(&r->arena, r->at_scratch) + (size_t)worker * r->scratch_size;
}
// The state before segment s, and at the end of one that began with nothing: [2].
static inline float *recurrence_state(const fv_recurrence *r, int64_t state, int64_t segment) {
    return (float *)arena_at(&r->arena, r->at_states) +
           (size_t)(state * (r->n_segments + 1) + segment) * 2 * r->state_size;
}
// State i of those kept for the gradient, one every `checkpoint` positions.
static inline float *recurrence_kept(const fv_recurrence *r, int64_t state, int64_t i) {
    return (float *)arena_at(&r->kept, 0) + (size_t)(state * r->n_kept + i) * r->state_size;
}

// The arguments of a chunk but y; it ends before `end` at the latest.
kernel_chunk recurrence_chunk(const fv_recurrence *r, const fv_recurrence_input *input,
                              int64_t state, int64_t position, int64_t end);
// Between [d_key][d_value] and a padded state; no `from` is 0.
void recurrence_load(const fv_recurrence *r, const float *from, float *state);
void recurrence_save(const fv_recurrence *r, const float *state, float *to);

fv_status recurrence_check_input(const fv_recurrence_input *input, fv_error *error);

#endif
