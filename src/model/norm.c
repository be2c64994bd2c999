// Layer norm (Ba et al., 2016) and RMS norm (Zhang & Sennrich, 2019), in front of other layers or
// as layers of their own.
#include "model/hooks.h"

#include <stdio.h>
#include <string.h>

void norm_plan(fv_model *model, norm_part *norm, int kind, int rows, const char *name) {
    bool here = norms_in_front(&model->config.model);
    norm_plan_always(model, norm, here ? kind : FV_NORM_NONE, rows, name);
}

void norm_plan_always(fv_model *model, norm_part *norm, int kind, int rows, const char *name) {
    norm_plan_width(model, norm, kind, rows, model->config.model.n_embd, name);
}

void norm_plan_width(fv_model *model, norm_part *norm, int kind, int rows, int d,
                     const char *name) {
    *norm =
        (norm_part){.present = kind != FV_NORM_NONE, .center = kind == FV_NORM_LAYER, .width = d};
    snprintf(norm->name, sizeof norm->name, "%.31s", name);
    if (!norm->present) return;
    norm->w = model_add(model, FV_INIT_ONE, d, 0, d, "%s.w", name);
    if (norm->center) norm->b = model_add(model, FV_INIT_ZERO, d, 0, d, "%s.b", name);
    norm->y = model_reserve(model, rows, d);
    norm->mean = model_reserve(model, rows, 1);
    norm->rstd = model_reserve(model, rows, 1);
}

static kernel_norm kernel_arguments(const norm_part *norm, const model_tile *tile, int rows,
                                    real *x) {
    int d = norm->width;
    return (kernel_norm){.n_rows = tile->n_groups * rows,
                         .n_features = d,
                         .center = norm->center,
                         .w = tile->params + norm->w,
                         .b = norm->center ? tile->params + norm->b : NULL,
                         .x = rows_dense(x, d),
                         .y = rows_dense(tile_buffer(tile, norm->y), d),
                         .mean = tile_buffer(tile, norm->mean),
                         .rstd = tile_buffer(tile, norm->rstd)};
}

real *norm_forward(const norm_part *norm, const model_tile *tile, int rows, real *x) {
    if (!norm->present) return x;
    kernel_norm arguments = kernel_arguments(norm, tile, rows, x);
    tile->kernels->norm(&arguments);
    return arguments.y.data;
}

void norm_backward(const norm_part *norm, const model_tile *tile, int rows, real *x, real *dy,
                   real *dx) {
    if (!norm->present) return;
    int d = norm->width;
    tile->kernels->norm_gradient(
        &(kernel_norm_gradient){.forward = kernel_arguments(norm, tile, rows, x),
                                .dy = rows_dense(dy, d),
                                .dx = rows_dense(dx, d),
                                .dw = tile->gradient + norm->w,
                                .db = norm->center ? tile->gradient + norm->b : NULL});
}

// --- behind layers ------------------------------------------------------------------------------

void norm_behind_plan(fv_model *model, model_layer *layer) {
    const fv_model_config *config = &model->config.model;
    norm_behind *behind = &layer->behind;
    *behind = (norm_behind){0};
    if (!norms_behind(config) || layer->type->is_norm || *layer->norm.name == '\0') return;
    char name[48];
    snprintf(name, sizeof name, "%s_post", layer->norm.name);
    behind->skips = config->residual && norms_outputs(config);
    norm_plan_always(model, &behind->norm, config->norm, layer->out.n, name);
    behind->dy = model_reserve(model, layer->out.n, config->n_embd);
    if (!behind->skips) return;
    behind->y = model_reserve(model, layer->out.n, config->n_embd);
    behind->inputs = model_reserve(model, layer->out.n, config->n_embd);
}

static size_t numbers_behind(const model_layer *layer, const model_tile *tile) {
    return (size_t)tile->n_groups * (size_t)layer->out.n *
           (size_t)layer->model->config.model.n_embd * FV_LANES;
}

void norm_behind_forward(const model_layer *layer, const model_tile *tile) {
    const norm_behind *behind = &layer->behind;
    if (!behind->norm.present) return;
    const real *normed =
        norm_forward(&behind->norm, tile, layer->out.n, tile_buffer(tile, layer->y));
    if (!behind->skips) return;
    const real *x = rows_of_output(layer, tile, tile_buffer(tile, layer->x),
                                   tile_buffer(tile, behind->inputs), true)
                        .data;
    real *y = tile_buffer(tile, behind->y);
    for (size_t i = 0; i < numbers_behind(layer, tile); i++) y[i] = x[i] + normed[i];
}

