// A position-wise layer: y = f(x W_in + b_in) W_out + b_out, or with a gate
// y = (f(x W_gate + b_gate) * (x W_in + b_in)) W_out + b_out. HIDDEN is what f is applied to, LINEAR
// what a gate multiplies.
#include "model/activation_edit.h"
#include "model/activations.h"

#include <stdio.h>
#include <string.h>

enum param { W_IN, B_IN, W_OUT, B_OUT, W_GATE, B_GATE };
enum buffer { HIDDEN, ACTIVE, D_HIDDEN, D_ACTIVE, D_NORMED, LINEAR, D_LINEAR };

static bool is_gated(const model_layer *layer) {
    return activation_is_gated(layer->model->config.model.activation);
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    const fv_model_config *config = &model->config.model;
    int d = config->n_embd, m = mlp_width(config), l = layer->index;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln2", l);
    norm_plan(model, &layer->norm, config->norm, layer->in.n, name);
    bool gated = is_gated(layer);
    if (gated)
        layer->param[W_GATE] = model_add(model, FV_INIT_LINEAR, d, m, d, "blocks.%d.mlp.W_gate", l);
    layer->param[W_IN] = model_add(model, FV_INIT_LINEAR, d, m, d, "blocks.%d.mlp.W_in", l);
    layer->param[W_OUT] = model_add(model, FV_INIT_OUTPUT, m, d, m, "blocks.%d.mlp.W_out", l);
    layer->param[B_IN] = layer->param[B_OUT] = layer->param[B_GATE] = SIZE_MAX;
    if (config->bias) {
        if (gated)
            layer->param[B_GATE] =
                model_add(model, FV_INIT_BIAS, m, 0, d, "blocks.%d.mlp.b_gate", l);
        layer->param[B_IN] = model_add(model, FV_INIT_BIAS, m, 0, d, "blocks.%d.mlp.b_in", l);
        layer->param[B_OUT] = model_add(model, FV_INIT_BIAS, d, 0, m, "blocks.%d.mlp.b_out", l);
    }
    for (int i = HIDDEN; i <= D_ACTIVE; i++)
        layer->buffer[i] = model_reserve(model, layer->in.n, m);
    for (int i = LINEAR; gated && i <= D_LINEAR; i++)
        layer->buffer[i] = model_reserve(model, layer->in.n, m);
    layer->buffer[D_NORMED] = model_reserve(model, layer->in.n, d);
    layer->y = model_reserve(model, layer->out.n, d);
    return FV_OK;
}

static model_linear linear_into(const model_layer *layer, enum param w, enum param b) {
    const fv_model_config *config = &layer->model->config.model;
    return (model_linear){layer->param[w], layer->param[b], config->n_embd, mlp_width(config)};
}

static model_linear linear_in(const model_layer *layer) {
    return linear_into(layer, W_IN, B_IN);
}
static model_linear linear_gate(const model_layer *layer) {
    return linear_into(layer, W_GATE, B_GATE);
}

static model_linear linear_out(const model_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    return (model_linear){layer->param[W_OUT], layer->param[B_OUT], mlp_width(config),
                          config->n_embd};
}

static kernel_activation activation(const model_layer *layer) {
    return activation_applied(layer->model->config.model.activation)->kernel;
}

// The hidden features of `normed` into ACTIVE.
static void activate(const model_layer *layer, const model_tile *tile, int n, real *normed) {
    int d = layer->model->config.model.n_embd, m = mlp_width(&layer->model->config.model);
    size_t numbers = (size_t)n * (size_t)m * FV_LANES;
    real *hidden = tile_buffer(tile, layer->buffer[HIDDEN]);
    real *active = tile_buffer(tile, layer->buffer[ACTIVE]);
    bool gated = is_gated(layer);
    linear_forward(tile, gated ? linear_gate(layer) : linear_in(layer), n, rows_dense(normed, d),
                   rows_dense(hidden, m), false);
    tile_edit(layer, tile, "mlp.hook_pre");
    if (!gated) {
        tile->kernels->activate(activation(layer), numbers, hidden, active);
        tile_edit(layer, tile, "mlp.hook_post");
        return;
    }
    real *linear = tile_buffer(tile, layer->buffer[LINEAR]);
    linear_forward(tile, linear_in(layer), n, rows_dense(normed, d), rows_dense(linear, m), false);
    tile_edit(layer, tile, "mlp.hook_pre_linear");
    tile->kernels->gate(&(kernel_gate){activation(layer), numbers, hidden, linear, active});
    tile_edit(layer, tile, "mlp.hook_post");
}

