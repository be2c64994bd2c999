// RMS norms of queries and keys before they are turned and compared, with a learned scale: of every
// head with a scale that all share (Qwen 3, Gemma 3), or of the whole row (OLMo 2). Scores then stay
// small however large the weights grow.
#include "config/layer_list.h"
#include "model/attention_ways.h"

#include <stdio.h>

// One of both, of rows [rows] with so many heads.
static void plan_one(fv_model *model, model_layer *layer, norm_part *norm, char which, int rows,
                     int n_heads) {
    const attention_layer *a = model_attention_of(layer);
    char name[40];
    snprintf(name, sizeof name, "blocks.%d.attn.%c_norm", layer->index, which);
    bool whole = a->qk_norm == FV_QK_NORM_VECTOR;
    int width = whole ? n_heads * a->heads.width : a->heads.width;
    norm_plan_width(model, norm, FV_NORM_RMS, whole ? rows : rows * n_heads, width, name);
}

void qk_norm_plan(fv_model *model, model_layer *layer) {
    attention_layer *a = model_attention_of(layer);
    layer->buffer[RAW_Q] = layer->buffer[Q];
    layer->buffer[RAW_K] = layer->buffer[K];
    if (a->qk_norm == FV_QK_NORM_NONE) return;
    plan_one(model, layer, &a->q_norm, 'q', layer->out.n, a->heads.n);
    plan_one(model, layer, &a->k_norm, 'k', layer->in.n, a->heads.n_kv);
    layer->buffer[Q] = a->q_norm.y;
    layer->buffer[K] = a->k_norm.y;
}

// Rows of a group that the norm sees.
static int rows_of(const norm_part *norm, int rows, int width) {
    return rows * width / norm->width;
}

void qk_norm_forward(const model_layer *layer, const model_tile *tile) {
    const attention_layer *a = model_attention_of(layer);
    if (a->qk_norm == FV_QK_NORM_NONE) return;
    norm_forward(&a->q_norm, tile, rows_of(&a->q_norm, layer->out.n, a->heads.q),
                 tile_buffer(tile, layer->buffer[RAW_Q]));
    norm_forward(&a->k_norm, tile, rows_of(&a->k_norm, layer->in.n, a->heads.kv),
                 tile_buffer(tile, layer->buffer[RAW_K]));
}

void qk_norm_backward(const model_layer *layer, const model_tile *tile,
                      const attention_gradients *g) {
    const attention_layer *a = model_attention_of(layer);
    if (a->qk_norm == FV_QK_NORM_NONE) return;
    norm_backward(&a->q_norm, tile, rows_of(&a->q_norm, layer->out.n, a->heads.q),
                  tile_buffer(tile, layer->buffer[RAW_Q]), g->dq, g->dq);
    norm_backward(&a->k_norm, tile, rows_of(&a->k_norm, layer->in.n, a->heads.kv),
                  tile_buffer(tile, layer->buffer[RAW_K]), g->dk, g->dk);
}
