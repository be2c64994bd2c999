// What becomes of scores before the softmax, and what joins its sum: a cap c tanh(s / c) (Gemma 2),
// the slopes of positions (ALiBi), and a sink, a logit without a value, which lets a head attend to
// nothing: learned (gpt-oss), or 0, a softmax with 1 more in its sum.
#include "model/attention_ways.h"
#include "model/positions.h"

#include <math.h>
#include <stdlib.h>

// Attention with linear biases (arXiv 2108.12409): a score less slope * distance, head by head. The
// slopes of H heads are 2^(-8 h / H), h = 1 .. H, where H is a power of two; else those of the power
// of two below it, followed by every second one of twice as many heads, as in the authors' code.
static void slopes(int n_head, double *slope) {
    int below = 1;
    while (2 * below <= n_head) below *= 2;
    for (int h = 0; h < n_head; h++)
        slope[h] = h < below ? exp2(-8.0 * (h + 1) / below)
                             : exp2(-8.0 * (2 * (h - below) + 1) / (2 * below));
}

const positions_type positions_alibi = {
    .part = {.help = "scores less a slope of each head's own times the distance of query and key",
             .example = "model: {positions: alibi, n_embd: 8, n_head: 4}"},
    .slopes = slopes,
};

fv_status shape_plan(model_layer *layer, fv_error *error) {
    attention_layer *a = model_attention_of(layer);
    const positions_type *type = positions_type_of(layer->model->config.model.positions);
    if (type->slopes == NULL || a->slopes != NULL) return FV_OK;
    a->slopes = malloc((size_t)a->heads.n * sizeof *a->slopes);
    if (a->slopes == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for slopes");
    type->slopes(a->heads.n, a->slopes);
    return FV_OK;
}

void shape_plan_params(fv_model *model, model_layer *layer) {
    const attention_layer *a = model_attention_of(layer);
    if (a->sink_logit == FV_SINK_LOGIT_LEARNED)
        layer->param[SINK_LOGITS] =
            model_add(model, FV_INIT_ZERO, a->heads.n, 0, 1, "blocks.%d.attn.sinks", layer->index);
}

void shape_plan_buffers(fv_model *model, model_layer *layer) {
    const attention_layer *a = model_attention_of(layer);
    if (a->sink_logit != FV_SINK_LOGIT_NONE)
        layer->buffer[SINK_P] = model_reserve(model, layer->out.n, a->heads.n);
}

bool shape_keeps_slopes(const model_layer *layer) {
    return model_attention_of(layer)->soft_cap > 0;
}

const real *shape_sink(const model_layer *layer, const model_tile *tile, int h) {
    static const real zero = 0;
    switch (model_attention_of(layer)->sink_logit) {
    case FV_SINK_LOGIT_LEARNED:
        return tile->params + layer->param[SINK_LOGITS] + h;
    case FV_SINK_LOGIT_ZERO:
        return &zero;
    default:
        return NULL;
    }
}

real *shape_dsink(const model_layer *layer, const model_tile *tile, int h) {
    bool learned = model_attention_of(layer)->sink_logit == FV_SINK_LOGIT_LEARNED;
    return learned ? tile->gradient + layer->param[SINK_LOGITS] + h : NULL;
}

void shape_arguments(const model_layer *layer, const model_tile *tile, int h, kernel_attend *k) {
    const attention_layer *a = model_attention_of(layer);
    k->cap = (real)a->soft_cap;
    if (a->slopes != NULL) {
        k->bias = (real)a->slopes[h];
        k->query_at = layer->out.at;
        k->key_at = layer->in.at;
    }
    k->sink = shape_sink(layer, tile, h);
    if (k->sink == NULL) return;
    ptrdiff_t head = (ptrdiff_t)layer->model->group_capacity * layer->out.n * FV_LANES;
    k->sink_p = tile_buffer(tile, layer->buffer[SINK_P]) + h * head;
}
