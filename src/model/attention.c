// Causal multi-head attention: y = (softmax(q k^T / sqrt(d_head)) v) W_O, over all keys or over a
// window of them and a few sinks at the start of the sequence (StreamingLLM, arXiv 2309.17453).
//
// Two arrangements of the same function. The textbook one projects every input to keys and values.
// When a single position is asked for, that is wasteful, since a projection commutes with the sums
// around it:
//
//     q . (x_j W_K) = (W_K q) . x_j          sum_j p_j (x_j W_V) = (sum_j p_j x_j) W_V
//
// so the query is carried to the inputs' space, the inputs themselves are pooled, and the pool is
// projected once: 4 d operations a key and head instead of 4 d^2 + 4 d_head. For the posts' models
// (one layer, last position) this removes nearly all arithmetic of long contexts. (b_K shifts all
// scores of a query alike and has no effect; the textbook arrangement gives it a gradient of zero
// too.)
//
// Over long contexts the textbook's probabilities are not kept: model/attention_long.h. The first
// layer may look its projections up instead of computing them: model/token_tables.h.
#include "config/layer_list.h"
#include "model/attention_long.h"
#include "model/scores.h"

#include <stdio.h>
#include <string.h>

// Gradients that live only inside backward share one region: dz, dq, then carried queries and
// pools.
enum scratch { S_DZ, S_DQ, S_DCARRIED, S_DPOOLED, S_SCORES, S_COUNT };

static int head_width(const model_layer *layer) {
    return layer->model->config.model.n_embd / layer->model->config.model.n_head;
}

static int n_keys_of(const model_layer *layer) {
    return model_attention_of(layer)->seen.n_keys[layer->out.n - 1];
}

static bool goes_by(const model_layer *layer, attention_way way) {
    return model_attention_of(layer)->way == way;
}

static bool has_tables(const model_layer *layer) {
    return model_attention_of(layer)->tables.present;
}

static void plan_params(fv_model *model, model_layer *layer) {
    static const char *const weights[] = {"W_Q", "W_K", "W_V", "W_O"};
    static const char *const biases[] = {"b_Q", "b_K", "b_V", "b_O"};
    int d = model->config.model.n_embd, l = layer->index;
    for (int i = 0; i < 4; i++)
        layer->param[W_Q + i] = model_add(model, i == W_O ? FV_INIT_OUTPUT : FV_INIT_LINEAR, d, d,
                                          d, "blocks.%d.attn.%s", l, weights[i]);
    for (int i = 0; i < 4; i++)
        layer->param[B_Q + i] =
            model->config.model.bias
                ? model_add(model, FV_INIT_BIAS, d, 0, d, "blocks.%d.attn.%s", l, biases[i])
                : SIZE_MAX;
    for (int i = 0; i < 2 && model->config.model.d_score > 0; i++) { // queries and keys
        model_restrict(model, layer->param[W_Q + i], model->config.model.d_score,
                       head_width(layer));
        if (layer->param[B_Q + i] != SIZE_MAX)
            model_restrict(model, layer->param[B_Q + i], model->config.model.d_score,
                           head_width(layer));
    }
    if (model->config.model.score_power_learned)
        layer->param[LOG_POWER] = model_add(model, FV_INIT_LOG_POWER, model->config.model.n_head, 0,
                                            1, "blocks.%d.attn.log_power", l);
}

static void plan_probabilities(fv_model *model, model_layer *layer) {
    int rows = layer->out.n * model->config.model.n_head, n_keys = n_keys_of(layer);
    layer->buffer[P] = model_reserve(model, rows, n_keys);
    if (score_is_metric((kernel_score)model->config.model.score))
        layer->buffer[SLOPES] = model_reserve(model, rows, n_keys);
}

static void plan_long_buffers(fv_model *model, model_layer *layer) {
    size_t n_in = (size_t)layer->in.n, n_out = (size_t)layer->out.n;
    size_t d = (size_t)model->config.model.n_embd, n_head = (size_t)model->config.model.n_head;
    layer->buffer[LOGSUMEXPS] = model_reserve(model, layer->out.n, (int)n_head);
    layer->buffer[LONG] = arena_reserve(
        &model->plan, ((3 * n_out + 4 * n_in) * d + n_out * n_head) * FV_LANES, sizeof(real));
}

