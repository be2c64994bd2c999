// A position-wise layer: y = f(x W_in + b_in) W_out + b_out.
#include "model/activations.h"
#include "model/hooks.h"

#include <stdio.h>
#include <string.h>

enum param { W_IN, B_IN, W_OUT, B_OUT };
enum buffer { HIDDEN, ACTIVE, D_HIDDEN, D_ACTIVE, D_NORMED };

static int hidden_width(const fv_model_config *config) {
    return config->d_mlp > 0 ? config->d_mlp : 4 * config->n_embd;
}

static fv_status plan(fv_model *model, fv_layer *layer, fv_error *error) {
    (void)error;
    const fv_model_config *config = &model->config.model;
    int d = config->n_embd, m = hidden_width(config), l = layer->index;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln2", l);
    fv_norm_plan(model, &layer->norm, config->norm, layer->in.n, name);
    layer->param[W_IN] = fv_model_add(model, FV_INIT_LINEAR, d, m, d, "blocks.%d.mlp.W_in", l);
    layer->param[W_OUT] = fv_model_add(model, FV_INIT_OUTPUT, m, d, m, "blocks.%d.mlp.W_out", l);
    layer->param[B_IN] = layer->param[B_OUT] = SIZE_MAX;
    if (config->bias) {
        layer->param[B_IN] = fv_model_add(model, FV_INIT_BIAS, m, 0, d, "blocks.%d.mlp.b_in", l);
        layer->param[B_OUT] = fv_model_add(model, FV_INIT_BIAS, d, 0, m, "blocks.%d.mlp.b_out", l);
    }
    for (int i = HIDDEN; i <= D_ACTIVE; i++)
        layer->buffer[i] = fv_model_reserve(model, layer->in.n, m);
    layer->buffer[D_NORMED] = fv_model_reserve(model, layer->in.n, d);
    layer->y = fv_model_reserve(model, layer->out.n, d);
    return FV_OK;
}

static fv_linear linear_in(const fv_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    return (fv_linear){layer->param[W_IN], layer->param[B_IN], config->n_embd,
                       hidden_width(config)};
}

static fv_linear linear_out(const fv_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    return (fv_linear){layer->param[W_OUT], layer->param[B_OUT], hidden_width(config),
                       config->n_embd};
}

static fv_activation activation(const fv_layer *layer) {
    return fv_activation_type_of(layer->model->config.model.activation)->kernel;
}

static void forward(const fv_layer *layer, const fv_tile *tile) {
    int d = layer->model->config.model.n_embd, m = hidden_width(&layer->model->config.model);
    int n = tile->n_groups * layer->in.n;
    real *x = fv_tile_buffer(tile, layer->x), *y = fv_tile_buffer(tile, layer->y);
    real *normed = fv_norm_forward(&layer->norm, tile, layer->in.n, x);
    real *hidden = fv_tile_buffer(tile, layer->buffer[HIDDEN]);
    real *active = fv_tile_buffer(tile, layer->buffer[ACTIVE]);
    fv_linear_forward(tile, linear_in(layer), n, fv_rows_dense(normed, d), fv_rows_dense(hidden, m),
                      false);
    tile->kernels->activate(activation(layer), (size_t)n * (size_t)m * FV_LANES, hidden, active);
    if (layer->residual) memcpy(y, x, (size_t)n * (size_t)d * FV_LANES * sizeof *x);
    fv_linear_forward(tile, linear_out(layer), n, fv_rows_dense(active, m), fv_rows_dense(y, d),
                      layer->residual);
}

static void backward(const fv_layer *layer, const fv_tile *tile) {
    int d = layer->model->config.model.n_embd, m = hidden_width(&layer->model->config.model);
    int n = tile->n_groups * layer->in.n;
    real *x = fv_tile_buffer(tile, layer->x), *dx = fv_tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? fv_tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? fv_tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    real *hidden = fv_tile_buffer(tile, layer->buffer[HIDDEN]);
    real *active = fv_tile_buffer(tile, layer->buffer[ACTIVE]);
    real *dhidden = fv_tile_buffer(tile, layer->buffer[D_HIDDEN]);
    real *dactive = fv_tile_buffer(tile, layer->buffer[D_ACTIVE]);
    fv_rows dy = fv_rows_dense(fv_tile_buffer(tile, layer->dy), d);
    fv_linear_backward(tile, linear_out(layer), n, fv_rows_dense(active, m), dy,
                       fv_rows_dense(dactive, m), false);
    tile->kernels->activate_gradient(activation(layer), (size_t)n * (size_t)m * FV_LANES, hidden,
                                     dactive, dhidden);
    fv_linear_backward(tile, linear_in(layer), n, fv_rows_dense(normed, d),
                       fv_rows_dense(dhidden, m), fv_rows_dense(dnormed, d), false);
    fv_norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) fv_rows_add(layer, tile, dy, dx);
}

static void cost(const fv_layer *layer, double *textbook, double *executed, double *exps) {
    const fv_model_config *config = &layer->model->config.model;
    double n = layer->in.n, m = hidden_width(config);
    *textbook = *executed = 2.0 * n * config->n_embd * m;
    *exps = n * m * fv_activation_type_of(config->activation)->exps;
}

static void settle_d_mlp(fv_config *c) {
    if (c->model.d_mlp == 4 * c->model.n_embd) c->model.d_mlp = 0;
}

static fv_lanes lanes_pre(const fv_layer *layer, const fv_tile *tile, real *scratch) {
    (void)scratch;
    return fv_lanes_dense(fv_tile_buffer(tile, layer->buffer[HIDDEN]), layer->out.n,
                          hidden_width(&layer->model->config.model));
}

static fv_lanes lanes_post(const fv_layer *layer, const fv_tile *tile, real *scratch) {
    (void)scratch;
    return fv_lanes_dense(fv_tile_buffer(tile, layer->buffer[ACTIVE]), layer->out.n,
                          hidden_width(&layer->model->config.model));
}

// What the layer adds to the stream.
static fv_lanes lanes_out(const fv_layer *layer, const fv_tile *tile, real *scratch) {
    int d = layer->model->config.model.n_embd, m = hidden_width(&layer->model->config.model);
    fv_linear_forward(tile, linear_out(layer), tile->n_groups * layer->out.n,
                      fv_rows_dense(fv_tile_buffer(tile, layer->buffer[ACTIVE]), m),
                      fv_rows_dense(scratch, d), false);
    return fv_lanes_dense(scratch, layer->out.n, d);
}

static const fv_layer_hook hooks[] = {FV_NORM_HOOKS("ln2."),
                                      {"mlp.hook_pre", "Tm", lanes_pre, FV_HOOK_LIES, NULL},
                                      {"mlp.hook_post", "Tm", lanes_post, FV_HOOK_LIES, NULL},
                                      {"hook_mlp_out", "Td", lanes_out, FV_HOOK_MADE, NULL},
                                      {0}};

const fv_layer_type fv_layer_mlp = {
    .half = FV_HALF_MLP,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {
            .help = "two linear maps with an activation between, d_mlp wide, position by position",
            .example = "model: {layers: [attention, mlp], residual: true, n_embd: 8, d_mlp: 32}",
            .reads = {FV_READS(model.residual), FV_READS(model.bias), FV_READS(model.activation),
                      FV_READS(model.d_mlp)},
            .same = {{"model.d_mlp", settle_d_mlp, "0 is four times model.n_embd"}},
        },
    .hooks = hooks,
};
