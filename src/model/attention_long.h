// Attention over a context so long that its probabilities, one for every pair of positions, should
// not be kept: the samples of a group leave their lanes, pass through the tiled kernel of
// src/attention, whose memory grows with the context and not with its square, and come back.
//
// The backward pass computes the probabilities again, from the logsumexp of each query.
#ifndef MODEL_ATTENTION_LONG_H
#define MODEL_ATTENTION_LONG_H

#include "model/attention_layer.h"

// The kernel of one worker with the memory that it needs, where the layer goes by FV_ATTEND_TILES;
// else *out stays as it is.
fv_status long_attention_create(const model_layer *layer, void **out, fv_error *error);
void long_attention_free(void *attention);

// A group's rows: queries [T_q][q][16] with heads side by side, keys [T_k][kv][16].
typedef struct model_long_rows {
    const model_tile *tile; // whose sinks join the sums
    const real *q, *k, *v;
    real *z;
    real *logsumexps; // [16][n_head][T_q], which forward leaves for backward
    const real *dz;
    real *dq, *dk, *dv; // overwritten by backward
    real *scratch;      // 3 matrices like q, 4 like k, and one like logsumexps
} model_long_rows;

void long_attention_forward(void *attention, const model_layer *layer, const model_long_rows *rows);
void long_attention_backward(void *attention, const model_layer *layer,
                             const model_long_rows *rows);

#endif