static void plan_buffers(fv_model *model, model_layer *layer) {
    int d = model->config.model.n_embd, n_head = model->config.model.n_head;
    int n_in = layer->in.n, n_out = layer->out.n;
    layer->buffer[COMPACT] = model_reserve(model, n_out, d);
    layer->buffer[Q] = model_reserve(model, n_out, d);
    if (goes_by(layer, FV_ATTEND_TILES))
        plan_long_buffers(model, layer);
    else
        plan_probabilities(model, layer);
    layer->buffer[Z] = model_reserve(model, n_out, d);
    layer->y = model_reserve(model, n_out, d);
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, n_in, d) : 0;
    if (goes_by(layer, FV_ATTEND_POOLED)) {
        layer->buffer[CARRIED] = model_reserve(model, n_out * n_head, d);
        layer->buffer[POOLED] = model_reserve(model, n_out * n_head, d);
    } else {
        for (int i = 0; i < 2; i++) {
            layer->buffer[K + i] = model_reserve(model, n_in, d);
            layer->buffer[D_K + i] = model_reserve(model, n_in, d);
        }
    }
    // Four matrices like q, and one group's scores.
    layer->buffer[D_SCRATCH] = model_reserve(model, 4 * n_out, d);
    size_t scores = (size_t)n_out * (size_t)n_keys_of(layer) * FV_LANES;
    if (!goes_by(layer, FV_ATTEND_TILES)) arena_reserve(&model->plan, scores, sizeof(real));
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    const fv_model_config *config = &model->config.model;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln1", layer->index);
    fv_status status = attention_plan_keys(layer, error);
    if (status != FV_OK) return status;
    norm_plan(model, &layer->norm, config->norm, layer->in.n, name);
    plan_params(model, layer);
    plan_buffers(model, layer);
    if (!goes_by(layer, FV_ATTEND_POOLED)) token_tables_plan(model, layer);
    return FV_OK;
}

static model_linear linear(const model_layer *layer, enum param w) {
    int d = layer->model->config.model.n_embd;
    return (model_linear){layer->param[w], layer->param[w + 4], d, d};
}

static real *scratch(const model_layer *layer, const model_tile *tile, enum scratch which) {
    size_t matrix = (size_t)layer->model->group_capacity * (size_t)layer->out.n *
                    (size_t)layer->model->config.model.n_embd * FV_LANES;
    return tile_buffer(tile, layer->buffer[D_SCRATCH]) + (size_t)which * matrix;
}

// Rows [G][rows][width][16], from feature `first` on.
static kernel_attend_rows attend_rows(real *data, int rows, int width, int first) {
    return (kernel_attend_rows){data + (ptrdiff_t)first * FV_LANES, (ptrdiff_t)width * FV_LANES,
                                (ptrdiff_t)rows * width * FV_LANES};
}

// Head h's score. A learned power is the exponential of its parameter, and so always positive.
static void choose_score(const model_layer *layer, const model_tile *tile, int h,
                         kernel_attend *a) {
    const fv_model_config *config = &layer->model->config.model;
    a->score = (kernel_score)config->score;
    score_type_of(config->score)->on_lanes(config, head_width(layer), a);
    if (config->score_power_learned) a->power = real_exp(tile->params[layer->param[LOG_POWER] + h]);
}

// The attention kernel's arguments for head h; x is the layer's (normalised) input.
static kernel_attend head_arguments(const model_layer *layer, const model_tile *tile, int h,
                                    real *x) {
    int d = layer->model->config.model.n_embd, n_head = layer->model->config.model.n_head;
    int d_head = head_width(layer), n_in = layer->in.n, n_out = layer->out.n;
    int n_keys = n_keys_of(layer);
    const seen_rows *seen = &model_attention_of(layer)->seen;
    kernel_attend a = {.n_groups = tile->n_groups,
                       .n_queries = n_out,
                       .n_rows_keys = n_keys,
                       .n_keys = seen->n_keys,
                       .first_key = seen->first_key,
                       .n_sinks = seen->n_sinks};
    choose_score(layer, tile, h, &a);
    ptrdiff_t head = (ptrdiff_t)h * n_out * n_keys * FV_LANES;
    a.p = attend_rows(tile_buffer(tile, layer->buffer[P]) + head, n_out * n_head, n_keys, 0);
    a.slopes = a.p;
    if (score_is_metric(a.score)) a.slopes.data = tile_buffer(tile, layer->buffer[SLOPES]) + head;
    if (goes_by(layer, FV_ATTEND_POOLED)) {
        a.d_key = a.d_value = d;
        a.q = attend_rows(tile_buffer(tile, layer->buffer[CARRIED]), n_head, d, h * d);
        a.z = attend_rows(tile_buffer(tile, layer->buffer[POOLED]), n_head, d, h * d);
        a.k = a.v = attend_rows(x, n_in, d, 0);
    } else {
        a.d_key = d_head;
        a.d_value = tile->stops_early == layer ? 0 : d_head;
        a.q = attend_rows(tile_buffer(tile, layer->buffer[Q]), n_out, d, h * d_head);
        a.z = attend_rows(tile_buffer(tile, layer->buffer[Z]), n_out, d, h * d_head);
        a.k = attend_rows(tile_buffer(tile, layer->buffer[K]), n_in, d, h * d_head);
        a.v = attend_rows(tile_buffer(tile, layer->buffer[V]), n_in, d, h * d_head);
    }
    return a;
}