static void forward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, m = mlp_width(&layer->model->config.model);
    int n = tile->n_groups * layer->in.n;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    activate(layer, tile, n, norm_forward(&layer->norm, tile, layer->in.n, x));
    if (tile_edit_output(layer, tile, "hook_mlp_out")) return;
    if (layer->residual) memcpy(y, x, (size_t)n * (size_t)d * FV_LANES * sizeof *x);
    linear_forward(tile, linear_out(layer), n,
                   rows_dense(tile_buffer(tile, layer->buffer[ACTIVE]), m), rows_dense(y, d),
                   layer->residual);
}

// From the gradient of ACTIVE to that of `normed`, which it overwrites.
static void activate_gradient(const model_layer *layer, const model_tile *tile, int n, real *normed,
                              const real *dactive, real *dnormed) {
    int d = layer->model->config.model.n_embd, m = mlp_width(&layer->model->config.model);
    size_t numbers = (size_t)n * (size_t)m * FV_LANES;
    real *hidden = tile_buffer(tile, layer->buffer[HIDDEN]);
    real *dhidden = tile_buffer(tile, layer->buffer[D_HIDDEN]);
    kernel_rows x = rows_dense(normed, d), dx = rows_dense(dnormed, d);
    if (!is_gated(layer)) {
        tile->kernels->activate_gradient(activation(layer), numbers, hidden, dactive, dhidden);
        linear_backward(tile, linear_in(layer), n, x, rows_dense(dhidden, m), dx, false);
        return;
    }
    real *dlinear = tile_buffer(tile, layer->buffer[D_LINEAR]);
    tile->kernels->gate_gradient(
        &(kernel_gate_gradient){.forward = {activation(layer), numbers, hidden,
                                            tile_buffer(tile, layer->buffer[LINEAR]), NULL},
                                .dy = dactive,
                                .dx = dhidden,
                                .du = dlinear});
    linear_backward(tile, linear_gate(layer), n, x, rows_dense(dhidden, m), dx, false);
    linear_backward(tile, linear_in(layer), n, x, rows_dense(dlinear, m), dx, true);
}

static void backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, m = mlp_width(&layer->model->config.model);
    int n = tile->n_groups * layer->in.n;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    real *dactive = tile_buffer(tile, layer->buffer[D_ACTIVE]);
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    linear_backward(tile, linear_out(layer), n,
                    rows_dense(tile_buffer(tile, layer->buffer[ACTIVE]), m), dy,
                    rows_dense(dactive, m), false);
    activate_gradient(layer, tile, n, normed, dactive, dnormed);
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const fv_model_config *config = &layer->model->config.model;
    double n = layer->in.n, m = mlp_width(config);
    int n_maps = activation_is_gated(config->activation) ? 3 : 2;
    *textbook = *executed = n_maps * n * config->n_embd * m;
    *exps = n * m * activation_applied(config->activation)->exps;
}

static void settle_d_mlp(fv_config *c) {
    fv_model_config usual = c->model;
    usual.d_mlp = 0;
    if (c->model.d_mlp == mlp_width(&usual)) c->model.d_mlp = 0;
}

static model_lanes lanes_pre(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->buffer[HIDDEN]), layer->out.n,
                       mlp_width(&layer->model->config.model));
}

static model_lanes lanes_linear(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->buffer[LINEAR]), layer->out.n,
                       mlp_width(&layer->model->config.model));
}

static model_lanes lanes_post(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->buffer[ACTIVE]), layer->out.n,
                       mlp_width(&layer->model->config.model));
}

// What the layer adds to the stream.
static model_lanes lanes_out(const model_layer *layer, const model_tile *tile, real *scratch) {
    int d = layer->model->config.model.n_embd, m = mlp_width(&layer->model->config.model);
    linear_forward(tile, linear_out(layer), tile->n_groups * layer->out.n,
                   rows_dense(tile_buffer(tile, layer->buffer[ACTIVE]), m), rows_dense(scratch, d),
                   false);
    return lanes_dense(scratch, layer->out.n, d);
}

static const layer_hook hooks[] = {
    FV_NORM_HOOKS("ln2."),
    {"mlp.hook_pre", "Tm", lanes_pre, FV_HOOK_LIES, NULL},
    {"mlp.hook_pre_linear", "Tm", lanes_linear, FV_HOOK_LIES, is_gated},
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
            .help = "linear maps with an activation between, d_mlp wide, position by position",
            .example = "model: {layers: [attention, mlp], residual: true, n_embd: 8, d_mlp: 32}",
            .reads = {FV_READS(model.residual), FV_READS(model.bias), FV_READS(model.activation),
                      FV_READS(model.d_mlp)},
            .same = {{"model.d_mlp", settle_d_mlp,
                      "0 is four times model.n_embd, 8/3 times with a gate", NULL}},
        },
    .hooks = hooks,
};
