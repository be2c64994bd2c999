// What can be seen of an attention layer.
#include "model/activation_edit.h"
#include "model/attention_ways.h"

// Queries and sums at the outputs, keys and values at the inputs: in a model that is seen both are
// all positions. Rows as [T][heads] of d_head.
static model_lanes lanes_of_heads(const model_layer *layer, const model_tile *tile,
                                  enum buffer which) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    model_lanes lanes = lanes_dense(tile_buffer(tile, layer->buffer[which]), layer->out.n,
                                    which == K || which == V ? heads->kv : heads->q);
    lanes.row_stride = (ptrdiff_t)heads->width * FV_LANES;
    return lanes;
}
static model_lanes lanes_q(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_of_heads(layer, tile, Q);
}
static model_lanes lanes_k(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_of_heads(layer, tile, K);
}
static model_lanes lanes_v(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_of_heads(layer, tile, V);
}
static model_lanes lanes_z(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_of_heads(layer, tile, GATED);
}

// Probabilities lie as [H][T_q] rows of as many keys as the last query could see.
static model_lanes lanes_pattern(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    int n_rows = layer->model->config.model.n_head * layer->out.n;
    const seen_rows *seen = &model_attention_of(layer)->seen;
    model_lanes lanes =
        lanes_dense(tile_buffer(tile, layer->buffer[P]), n_rows, seen->n_keys[layer->out.n - 1]);
    lanes.seen = seen;
    return lanes;
}

// Of a layer with a selector, for every head as patterns: what dense attention of the same queries and keys
// would give to them, and which keys are kept.
static model_lanes made_of_heads(const model_layer *layer, const model_tile *tile, real *scratch,
                                 void (*make)(const model_layer *layer, const model_tile *tile,
                                              int h, kernel_attend_rows to)) {
    int n_head = layer->model->config.model.n_head, n_out = layer->out.n;
    int n_keys = attention_n_keys(layer), n_rows = n_head * n_out;
    for (int h = 0; h < n_head; h++)
        make(layer, tile, h,
             attend_rows(scratch + (ptrdiff_t)h * n_out * n_keys * FV_LANES, n_rows, n_keys, 0));
    model_lanes lanes = lanes_dense(scratch, n_rows, n_keys);
    lanes.seen = &model_attention_of(layer)->seen;
    return lanes;
}
static model_lanes lanes_select_dense(const model_layer *layer, const model_tile *tile,
                                      real *scratch) {
    return made_of_heads(layer, tile, scratch, textbook_weights);
}
static model_lanes lanes_select_kept(const model_layer *layer, const model_tile *tile,
                                     real *scratch) {
    return made_of_heads(layer, tile, scratch, textbook_kept);
}

// Head h's sum of values through its rows of W_O; all heads and b_O add up to what the layer adds
// to the stream.
static model_lanes lanes_result(const model_layer *layer, const model_tile *tile, real *scratch) {
    int d = layer->model->config.model.n_embd, n_head = layer->model->config.model.n_head;
    int d_head = d / n_head;
    for (int h = 0; h < n_head; h++) {
        real *z = tile_buffer(tile, layer->buffer[GATED]);
        tile->kernels->map(&(kernel_map){
            .n_rows = tile->n_groups * layer->out.n,
            .n_in = d_head,
            .n_out = d,
            .x = {z + (ptrdiff_t)h * d_head * FV_LANES, (ptrdiff_t)d * FV_LANES},
            .y = {scratch + (ptrdiff_t)h * d * FV_LANES, (ptrdiff_t)n_head * d * FV_LANES},
            .w = tile->params + layer->param[W_O] + (size_t)h * (size_t)(d_head * d),
            .w_in = d,
            .w_out = 1});
    }
    return lanes_dense(scratch, layer->out.n * n_head, d);
}

static model_lanes lanes_out(const model_layer *layer, const model_tile *tile, real *scratch) {
    int d = layer->model->config.model.n_embd;
    linear_forward(tile, (model_linear){layer->param[W_O], layer->param[B_O], d, d},
                   tile->n_groups * layer->out.n,
                   rows_dense(tile_buffer(tile, layer->buffer[GATED]), d), rows_dense(scratch, d),
                   false);
    return lanes_dense(scratch, layer->out.n, d);
}

// Whatever key a pattern gives weight to, seen or not.
void attention_weigh(const model_layer *layer, const model_tile *tile) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    const model_lanes values = lanes_of_heads(layer, tile, V),
                      sums = lanes_of_heads(layer, tile, Z);
    int T = layer->out.n, per_value = heads->n_kv, width = heads->width;
    const float *p = tile->edit->values; // [n][H][T][T]
    for (int s = 0; s < tile->edit->n_sequences; s++)
        for (int h = 0; h < heads->n; h++) {
            int group = s / FV_LANES, lane = s % FV_LANES, shared = h * heads->n_kv / heads->n;
            const real *v = values.data + group * values.group_stride + lane;
            real *z = sums.data + group * sums.group_stride + lane;
            for (int i = 0; i < T; i++, p += T)
                for (int f = 0; f < width; f++) {
                    real sum = 0;
                    for (int j = 0; j < T; j++)
                        sum +=
                            p[j] * v[(j * per_value + shared) * values.row_stride + f * FV_LANES];
                    z[(i * heads->n + h) * sums.row_stride + f * FV_LANES] = sum;
                }
        }
}

const layer_hook attention_hooks[] = {
    FV_NORM_HOOKS("ln1."),
    {"attn.hook_q", "THh", lanes_q, FV_HOOK_EARLY, NULL},
    {"attn.hook_k", "TGh", lanes_k, FV_HOOK_EARLY, NULL},
    {"attn.hook_v", "TGh", lanes_v, FV_HOOK_LIES, NULL},
    {"attn.hook_pattern", "HTK", lanes_pattern, FV_HOOK_EARLY, NULL},
    {"attn.hook_select_dense", "HTK", lanes_select_dense, FV_HOOK_MADE, selector_present},
    {"attn.hook_select_kept", "HTK", lanes_select_kept, FV_HOOK_MADE, selector_present},
    {"attn.hook_z", "THh", lanes_z, FV_HOOK_LIES, NULL},
    {"attn.hook_result", "THd", lanes_result, FV_HOOK_MADE, NULL},
    {"hook_attn_out", "Td", lanes_out, FV_HOOK_MADE, NULL},
    {0}};
