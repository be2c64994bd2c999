// The tile loop of attention over sequences that lie in pieces: what one process runs over the
// whole sequence, and what a ring runs over each block of keys that arrives.
//
// The state of a query between two blocks is its normalised output and the logsumexp of its
// scores: that is itself the state of an online softmax with this maximum and sum 1. Blocks may
// therefore be added in any number and order, and each addition leaves a finished result of the
// keys so far.
//
// Masks work on global positions. A local array of rows says where its rows stand:
//
//     contiguous   {1, {{n, rank * n, 1}}}
//     striped      {1, {{n, rank, n_ranks}}}
//     zigzag       {2, {{n / 2, rank * n / 2, 1}, {n / 2, (2 n_ranks - 1 - rank) * n / 2, 1}}}
#ifndef ATTENTION_TILES_H
#define ATTENTION_TILES_H

#include "kernels/tile_kernels.h"

#include <fovea/attention.h>

enum { FV_MAX_RANGES = 2 };

// n rows that stand at the positions first, first + step, ...
typedef struct position_range {
    int64_t n, first, step;
} position_range;

// Where the rows of a local array stand: its ranges, one behind the other. Positions at or
// beyond the configuration's n_key (first_query + n_query for queries) are padding, which nobody
// sees.
typedef struct attention_placement {
    int n_ranges;
    position_range ranges[FV_MAX_RANGES];
} attention_placement;

static inline int64_t placement_rows(const attention_placement *p) {
    int64_t n = 0;
    for (int i = 0; i < p->n_ranges; i++) n += p->ranges[i].n;
    return n;
}

// Arrays are laid out as in <fovea/attention.h> with the local number of rows in place of n_query
// and n_key; the plan's n_query, n_key and mask are those of the whole sequence.
typedef struct local_queries {
    attention_placement at;
    const float *q;
    float *o;         // the running output
    float *logsumexp; // [n_batch][n_head][rows], the running logsumexp
} local_queries;

typedef struct local_keys {
    attention_placement at;
    const void *k, *v; // of the plan's kv_type
} local_keys;

// Adds the keys to the state of the queries. With `fresh` the state is taken to be empty, whatever
// it holds; otherwise o and logsumexp go on from earlier calls. Threads as the plan says; cannot
// fail, as all memory was allocated with the plan.
void tiles_forward(fv_attention *plan, const local_queries *queries, const local_keys *keys,
                   bool fresh);

// delta[row] = sum over features of d_o o, [n_batch][n_head][rows]: the backward pass needs it.
void tiles_delta(fv_attention *plan, int64_t rows, const float *o, const float *d_o, float *delta);

typedef struct local_gradients {
    attention_placement at;
    const float *q, *logsumexp, *d_o, *delta; // final, over all keys of the sequence
    float *dq;                                // +=
} local_gradients;

// dq += and dk, dv += the contribution of these keys. dk and dv are float, laid out like k and v.
void tiles_backward(fv_attention *plan, const local_gradients *queries, const local_keys *keys,
                    float *dk, float *dv);

// True where the mask shows some key of `keys` to some query of `queries`; a ring need not send
// the block otherwise.
bool tiles_any(const fv_attention *plan, const attention_placement *queries,
               const attention_placement *keys);

// The pairs (of one head) and tiles that tiles_forward would compute, without computing them.
fv_attention_work tiles_count(const fv_attention *plan, const attention_placement *queries,
                              const attention_placement *keys);

const fv_attention_config *attention_config_of(const fv_attention *plan);

#endif