// A head's share of W_K or W_V [d][n_head * d_head] applied to rows: from the head's d_head
// features to d with `back`, else from d to d_head.
static kernel_map head_map(const model_layer *layer, const model_tile *tile, enum param w, int h,
                           bool back, kernel_rows x, kernel_rows y) {
    int d = layer->model->config.model.n_embd, d_head = head_width(layer);
    return (kernel_map){.n_rows = tile->n_groups,
                        .n_in = back ? d_head : d,
                        .n_out = back ? d : d_head,
                        .x = x,
                        .y = y,
                        .w = tile->params + layer->param[w] + h * d_head,
                        .w_in = back ? 1 : d,
                        .w_out = back ? d : 1};
}

// Head h of rows [G][n_head][width][16].
static kernel_rows head_rows(const model_layer *layer, real *data, int h, int width) {
    int n_head = layer->model->config.model.n_head;
    return (kernel_rows){data + (ptrdiff_t)h * width * FV_LANES,
                         (ptrdiff_t)n_head * width * FV_LANES};
}

static void forward_pooled(const model_layer *layer, const model_tile *tile, real *x) {
    const kernel_set *kernels = tile->kernels;
    int d = layer->model->config.model.n_embd, d_head = head_width(layer);
    real *q = tile_buffer(tile, layer->buffer[Q]), *z = tile_buffer(tile, layer->buffer[Z]);
    real *carried = tile_buffer(tile, layer->buffer[CARRIED]);
    real *pooled = tile_buffer(tile, layer->buffer[POOLED]);
    for (int h = 0; h < layer->model->config.model.n_head; h++) {
        kernel_map carry = head_map(layer, tile, W_K, h, true, head_rows(layer, q, h, d_head),
                                    head_rows(layer, carried, h, d));
        kernels->map(&carry);
        kernel_attend attend = head_arguments(layer, tile, h, x);
        kernels->attend(&attend);
        kernel_map project = head_map(layer, tile, W_V, h, false, head_rows(layer, pooled, h, d),
                                      head_rows(layer, z, h, d_head));
        if (layer->param[B_V] != SIZE_MAX)
            project.bias = tile->params + layer->param[B_V] + h * d_head;
        kernels->map(&project);
    }
}

static model_long_rows long_rows(const model_layer *layer, const model_tile *tile, int g) {
    const fv_model_config *config = &layer->model->config.model;
    size_t query = (size_t)g * (size_t)layer->out.n * FV_LANES;
    size_t key = (size_t)g * (size_t)layer->in.n * (size_t)config->n_embd * FV_LANES;
    real *logsumexps = tile_buffer(tile, layer->buffer[LOGSUMEXPS]);
    return (model_long_rows){
        .q = tile_buffer(tile, layer->buffer[Q]) + query * (size_t)config->n_embd,
        .k = tile_buffer(tile, layer->buffer[K]) + key,
        .v = tile_buffer(tile, layer->buffer[V]) + key,
        .z = tile_buffer(tile, layer->buffer[Z]) + query * (size_t)config->n_embd,
        .logsumexps = logsumexps + query * (size_t)config->n_head,
        .dk = tile_buffer(tile, layer->buffer[D_K]) + key,
        .dv = tile_buffer(tile, layer->buffer[D_V]) + key,
        .scratch = tile_buffer(tile, layer->buffer[LONG])};
}

