// Attention over a context so long that its probabilities, one for every pair of positions, should
// not be kept: the samples of a group leave their lanes, pass through the tiled kernel of
// src/attention, whose memory grows with the context and not with its square, and come back.
//
// The backward pass computes the probabilities again, from the logsumexp of each query.
#ifndef MODEL_ATTENTION_LONG_H
#define MODEL_ATTENTION_LONG_H

#include "model/layers.h"

enum { FV_LONG_CONTEXT = 512 }; // keys

// A layer's kernels, one for each tile that may be at work at once, each with the memory that it
// needs.
typedef struct fv_long_attention fv_long_attention;

// *out stays NULL where the layer keeps its probabilities: below FV_LONG_CONTEXT keys, where
// positions ask or are seen in more than two stretches, where none sees itself, where the score has
// a learned part, where a head is wider than the tiled kernel takes, and in double precision, which
// it does not know.
fv_status fv_long_attention_create(const fv_layer *layer, fv_long_attention **out, fv_error *error);
void fv_long_attention_free(fv_long_attention *attention);

// A group's rows: queries [T_q][d][16] with heads side by side in d, keys [T_k][d][16].
typedef struct fv_long_rows {
    const real *q, *k, *v;
    real *z;
    real *log_sums; // [16][n_head][T_q], which forward leaves for backward
    const real *dz;
    real *dq, *dk, *dv; // overwritten by backward
    real *scratch;      // 3 matrices like q, 4 like k, and one like log_sums
} fv_long_rows;

// Both wait while all of the layer's kernels are at work.
void fv_long_attention_forward(fv_long_attention *attention, const fv_long_rows *rows);
void fv_long_attention_backward(fv_long_attention *attention, const fv_long_rows *rows);

#endif