void norm_behind_backward(const model_layer *layer, const model_tile *tile) {
    const norm_behind *behind = &layer->behind;
    if (!behind->norm.present) return;
    real *dy = tile_buffer(tile, layer->dy), *kept = tile_buffer(tile, behind->dy);
    memcpy(kept, dy, numbers_behind(layer, tile) * sizeof *kept);
    norm_backward(&behind->norm, tile, layer->out.n, tile_buffer(tile, layer->y), kept, dy);
}

void norm_behind_skip(const model_layer *layer, const model_tile *tile) {
    const norm_behind *behind = &layer->behind;
    if (!behind->norm.present || !behind->skips) return;
    kernel_rows dy = rows_dense(tile_buffer(tile, behind->dy), layer->model->config.model.n_embd);
    rows_add(layer, tile, dy, tile_buffer(tile, layer->dx));
}

// --- what is seen -------------------------------------------------------------------------------

bool norm_exists(const model_layer *layer) {
    return layer->norm.present;
}

// TransformerLens's scale is what a row is divided by.
model_lanes norm_scale(const model_layer *layer, const model_tile *tile, real *scratch) {
    const real *rstd = tile_buffer(tile, layer->norm.rstd);
    size_t n = (size_t)tile->n_groups * (size_t)layer->out.n * FV_LANES;
    for (size_t i = 0; i < n; i++) scratch[i] = 1 / rstd[i];
    return lanes_dense(scratch, layer->out.n, 1);
}

// Its normalised rows are those that a layer norm hands on, and those of an RMS norm before they
// are multiplied by the weight.
model_lanes norm_normalized(const model_layer *layer, const model_tile *tile, real *scratch) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    if (layer->norm.center) return lanes_dense(tile_buffer(tile, layer->norm.y), layer->out.n, d);
    const real *rstd = tile_buffer(tile, layer->norm.rstd);
    kernel_rows x = rows_of_output(layer, tile, tile_buffer(tile, layer->x), scratch, true);
    for (int r = 0; r < n; r++)
        for (int i = 0; i < d * FV_LANES; i++)
            scratch[(ptrdiff_t)r * d * FV_LANES + i] =
                x.data[r * x.stride + i] * rstd[r * FV_LANES + i % FV_LANES];
    return lanes_dense(scratch, layer->out.n, d);
}

static const layer_hook hooks[] = {FV_NORM_HOOKS(""), {0}};

static fv_status plan(fv_model *model, model_layer *layer, int kind) {
    char name[32];
    snprintf(name, sizeof name, "norms.%d", layer->index);
    norm_plan_always(model, &layer->norm, kind, layer->in.n, name);
    layer->y = layer->norm.y;
    return FV_OK;
}

static fv_status plan_layer_norm(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    return plan(model, layer, FV_NORM_LAYER);
}

static fv_status plan_rms_norm(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    return plan(model, layer, FV_NORM_RMS);
}

static void forward(const model_layer *layer, const model_tile *tile) {
    norm_forward(&layer->norm, tile, layer->in.n, tile_buffer(tile, layer->x));
}

static void backward(const model_layer *layer, const model_tile *tile) {
    norm_backward(&layer->norm, tile, layer->in.n, tile_buffer(tile, layer->x),
                  tile_buffer(tile, layer->dy), tile_buffer(tile, layer->dx));
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    *textbook = *executed = 3.0 * layer->in.n * layer->model->config.model.n_embd;
    *exps = 0;
}

const layer_type layer_layer_norm = {
    .is_norm = true,
    .plan = plan_layer_norm,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {
            .help = "subtracts the mean of a position's features, divides by their deviation, "
                    "scales and shifts",
            .example = "model: {layers: [layer_norm, attention], n_embd: 8}",
        },
    .hooks = hooks,
};
const layer_type layer_rms_norm = {
    .is_norm = true,
    .plan = plan_rms_norm,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {
            .help = "divides a position's features by their root mean square and scales them",
            .example = "model: {layers: [rms_norm, attention], n_embd: 8}",
        },
    .hooks = hooks,
};
