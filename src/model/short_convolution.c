// A short causal convolution as a layer of its own (the Canon layers of Allen-Zhu, 2025, arXiv 2512.17351):
// every feature mixes its own last few values,
//
//     y_t = sum_k w_k x_{t - taps + 1 + k}          one filter a feature, no bias, no activation
//
// which is all that a layer needs to see what came just before.
#include "model/hooks.h"

#include <stdio.h>
#include <string.h>

enum param { W };
enum buffer {
    Y,        // [in][d]
    COMPACT,  // [out][d], where the outputs are no view
    D_Y,      // [in][d]
    D_NORMED, // [in][d]
};

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    const fv_model_config *config = &model->config.model;
    const int d = config->n_embd, taps = config->conv_taps, n_in = layer->in.n;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln_conv", layer->index);
    norm_plan(model, &layer->norm, config->norm, n_in, name);
    layer->param[W] =
        model_add(model, FV_INIT_FAN_IN, d, taps, taps, "blocks.%d.conv.w", layer->index);
    layer->buffer[Y] = model_reserve(model, n_in, d);
    layer->buffer[D_Y] = model_reserve(model, n_in, d);
    layer->buffer[COMPACT] = model_reserve(model, layer->out.n, d);
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, n_in, d) : 0;
    layer->y = model_reserve(model, layer->out.n, d);
    return FV_OK;
}

static kernel_conv conv_of(const model_layer *layer, const model_tile *tile, real *x) {
    const fv_model_config *config = &layer->model->config.model;
    return (kernel_conv){.n_groups = tile->n_groups,
                         .n_rows = layer->in.n,
                         .n_features = config->n_embd,
                         .width = config->conv_taps,
                         .plain = true,
                         .x = x,
                         .w = tile->params + layer->param[W],
                         .y = tile_buffer(tile, layer->buffer[Y])};
}

static void forward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd, n_out = tile->n_groups * layer->out.n;
    const size_t row = (size_t)d * FV_LANES;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    kernel_conv conv = conv_of(layer, tile, norm_forward(&layer->norm, tile, layer->in.n, x));
    tile->kernels->conv(&conv);
    rows_copy_outputs(layer, tile, conv.y, y);
    if (!layer->residual) return;
    kernel_rows from =
        rows_of_output(layer, tile, x, tile_buffer(tile, layer->buffer[COMPACT]), false);
    for (int r = 0; r < n_out; r++)
        for (size_t i = 0; i < row; i++)
            y[(size_t)r * row + i] += from.data[r * from.stride + (ptrdiff_t)i];
}

static void backward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    real *dconv = tile_buffer(tile, layer->buffer[D_Y]);
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    memset(dconv, 0,
           (size_t)tile->n_groups * (size_t)layer->in.n * (size_t)d * FV_LANES * sizeof *dconv);
    rows_add(layer, tile, dy, dconv);
    tile->kernels->conv_gradient(&(kernel_conv_gradient){.forward = conv_of(layer, tile, normed),
                                                         .dy = dconv,
                                                         .dx = dnormed,
                                                         .dw = tile->gradient + layer->param[W]});
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const fv_model_config *config = &layer->model->config.model;
    *textbook = (double)layer->out.n * config->n_embd * config->conv_taps;
    *executed = (double)layer->in.n * config->n_embd * config->conv_taps;
    *exps = 0;
}

static int reach(const fv_config *config, int i) {
    (void)i;
    return config->model.conv_taps - 1;
}

static double state(const fv_config *config, int i) {
    (void)i;
    return (config->model.conv_taps - 1.0) * config->model.n_embd;
}

static const layer_hook hooks[] = {FV_NORM_HOOKS("ln_conv."), {0}};

const layer_type layer_short_convolution = {
    .needs = needs_all_before,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part = {.help =
                 "a short causal convolution: every feature mixes its own last conv_taps values",
             .example =
                 "model: {layers: [short_convolution, attention], n_embd: 8, residual: true}",
             .reads = {FV_READS(model.residual), FV_READS(model.conv_taps)}},
    .reach = reach,
    .state = state,
    .hooks = hooks,
};
