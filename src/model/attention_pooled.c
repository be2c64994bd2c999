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
//
// With one head and nothing in between, the maps around the pooling are two chains: x W_Q W_K^T before
// it and W_V W_O behind it (kernel_chain).
#include "model/attention_ways.h"
#include "model/normalisers.h"

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

bool attention_is_chained(const model_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    const attention_layer *a = model_attention_of(layer);
    return attention_goes_by(layer, FV_ATTEND_POOLED) && a->heads.n == 1 && !config->bias &&
           a->gate == FV_GATE_NONE && normaliser_type_of(a->normaliser)->stretch == FV_NO_STRETCH;
}

// From inputs over queries to carried queries.
static kernel_chain query_chain(const model_layer *layer, const model_tile *tile, real *x) {
    int d = layer->model->config.model.n_embd;
    kernel_rows q = rows_dense(tile_buffer(tile, layer->buffer[Q]), d);
    kernel_rows carried = rows_dense(tile_buffer(tile, layer->buffer[CARRIED]), d);
    kernel_map carry = head_map(layer, tile, W_K, 0, true, q, carried);
    return (kernel_chain){
        .n_rows = tile->n_groups,
        .n_in = d,
        .n_mid = carry.n_in,
        .n_out = d,
        .x = rows_of_output(layer, tile, x, tile_buffer(tile, layer->buffer[COMPACT]), false),
        .mid = q,
        .y = carried,
        .w1 = tile->params + layer->param[W_Q],
        .w1_in = d,
        .w1_out = 1,
        .w2 = carry.w,
        .w2_in = carry.w_in,
        .w2_out = carry.w_out};
}

// From pools over values to outputs.
static kernel_chain output_chain(const model_layer *layer, const model_tile *tile, real *y) {
    int d = layer->model->config.model.n_embd;
    kernel_rows pooled = rows_dense(tile_buffer(tile, layer->buffer[POOLED]), d);
    kernel_rows z = rows_dense(tile_buffer(tile, layer->buffer[Z]), d);
    kernel_map project = head_map(layer, tile, W_V, 0, false, pooled, z);
    return (kernel_chain){.n_rows = tile->n_groups,
                          .n_in = d,
                          .n_mid = project.n_out,
                          .n_out = d,
                          .x = pooled,
                          .mid = z,
                          .y = rows_dense(y, d),
                          .w1 = project.w,
                          .w1_in = project.w_in,
                          .w1_out = project.w_out,
                          .w2 = tile->params + layer->param[W_O],
                          .w2_in = d,
                          .w2_out = 1,
                          .accumulate = layer->residual};
}

static void attend_pooled(const model_layer *layer, const model_tile *tile, int h, real *x) {
    kernel_attend attend = head_arguments(layer, tile, h, x);
    selector_choose(layer, tile, h, &attend);
    tile->kernels->attend(&attend);
}

void pooled_forward(const model_layer *layer, const model_tile *tile, real *x) {
    const kernel_set *kernels = tile->kernels;
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = layer->model->config.model.n_embd, d_head = heads->width;
    real *q = tile_buffer(tile, layer->buffer[Q]), *z = tile_buffer(tile, layer->buffer[Z]);
    real *carried = tile_buffer(tile, layer->buffer[CARRIED]);
    real *pooled = tile_buffer(tile, layer->buffer[POOLED]);
    if (attention_is_chained(layer)) {
        kernel_chain chain = query_chain(layer, tile, x);
        kernels->chain(&chain);
        attend_pooled(layer, tile, 0, x);
        return;
    }
    for (int h = 0; h < heads->n; h++) {
        kernel_map carry = head_map(layer, tile, W_K, h, true, head_rows(layer, q, h, d_head),
                                    head_rows(layer, carried, h, d));
        kernels->map(&carry);
        attend_pooled(layer, tile, h, x);
        kernel_map project = head_map(layer, tile, W_V, h, false, head_rows(layer, pooled, h, d),
                                      head_rows(layer, z, h, d_head));
        if (layer->param[B_V] != SIZE_MAX)
            project.bias = tile->params + layer->param[B_V] + attention_kv_first(heads, h);
        kernels->map(&project);
    }
}

void pooled_output(const model_layer *layer, const model_tile *tile, real *y) {
    kernel_chain chain = output_chain(layer, tile, y);
    tile->kernels->chain(&chain);
}

void pooled_output_backward(const model_layer *layer, const model_tile *tile, kernel_rows dy,
                            const attention_gradients *g) {
    int d = layer->model->config.model.n_embd;
    tile->kernels->chain_gradient(
        &(kernel_chain_gradient){.forward = output_chain(layer, tile, NULL),
                                 .dy = dy,
                                 .dmid = rows_dense(g->dz, d),
                                 .dx = rows_dense(attention_scratch_of(layer, tile, S_DPOOLED), d),
                                 .dw1 = tile->gradient + layer->param[W_V],
                                 .dw2 = tile->gradient + layer->param[W_O]});
}

void pooled_queries_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                             const attention_gradients *g) {
    int d = layer->model->config.model.n_embd;
    tile->kernels->chain_gradient(
        &(kernel_chain_gradient){.forward = query_chain(layer, tile, x),
                                 .dy = rows_dense(attention_scratch_of(layer, tile, S_DCARRIED), d),
                                 .dmid = rows_dense(g->dq, d),
                                 .dx = rows_of_output(layer, tile, dx, NULL, false),
                                 .dw1 = tile->gradient + layer->param[W_Q],
                                 .dw2 = tile->gradient + layer->param[W_K],
                                 .accumulate = true});
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

// The gradient of z back to the pool, and to W_V.
static void unproject(const model_layer *layer, const model_tile *tile, int h, kernel_rows dz,
                      kernel_rows dpooled) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = layer->model->config.model.n_embd;
    real *pooled = tile_buffer(tile, layer->buffer[POOLED]);
    kernel_map map = head_map(layer, tile, W_V, h, true, dz, dpooled);
    tile->kernels->map(&map);
    tile->kernels->map_gradient(&(kernel_map_gradient){.n_rows = tile->n_groups,
                                                       .n_in = d,
                                                       .n_out = heads->width,
                                                       .x = head_rows(layer, pooled, h, d),
                                                       .dy = dz,
                                                       .dw = tile->gradient + layer->param[W_V] +
                                                             attention_kv_first(heads, h),
                                                       .w_in = heads->kv,
                                                       .w_out = 1});
}

void pooled_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                     const attention_gradients *g) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = layer->model->config.model.n_embd, d_head = heads->width;
    const bool chained = attention_is_chained(layer);
    real *dcarried = attention_scratch_of(layer, tile, S_DCARRIED);
    real *dpooled = attention_scratch_of(layer, tile, S_DPOOLED);
    attention_clear_unattended(layer, tile, dx, d);
    for (int h = 0; h < heads->n; h++) {
        kernel_rows dz_h = head_rows(layer, g->dz, h, d_head);
        if (!chained) unproject(layer, tile, h, dz_h, rows_dense(dpooled, d));
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
        if (!chained) uncarry(layer, tile, h, rows_dense(dcarried, d), g->dq);
    }
    if (layer->param[B_V] != SIZE_MAX) bias_backward(layer, tile, g->dz);
}
