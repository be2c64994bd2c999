// Which rank holds what, and which block of keys has to travel how far.
//
// A block of keys visits the ranks behind its own one by one. It need not go further than to the
// last rank some of whose queries see it: with a causal mask and contiguous pieces the block of
// rank b ends at rank N - 1, with a window after a few steps.
#ifndef RING_RING_SCHEDULE_H
#define RING_RING_SCHEDULE_H

#include "attention/tiles.h"

#include <fovea/ring.h>

typedef struct ring_schedule {
    int n_ranks;
    attention_placement *at; // [n_ranks]
    int *travel;             // [n_ranks] steps that the block of each rank travels
    int n_steps;             // of the block that travels furthest
} ring_schedule;

attention_placement ring_placement(fv_ring_layout layout, int64_t n, int n_ranks, int rank);

fv_status ring_schedule_create(const fv_attention *plan, fv_ring_layout layout, int n_ranks,
                               ring_schedule *schedule, fv_error *error);
void ring_schedule_free(ring_schedule *schedule);

// The block that rank r has at a step: its own at step 0, then that of the rank before, ...
static inline int ring_block_at(const ring_schedule *s, int rank, int step) {
    return (rank - step + s->n_ranks) % s->n_ranks;
}

// Whether the block that belongs there has come so far.
static inline bool ring_has_block(const ring_schedule *s, int rank, int step) {
    return step < s->n_ranks && step <= s->travel[ring_block_at(s, rank, step)];
}

// The pairs that the mask leaves between the rows, of one head; -1 without memory. At once for
// causal masks and windows, by walking the tiles for others.
int64_t ring_pairs(const fv_attention *plan, const attention_placement *queries,
                   const attention_placement *keys);

// Rows of the largest block.
int64_t ring_most_rows(const ring_schedule *s);

#endif