static void *worker_of(const model_layer *layer, const model_tile *tile) {
    return tile->own[layer - layer->model->layers];
}

static void forward_long(const model_layer *layer, const model_tile *tile) {
    for (int g = 0; g < tile->n_groups; g++) {
        model_long_rows rows = long_rows(layer, tile, g);
        long_attention_forward(worker_of(layer, tile), layer, &rows);
    }
}

static void forward_heads(const model_layer *layer, const model_tile *tile, real *x) {
    for (int h = 0; h < layer->model->config.model.n_head; h++) {
        kernel_attend attend = head_arguments(layer, tile, h, x);
        tile->kernels->attend(&attend);
    }
}

// Of queries, keys and values those that are needed.
static int n_projections(const model_layer *layer, const model_tile *tile) {
    return tile->stops_early == layer ? 2 : 3;
}

// Queries, and keys and values unless what they are made of is pooled.
static void project(const model_layer *layer, const model_tile *tile, real *x) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *compact = tile_buffer(tile, layer->buffer[COMPACT]);
    linear_forward(tile, linear(layer, W_Q), n, rows_of_output(layer, tile, x, compact, false),
                   rows_dense(tile_buffer(tile, layer->buffer[Q]), d), false);
    for (int i = 0; i < n_projections(layer, tile) - 1 && !goes_by(layer, FV_ATTEND_POOLED); i++)
        linear_forward(tile, linear(layer, W_K + i), tile->n_groups * layer->in.n, rows_dense(x, d),
                       rows_dense(tile_buffer(tile, layer->buffer[K + i]), d), false);
}

static void look_up(const model_layer *layer, const model_tile *tile) {
    token_tables_begin(layer, tile);
    for (int i = 0; i < n_projections(layer, tile); i++)
        token_tables_forward(layer, tile, linear(layer, W_Q + i), i == 0 ? &layer->out : &layer->in,
                             tile_buffer(tile, layer->buffer[Q + i]));
}

static void forward_textbook(const model_layer *layer, const model_tile *tile, real *x) {
    if (goes_by(layer, FV_ATTEND_TILES))
        forward_long(layer, tile);
    else
        forward_heads(layer, tile, x);
}

static void forward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    real *normed = norm_forward(&layer->norm, tile, layer->in.n, x);
    if (has_tables(layer))
        look_up(layer, tile);
    else
        project(layer, tile, normed);
    if (goes_by(layer, FV_ATTEND_POOLED))
        forward_pooled(layer, tile, normed);
    else
        forward_textbook(layer, tile, normed);
    if (tile->stops_early == layer) return;
    if (layer->residual) {
        kernel_rows from = rows_of_output(layer, tile, x, y, false);
        for (int r = 0; from.data != y && r < n; r++)
            memcpy(y + (ptrdiff_t)r * d * FV_LANES, from.data + r * from.stride,
                   (size_t)d * FV_LANES * sizeof *y);
    }
    linear_forward(tile, linear(layer, W_O), n, rows_dense(tile_buffer(tile, layer->buffer[Z]), d),
                   rows_dense(y, d), layer->residual);
}

// Rows that no query attends to get no gradient from attention, which leaves them as they are.
static void clear_unattended(const model_layer *layer, const model_tile *tile, real *rows) {
    size_t size = (size_t)tile->n_groups * (size_t)layer->in.n *
                  (size_t)layer->model->config.model.n_embd * FV_LANES;
    if (n_keys_of(layer) < layer->in.n) memset(rows, 0, size * sizeof *rows);
}

