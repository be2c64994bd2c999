// Attention over keys and values that were projected: with the sample in the lane, where the
// probabilities of all pairs are kept, or in tiles, with positions in the lanes (attention_long.h).
#include "model/attention_long.h"
#include "model/attention_ways.h"
#include "model/scores.h"

// Head h's score. A learned power is the exponential of its parameter, and so always positive.
static void choose_score(const model_layer *layer, const model_tile *tile, int h,
                         kernel_attend *a) {
    const fv_model_config *config = &layer->model->config.model;
    a->score = (kernel_score)config->score;
    score_type_of(config->score)->on_lanes(config, model_attention_of(layer)->heads.width, a);
    if (config->score_power_learned) a->power = real_exp(tile->params[layer->param[LOG_POWER] + h]);
}

kernel_attend attention_arguments(const model_layer *layer, const model_tile *tile, int h) {
    int n_head = layer->model->config.model.n_head, n_out = layer->out.n;
    int n_keys = attention_n_keys(layer);
    const seen_rows *seen = &model_attention_of(layer)->seen;
    kernel_attend a = {.n_groups = tile->n_groups,
                       .n_queries = n_out,
                       .n_rows_keys = n_keys,
                       .n_keys = seen->n_keys,
                       .first_key = seen->first_key,
                       .n_sinks = seen->n_sinks};
    choose_score(layer, tile, h, &a);
    normaliser_choose(layer, tile, h, &a);
    ptrdiff_t head = (ptrdiff_t)h * n_out * n_keys * FV_LANES;
    a.p = attend_rows(tile_buffer(tile, layer->buffer[P]) + head, n_out * n_head, n_keys, 0);
    a.slopes = a.p;
    if (score_is_metric(a.score) || shape_keeps_slopes(layer))
        a.slopes.data = tile_buffer(tile, layer->buffer[SLOPES]) + head;
    shape_arguments(layer, tile, h, &a);
    return a;
}

// With the sample in the lane -----------------------------------------------------------------

static kernel_attend head_arguments(const model_layer *layer, const model_tile *tile, int h) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int first = h * heads->width, shared = attention_kv_first(heads, h);
    kernel_attend a = attention_arguments(layer, tile, h);
    a.d_key = heads->width;
    a.d_value = tile->stops_early == layer ? 0 : heads->width;
    a.q = attend_rows(tile_buffer(tile, layer->buffer[Q]), layer->out.n, heads->q, first);
    a.z = attend_rows(tile_buffer(tile, layer->buffer[Z]), layer->out.n, heads->q, first);
    a.k = attend_rows(tile_buffer(tile, layer->buffer[K]), layer->in.n, heads->kv, shared);
    a.v = attend_rows(tile_buffer(tile, layer->buffer[V]), layer->in.n, heads->kv, shared);
    return a;
}

void textbook_weights(const model_layer *layer, const model_tile *tile, int h,
                      kernel_attend_rows to) {
    kernel_attend attend = head_arguments(layer, tile, h);
    attend.d_value = 0;
    attend.p = to;
    tile->kernels->attend(&attend);
}

void textbook_kept(const model_layer *layer, const model_tile *tile, int h, kernel_attend_rows to) {
    kernel_attend attend = head_arguments(layer, tile, h);
    attend.p = to; // where some selectors want the weights of all keys
    selector_choose(layer, tile, h, &attend);
    for (int g = 0; g < attend.n_groups; g++)
        for (int i = 0; i < attend.n_queries; i++)
            for (int j = 0; j < attend.n_rows_keys; j++) {
                ptrdiff_t at = ((ptrdiff_t)g * attend.n_queries + i) * attend.n_rows_keys + j;
                real *row =
                    to.data + g * to.group_stride + i * to.row_stride + (ptrdiff_t)j * FV_LANES;
                uint16_t bits = attend.kept != NULL ? attend.kept[at] : UINT16_MAX;
                for (int l = 0; l < FV_LANES; l++) row[l] = (real)(bits >> l & 1);
            }
}

