// Attention without queries and keys: a learned number for every position, whatever stands there,
//
//     y_t = sum_(s <= t) p_s x_s,        p = softmax(a_0 ... a_t)
//
// the attention of 2505.17863's main model, from a = 0: at first the mean of all. With one position asked
// for it is one sum; with all of them every position takes its own.
#include "model/hooks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum param { A };
enum buffer {
    COMPACT,  // [out][d], where the outputs are no view
    D_NORMED, // [in][d]
    P,        // [in], of one position and the whole tile
    D_P,      // [in]
};

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    const int d = model->config.model.n_embd;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln_pool", layer->index);
    norm_plan(model, &layer->norm, model->config.model.norm, layer->in.n, name);
    layer->param[A] =
        model_add(model, FV_INIT_ZERO, model->n_positions, 0, 1, "blocks.%d.pool.a", layer->index);
    layer->buffer[COMPACT] = model_reserve(model, layer->out.n, d);
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, layer->in.n, d) : 0;
    layer->buffer[P] = arena_reserve(&model->plan, (size_t)layer->in.n, sizeof(real));
    layer->buffer[D_P] = arena_reserve(&model->plan, (size_t)layer->in.n, sizeof(real));
    layer->y = model_reserve(model, layer->out.n, d);
    return FV_OK;
}

// The weights of the i-th output, over the rows up to its own; returns how many.
static int weigh(const model_layer *layer, const model_tile *tile, int i, real *p) {
    const real *a = tile->params + layer->param[A];
    int n = layer->rows[i] + 1;
    real largest = a[layer->in.at[0]], sum = 0;
    for (int s = 1; s < n; s++)
        largest = a[layer->in.at[s]] > largest ? a[layer->in.at[s]] : largest;
    for (int s = 0; s < n; s++) sum += p[s] = (real)exp((double)(a[layer->in.at[s]] - largest));
    for (int s = 0; s < n; s++) p[s] /= sum;
    return n;
}

static void forward(const model_layer *layer, const model_tile *tile) {
    const size_t row = (size_t)layer->model->config.model.n_embd * FV_LANES;
    const size_t n_in = (size_t)layer->in.n, n_out = (size_t)layer->out.n;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    real *p = tile_buffer(tile, layer->buffer[P]);
    const real *normed = norm_forward(&layer->norm, tile, layer->in.n, x);
    if (layer->residual)
        rows_copy_outputs(layer, tile, x, y);
    else
        memset(y, 0, (size_t)tile->n_groups * n_out * row * sizeof *y);
    for (size_t i = 0; i < n_out; i++) {
        size_t n = (size_t)weigh(layer, tile, (int)i, p);
        for (size_t g = 0; g < (size_t)tile->n_groups; g++) {
            real *restrict to = y + (g * n_out + i) * row;
            for (size_t s = 0; s < n; s++) {
                const real *restrict from = normed + (g * n_in + s) * row;
                for (size_t f = 0; f < row; f++) to[f] += p[s] * from[f];
            }
        }
    }
}

// One output of one group: dx += p dy, and dp += x dy.
static void pull(size_t n, size_t row, const real *p, const real *x, const real *dy, real *dx,
                 real *dp) {
    for (size_t s = 0; s < n; s++) {
        const real *restrict from = x + s * row;
        real *restrict to = dx + s * row;
        real lane[FV_LANES] = {0};
        for (size_t f = 0; f < row; f += FV_LANES)
            for (size_t l = 0; l < FV_LANES; l++) {
                to[f + l] += p[s] * dy[f + l];
                lane[l] += from[f + l] * dy[f + l];
            }
        for (size_t l = 0; l < FV_LANES; l++) dp[s] += lane[l];
    }
}

static void backward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd;
    const size_t row = (size_t)d * FV_LANES, n_in = (size_t)layer->in.n,
                 n_out = (size_t)layer->out.n;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *dy = tile_buffer(tile, layer->dy);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    real *p = tile_buffer(tile, layer->buffer[P]), *dp = tile_buffer(tile, layer->buffer[D_P]);
    real *da = tile->gradient + layer->param[A];
    memset(dnormed, 0, (size_t)tile->n_groups * n_in * row * sizeof *dnormed);
    for (size_t i = 0; i < n_out; i++) {
        size_t n = (size_t)weigh(layer, tile, (int)i, p);
        memset(dp, 0, n * sizeof *dp);
        for (size_t g = 0; g < (size_t)tile->n_groups; g++)
            pull(n, row, p, normed + g * n_in * row, dy + (g * n_out + i) * row,
                 dnormed + g * n_in * row, dp);
        real mean = 0;
        for (size_t s = 0; s < n; s++) mean += p[s] * dp[s];
        for (size_t s = 0; s < n; s++) da[layer->in.at[s]] += p[s] * (dp[s] - mean);
    }
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, rows_dense(dy, d), dx);
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    double keys = 0;
    for (int i = 0; i < layer->out.n; i++) keys += layer->rows[i] + 1;
    *textbook = *executed = keys * layer->model->config.model.n_embd;
    *exps = keys;
}

static int reach(const fv_config *config, int i) {
    (void)i;
    return config->task.context_length - 1;
}

// The sum so far, its weight, and the largest number.
static double state(const fv_config *config, int i) {
    (void)i;
    return config->model.n_embd + 2.0;
}

static const layer_hook hooks[] = {FV_NORM_HOOKS("ln_pool."), {0}};

const layer_type layer_pooling = {
    .needs = needs_all_before,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {.help =
             "a weighted mean of all positions so far; the weights are a learned number of each "
             "position, whatever stands there",
         .example = "model: {layers: [pooling, mlp], n_embd: 8}",
         .reads = {FV_READS(model.residual)}},
    .reach = reach,
    .state = state,
    .hooks = hooks,
};
