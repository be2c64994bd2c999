// Attention of a single query, whose keys and values need not be computed: a projection commutes
// with the sums around it,
//
//     q . (x_j W_K) = (W_K q) . x_j          sum_j p_j (x_j W_V) = (sum_j p_j x_j) W_V
//
// so the query is carried to the inputs' space, the inputs themselves are pooled, and the pool is
// projected once: 4 d operations a key and head instead of 4 d^2 + 4 d_head. For the posts' models
// (one layer, last position) this removes nearly all arithmetic of long contexts. (b_K shifts all
// scores of a query alike and has no effect; the textbook arrangement gives it a gradient of zero
// too.)
#include "model/attention_ways.h"

// Head h's score, of the carried query and the inputs.
static kernel_attend head_arguments(const model_layer *layer, const model_tile *tile, int h,
                                    real *x) {
    int d = layer->model->config.model.n_embd, n_head = layer->model->config.model.n_head;
    kernel_attend a = attention_arguments(layer, tile, h);
    a.d_key = a.d_value = d;
    a.q = attend_rows(tile_buffer(tile, layer->buffer[CARRIED]), n_head, d, h * d);
    a.z = attend_rows(tile_buffer(tile, layer->buffer[POOLED]), n_head, d, h * d);
    a.k = a.v = attend_rows(x, layer->in.n, d, 0);
    return a;
}

// What head h reads of W_K or W_V [d][n_kv_head * d_head], applied to rows: from the head's d_head
// features to d with `back`, else from d to d_head.
static kernel_map head_map(const model_layer *layer, const model_tile *tile, enum param w, int h,
                           bool back, kernel_rows x, kernel_rows y) {
    int d = layer->model->config.model.n_embd;
    const attention_heads *heads = &model_attention_of(layer)->heads;
    return (kernel_map){.n_rows = tile->n_groups,
                        .n_in = back ? heads->width : d,
                        .n_out = back ? d : heads->width,
                        .x = x,
                        .y = y,
                        .w = tile->params + layer->param[w] + attention_kv_first(heads, h),
                        .w_in = back ? 1 : heads->kv,
                        .w_out = back ? heads->kv : 1};
}

// Head h of rows [G][n_head][width][16].
static kernel_rows head_rows(const model_layer *layer, real *data, int h, int width) {
    int n_head = layer->model->config.model.n_head;
    return (kernel_rows){data + (ptrdiff_t)h * width * FV_LANES,
                         (ptrdiff_t)n_head * width * FV_LANES};
}

void pooled_forward(const model_layer *layer, const model_tile *tile, real *x) {
    const kernel_set *kernels = tile->kernels;
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = layer->model->config.model.n_embd, d_head = heads->width;
    real *q = tile_buffer(tile, layer->buffer[Q]), *z = tile_buffer(tile, layer->buffer[Z]);
    real *carried = tile_buffer(tile, layer->buffer[CARRIED]);
    real *pooled = tile_buffer(tile, layer->buffer[POOLED]);
    for (int h = 0; h < heads->n; h++) {
        kernel_map carry = head_map(layer, tile, W_K, h, true, head_rows(layer, q, h, d_head),
                                    head_rows(layer, carried, h, d));
        kernels->map(&carry);
        kernel_attend attend = head_arguments(layer, tile, h, x);
        selector_choose(layer, tile, h, &attend);
        kernels->attend(&attend);
        kernel_map project = head_map(layer, tile, W_V, h, false, head_rows(layer, pooled, h, d),
                                      head_rows(layer, z, h, d_head));
        if (layer->param[B_V] != SIZE_MAX)
            project.bias = tile->params + layer->param[B_V] + attention_kv_first(heads, h);
        kernels->map(&project);
    }
}

// Every head of queries adds to the bias of the values that it reads.
static void bias_backward(const model_layer *layer, const model_tile *tile, real *dz) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    real *db = tile->gradient + layer->param[B_V];
    if (heads->n == heads->n_kv) {
        tile->kernels->bias_gradient(tile->n_groups, heads->q, rows_dense(dz, heads->q), db);
        return;
    }
    for (int h = 0; h < heads->n; h++)
        tile->kernels->bias_gradient(tile->n_groups, heads->width,
                                     head_rows(layer, dz, h, heads->width),
                                     db + attention_kv_first(heads, h));
}

// The carried query's way back to q, and to W_K.
static void uncarry(const model_layer *layer, const model_tile *tile, int h, kernel_rows dcarried,
                    real *dq) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    real *q = tile_buffer(tile, layer->buffer[Q]);
    kernel_map map =
        head_map(layer, tile, W_K, h, false, dcarried, head_rows(layer, dq, h, heads->width));
    tile->kernels->map(&map);
    tile->kernels->map_gradient(&(kernel_map_gradient){.n_rows = tile->n_groups,
                                                       .n_in = map.n_in,
                                                       .n_out = map.n_out,
                                                       .x = dcarried,
                                                       .dy = head_rows(layer, q, h, heads->width),
                                                       .dw = tile->gradient + layer->param[W_K] +
                                                             attention_kv_first(heads, h),
                                                       .w_in = heads->kv,
                                                       .w_out = 1});
}

void pooled_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                     const attention_gradients *g) {
    const kernel_set *kernels = tile->kernels;
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = layer->model->config.model.n_embd, d_head = heads->width;
    real *pooled = tile_buffer(tile, layer->buffer[POOLED]);
    real *dcarried = attention_scratch_of(layer, tile, S_DCARRIED);
    real *dpooled = attention_scratch_of(layer, tile, S_DPOOLED);
    attention_clear_unattended(layer, tile, dx, d);
    for (int h = 0; h < heads->n; h++) {
        kernel_rows dz_h = head_rows(layer, g->dz, h, d_head);
        kernel_map unproject = head_map(layer, tile, W_V, h, true, dz_h, rows_dense(dpooled, d));
        kernels->map(&unproject);
        kernels->map_gradient(&(kernel_map_gradient){.n_rows = tile->n_groups,
                                                     .n_in = d,
                                                     .n_out = d_head,
                                                     .x = head_rows(layer, pooled, h, d),
                                                     .dy = dz_h,
                                                     .dw = tile->gradient + layer->param[W_V] +
                                                           attention_kv_first(heads, h),
                                                     .w_in = heads->kv,
                                                     .w_out = 1});
        normaliser_attend_backward(
            layer, tile, h,
            &(kernel_attend_gradient){.forward = head_arguments(layer, tile, h, x),
                                      .dz = attend_rows(dpooled, 1, d, 0),
                                      .dq = attend_rows(dcarried, 1, d, 0),
                                      .dk = attend_rows(dx, layer->in.n, d, 0),
                                      .dv = attend_rows(dx, layer->in.n, d, 0),
                                      .overwrite = h == 0,
                                      .scratch = attention_scratch_of(layer, tile, S_SCORES),
                                      .dsink = shape_dsink(layer, tile, h)});
        uncarry(layer, tile, h, rows_dense(dcarried, d), g->dq);
    }
    if (layer->param[B_V] != SIZE_MAX) bias_backward(layer, tile, g->dz);
}