// From dz to dq, W_K, W_V and the part of dx that flows through keys and values.
static void backward_pooled(const model_layer *layer, const model_tile *tile, real *x, real *dz,
                            real *dq, real *dx) {
    const kernel_set *kernels = tile->kernels;
    int d = layer->model->config.model.n_embd, n_head = layer->model->config.model.n_head;
    int d_head = head_width(layer);
    real *q = tile_buffer(tile, layer->buffer[Q]);
    real *pooled = tile_buffer(tile, layer->buffer[POOLED]);
    real *dcarried = scratch(layer, tile, S_DCARRIED), *dpooled = scratch(layer, tile, S_DPOOLED);
    clear_unattended(layer, tile, dx);
    for (int h = 0; h < n_head; h++) {
        kernel_rows dz_h = head_rows(layer, dz, h, d_head), q_h = head_rows(layer, q, h, d_head);
        kernel_map unproject = head_map(layer, tile, W_V, h, true, dz_h, rows_dense(dpooled, d));
        kernels->map(&unproject);
        kernel_map_gradient dw = {.n_rows = tile->n_groups,
                                  .n_in = d,
                                  .n_out = d_head,
                                  .x = head_rows(layer, pooled, h, d),
                                  .dy = dz_h,
                                  .dw = tile->gradient + layer->param[W_V] + h * d_head,
                                  .w_in = d,
                                  .w_out = 1};
        kernels->map_gradient(&dw);
        kernels->attend_gradient(
            &(kernel_attend_gradient){.forward = head_arguments(layer, tile, h, x),
                                      .dz = attend_rows(dpooled, 1, d, 0),
                                      .dq = attend_rows(dcarried, 1, d, 0),
                                      .dk = attend_rows(dx, layer->in.n, d, 0),
                                      .dv = attend_rows(dx, layer->in.n, d, 0),
                                      .overwrite = h == 0,
                                      .scratch = scratch(layer, tile, S_SCORES)});
        kernel_map uncarry = head_map(layer, tile, W_K, h, false, rows_dense(dcarried, d),
                                      head_rows(layer, dq, h, d_head));
        kernels->map(&uncarry);
        dw.x = rows_dense(dcarried, d);
        dw.dy = q_h;
        dw.dw = tile->gradient + layer->param[W_K] + h * d_head;
        kernels->map_gradient(&dw);
    }
    if (layer->param[B_V] != SIZE_MAX)
        kernels->bias_gradient(tile->n_groups, d, rows_dense(dz, d),
                               tile->gradient + layer->param[B_V]);
}

static void backward_long(const model_layer *layer, const model_tile *tile, const real *dz,
                          real *dq) {
    size_t group = (size_t)layer->out.n * (size_t)layer->model->config.model.n_embd * FV_LANES;
    for (int g = 0; g < tile->n_groups; g++) {
        model_long_rows rows = long_rows(layer, tile, g);
        rows.dz = dz + (size_t)g * group;
        rows.dq = dq + (size_t)g * group;
        long_attention_backward(worker_of(layer, tile), layer, &rows);
    }
}

static void backward_heads(const model_layer *layer, const model_tile *tile, real *x, real *dz,
                           real *dq, real *dk, real *dv) {
    int d = layer->model->config.model.n_embd, n_in = layer->in.n;
    clear_unattended(layer, tile, dk);
    clear_unattended(layer, tile, dv);
    bool learned = layer->model->config.model.score_power_learned;
    for (int h = 0; h < layer->model->config.model.n_head; h++) {
        int first = h * head_width(layer);
        real *dlog_power = learned ? tile->gradient + layer->param[LOG_POWER] + h : NULL;
        tile->kernels->attend_gradient(
            &(kernel_attend_gradient){.forward = head_arguments(layer, tile, h, x),
                                      .dz = attend_rows(dz, layer->out.n, d, first),
                                      .dq = attend_rows(dq, layer->out.n, d, first),
                                      .dk = attend_rows(dk, n_in, d, first),
                                      .dv = attend_rows(dv, n_in, d, first),
                                      .overwrite = true,
                                      .scratch = scratch(layer, tile, S_SCORES),
                                      .dlog_power = dlog_power});
    }
}

static void backward_textbook(const model_layer *layer, const model_tile *tile, real *x, real *dz,
                              real *dq, real *dx) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->in.n;
    real *dk = tile_buffer(tile, layer->buffer[D_K]);
    real *dv = tile_buffer(tile, layer->buffer[D_V]);
    if (goes_by(layer, FV_ATTEND_TILES))
        backward_long(layer, tile, dz, dq);
    else
        backward_heads(layer, tile, x, dz, dq, dk, dv);
    if (has_tables(layer)) return;
    linear_backward(tile, linear(layer, W_K), n, rows_dense(x, d), rows_dense(dk, d),
                    rows_dense(dx, d), false);
    linear_backward(tile, linear(layer, W_V), n, rows_dense(x, d), rows_dense(dv, d),
                    rows_dense(dx, d), true);
}