static void heads_forward(const model_layer *layer, const model_tile *tile) {
    for (int h = 0; h < model_attention_of(layer)->heads.n; h++) {
        kernel_attend attend = head_arguments(layer, tile, h);
        selector_choose(layer, tile, h, &attend);
        tile->kernels->attend(&attend);
    }
}

// The first of the heads that share keys overwrites their gradients, the others add.
static void heads_backward(const model_layer *layer, const model_tile *tile,
                           const attention_gradients *g) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int n_in = layer->in.n, n_out = layer->out.n;
    attention_clear_unattended(layer, tile, g->dk, heads->kv);
    attention_clear_unattended(layer, tile, g->dv, heads->kv);
    bool learned = layer->model->config.model.score_power_learned;
    for (int h = 0; h < heads->n; h++) {
        int first = h * heads->width, shared = attention_kv_first(heads, h);
        real *dlog_power = learned ? tile->gradient + layer->param[LOG_POWER] + h : NULL;
        normaliser_attend_backward(
            layer, tile, h,
            &(kernel_attend_gradient){.forward = head_arguments(layer, tile, h),
                                      .dz = attend_rows(g->dz, n_out, heads->q, first),
                                      .dq = attend_rows(g->dq, n_out, heads->q, first),
                                      .dk = attend_rows(g->dk, n_in, heads->kv, shared),
                                      .dv = attend_rows(g->dv, n_in, heads->kv, shared),
                                      .overwrite = h % (heads->n / heads->n_kv) == 0,
                                      .scratch = attention_scratch_of(layer, tile, S_SCORES),
                                      .dlog_power = dlog_power,
                                      .dsink = shape_dsink(layer, tile, h)});
    }
}

// In tiles ----------------------------------------------------------------------------------------

static model_long_rows long_rows(const model_layer *layer, const model_tile *tile, int g) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    size_t query = (size_t)g * (size_t)layer->out.n * FV_LANES;
    size_t key = (size_t)g * (size_t)layer->in.n * (size_t)heads->kv * FV_LANES;
    real *logsumexps = tile_buffer(tile, layer->buffer[LOGSUMEXPS]);
    return (model_long_rows){.tile = tile,
                             .q = tile_buffer(tile, layer->buffer[Q]) + query * (size_t)heads->q,
                             .k = tile_buffer(tile, layer->buffer[K]) + key,
                             .v = tile_buffer(tile, layer->buffer[V]) + key,
                             .z = tile_buffer(tile, layer->buffer[Z]) + query * (size_t)heads->q,
                             .logsumexps = logsumexps + query * (size_t)heads->n,
                             .dk = tile_buffer(tile, layer->buffer[D_K]) + key,
                             .dv = tile_buffer(tile, layer->buffer[D_V]) + key,
                             .scratch = tile_buffer(tile, layer->buffer[LONG])};
}

static void *worker_of(const model_layer *layer, const model_tile *tile) {
    return tile->own[layer - layer->model->layers];
}

static void long_forward(const model_layer *layer, const model_tile *tile) {
    for (int g = 0; g < tile->n_groups; g++) {
        model_long_rows rows = long_rows(layer, tile, g);
        long_attention_forward(worker_of(layer, tile), layer, &rows);
    }
}

static void long_backward(const model_layer *layer, const model_tile *tile,
                          const attention_gradients *gradients) {
    size_t group = (size_t)layer->out.n * (size_t)model_attention_of(layer)->heads.q * FV_LANES;
    for (int g = 0; g < tile->n_groups; g++) {
        model_long_rows rows = long_rows(layer, tile, g);
        rows.dz = gradients->dz + (size_t)g * group;
        rows.dq = gradients->dq + (size_t)g * group;
        long_attention_backward(worker_of(layer, tile), layer, &rows);
    }
}

void textbook_forward(const model_layer *layer, const model_tile *tile) {
    if (attention_goes_by(layer, FV_ATTEND_TILES))
        long_forward(layer, tile);
    else
        heads_forward(layer, tile);
}

void textbook_backward(const model_layer *layer, const model_tile *tile,
                       const attention_gradients *g) {
    if (attention_goes_by(layer, FV_ATTEND_TILES))
        long_backward(layer, tile, g);
    else
        heads_backward(layer, tile, g);
}
