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

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    const fv_model_config *config = &model->config.model;
    int d = config->n_embd, m = hidden_width(config), l = layer->index;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln2", l);
    norm_plan(model, &layer->norm, config->norm, layer->in.n, name);
    layer->param[W_IN] = model_add(model, FV_INIT_LINEAR, d, m, d, "blocks.%d.mlp.W_in", l);
    layer->param[W_OUT] = model_add(model, FV_INIT_OUTPUT, m, d, m, "blocks.%d.mlp.W_out", l);
    layer->param[B_IN] = layer->param[B_OUT] = SIZE_MAX;
    if (config->bias) {
        layer->param[B_IN] = model_add(model, FV_INIT_BIAS, m, 0, d, "blocks.%d.mlp.b_in", l);
        layer->param[B_OUT] = model_add(model, FV_INIT_BIAS, d, 0, m, "blocks.%d.mlp.b_out", l);
    }
    for (int i = HIDDEN; i <= D_ACTIVE; i++)
        layer->buffer[i] = model_reserve(model, layer->in.n, m);
    layer->buffer[D_NORMED] = model_reserve(model, layer->in.n, d);
    layer->y = model_reserve(model, layer->out.n, d);
    return FV_OK;
}

static model_linear linear_in(const model_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    return (model_linear){layer->param[W_IN], layer->param[B_IN], config->n_embd,
                          hidden_width(config)};
}

static model_linear linear_out(const model_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    return (model_linear){layer->param[W_OUT], layer->param[B_OUT], hidden_width(config),
                          config->n_embd};
}

static kernel_activation activation(const model_layer *layer) {
    return (kernel_activation)layer->model->config.model.activation;
}

static void forward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, m = hidden_width(&layer->model->config.model);
    int n = tile->n_groups * layer->in.n;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    real *normed = norm_forward(&layer->norm, tile, layer->in.n, x);
    real *hidden = tile_buffer(tile, layer->buffer[HIDDEN]);
    real *active = tile_buffer(tile, layer->buffer[ACTIVE]);
    linear_forward(tile, linear_in(layer), n, rows_dense(normed, d), rows_dense(hidden, m), false);
    tile->kernels->activate(activation(layer), (size_t)n * (size_t)m * FV_LANES, hidden, active);
    if (layer->residual) memcpy(y, x, (size_t)n * (size_t)d * FV_LANES * sizeof *x);
    linear_forward(tile, linear_out(layer), n, rows_dense(active, m), rows_dense(y, d),
                   layer->residual);
}

static void backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, m = hidden_width(&layer->model->config.model);
    int n = tile->n_groups * layer->in.n;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    real *hidden = tile_buffer(tile, layer->buffer[HIDDEN]);
    real *active = tile_buffer(tile, layer->buffer[ACTIVE]);
    real *dhidden = tile_buffer(tile, layer->buffer[D_HIDDEN]);
    real *dactive = tile_buffer(tile, layer->buffer[D_ACTIVE]);
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    linear_backward(tile, linear_out(layer), n, rows_dense(active, m), dy, rows_dense(dactive, m),
                    false);
    tile->kernels->activate_gradient(activation(layer), (size_t)n * (size_t)m * FV_LANES, hidden,
                                     dactive, dhidden);
    linear_backward(tile, linear_in(layer), n, rows_dense(normed, d), rows_dense(dhidden, m),
                    rows_dense(dnormed, d), false);
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const fv_model_config *config = &layer->model->config.model;
    double n = layer->in.n, m = hidden_width(config);
    *textbook = *executed = 2.0 * n * config->n_embd * m;
    *exps = n * m * activation_type_of(config->activation)->exps;
}

static void settle_d_mlp(fv_config *c) {
    if (c->model.d_mlp == 4 * c->model.n_embd) c->model.d_mlp = 0;
}

static model_lanes lanes_pre(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->buffer[HIDDEN]), layer->out.n,
                       hidden_width(&layer->model->config.model));
}

static model_lanes lanes_post(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->buffer[ACTIVE]), layer->out.n,
                       hidden_width(&layer->model->config.model));
}

// What the layer adds to the stream.
static model_lanes lanes_out(const model_layer *layer, const model_tile *tile, real *scratch) {
    int d = layer->model->config.model.n_embd, m = hidden_width(&layer->model->config.model);
    linear_forward(tile, linear_out(layer), tile->n_groups * layer->out.n,
                   rows_dense(tile_buffer(tile, layer->buffer[ACTIVE]), m), rows_dense(scratch, d),
                   false);
    return lanes_dense(scratch, layer->out.n, d);
}

static const layer_hook hooks[] = {FV_NORM_HOOKS("ln2."),
                                   {"mlp.hook_pre", "Tm", lanes_pre, FV_HOOK_LIES, NULL},
                                   {"mlp.hook_post", "Tm", lanes_post, FV_HOOK_LIES, NULL},
                                   {"hook_mlp_out", "Td", lanes_out, FV_HOOK_MADE, NULL},
                                   {0}};

const layer_type layer_mlp = {
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
            .same = {{"model.d_mlp", settle_d_mlp, "0 is four times model.n_embd", NULL}},
        },
    .hooks = hooks,
};