// What queries, keys and values came from are the embeddings themselves: only what passes the layer
// by is left for dx.
static void backward_look_up(const model_layer *layer, const model_tile *tile, real *dq, real *dx) {
    real *const slopes[] = {dq, tile_buffer(tile, layer->buffer[D_K]),
                            tile_buffer(tile, layer->buffer[D_V])};
    for (int i = 0; i < 3; i++)
        token_tables_backward(layer, tile, linear(layer, W_Q + i),
                              i == 0 ? &layer->out : &layer->in, slopes[i], i == 0);
    token_tables_end(layer, tile);
    memset(dx, 0,
           (size_t)tile->n_groups * (size_t)layer->in.n *
               (size_t)layer->model->config.model.n_embd * FV_LANES * sizeof *dx);
}

// The queries' inputs are rows of x: their gradient joins that of keys and values.
static void backward_queries(const model_layer *layer, const model_tile *tile, real *x, real *dz,
                             real *dq, real *dx) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *compact = tile_buffer(tile, layer->buffer[COMPACT]);
    kernel_rows queries = rows_of_output(layer, tile, x, compact, false);
    kernel_rows dqueries = rows_of_output(layer, tile, dx, dz, false);
    bool view = queries.data != compact;
    linear_backward(tile, linear(layer, W_Q), n, queries, rows_dense(dq, d),
                    view ? dqueries : rows_dense(dz, d), view);
    if (!view) rows_add(layer, tile, rows_dense(dz, d), dx);
}

static void backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    real *dz = scratch(layer, tile, S_DZ), *dq = scratch(layer, tile, S_DQ);
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    linear_backward(tile, linear(layer, W_O), n, rows_dense(tile_buffer(tile, layer->buffer[Z]), d),
                    dy, rows_dense(dz, d), false);
    if (goes_by(layer, FV_ATTEND_POOLED))
        backward_pooled(layer, tile, normed, dz, dq, dnormed);
    else
        backward_textbook(layer, tile, normed, dz, dq, dnormed);
    if (has_tables(layer))
        backward_look_up(layer, tile, dq, dx);
    else
        backward_queries(layer, tile, normed, dz, dq, dnormed);
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    double d = layer->model->config.model.n_embd, n_head = layer->model->config.model.n_head;
    double n_in = layer->in.n, n_out = layer->out.n, pairs = 0;
    const seen_rows *seen = &model_attention_of(layer)->seen;
    for (int i = 0; i < layer->out.n; i++) {
        int behind = seen->first_key[i] - seen->n_sinks; // what the window leaves out
        pairs += seen->n_keys[i] - (behind > 0 ? behind : 0);
    }
    double around = 2 * n_out * d * d; // W_Q and W_O
    *textbook = around + 2 * n_in * d * d + 2 * pairs * d;
    *executed = goes_by(layer, FV_ATTEND_POOLED)
                    ? around + 2 * n_out * d * d + 2 * pairs * d * n_head
                    : *textbook;
    if (has_tables(layer))
        *executed = (n_out + 3 * token_tables_rows(layer)) * d * d + 2 * pairs * d;
    *exps = pairs * n_head;
}

const layer_type layer_attention = {
    .attends = true,
    .half = FV_HALF_ATTENTION,
    .create = attention_layer_create,
    .free = attention_layer_free,
    .needs = attention_needs,
    .worker_create = long_attention_create,
    .worker_free = long_attention_free,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {.help =
             "multi-head attention over earlier positions, n_head heads of n_embd / n_head each; "
             "attention(window=8 sinks=2) sees a window and first positions",
         .example =
             "model: {layers: [attention(window=8 sinks=2), attention], n_embd: 8, n_head: 2}",
         .reads = {FV_READS(model.score), FV_READS(model.exclude_self), FV_READS(model.residual),
                   FV_READS(model.bias), FV_READS(model.window), FV_READS(model.sinks),
                   FV_READS(model.d_score)},
         .rules = {{"model.sinks",
                    {{"model.window", CONFIG_SET},
                     {"model.layers", CONFIG_LAYER_OPTION(LAYER_OPTION_window)}}}},
         .same = {{"model.window", attention_settle_windows,
                   "a window of the whole context hides nothing", "model.layers"},
                  {"model.layers", attention_settle_windows, "they see the same positions", NULL},
                  {"model.d_score", attention_settle_d_score, "0 is all features of a head", NULL}},
         .check = attention_check},
    .reach = attention_reach,
    .state = attention_state,
    .hooks = attention_hooks,
};
