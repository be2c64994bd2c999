// Two models' answers to the same questions, joined group by group from eval.db.
#ifndef FOVEA_EVAL_COMPARER_H
#define FOVEA_EVAL_COMPARER_H

#include "eval/asks.h"

#include <fovea/compare.h>

// A sum of what may not be known.
typedef struct comparer_sum {
    double total;
    int n;
} comparer_sum;

typedef struct comparer {
    fv_comparison *out;
    comparer_sum prompt_tokens[2], answer_tokens[2], seconds[2];
    double *differences; // [out->logprobs.n] of log-probabilities
    int capacity;
    int n_second; // answers of the second model that count
} comparer;

// Questions that differ in depth and sample alone: cells [first_cell, first_cell + n_cells) of the
// comparison, and where the answers of each model are.
typedef struct comparer_group {
    asks_key keys[2];
    asks_group groups[2];
    int first_cell, n_cells, samples;
} comparer_group;

// Makes out->cells, whose places, and out->n_asked, are the caller's to fill before it joins.
fv_status comparer_begin(comparer *c, int n_cells, fv_comparison *out, fv_error *error);
fv_status comparer_join(comparer *c, asks *a, const comparer_group *group, fv_error *error);

// Tests what was joined. `seed` is of drawn permutations.
fv_status comparer_end(comparer *c, uint64_t seed, fv_error *error);
void comparer_free(comparer *c); // not the comparison

#endif
