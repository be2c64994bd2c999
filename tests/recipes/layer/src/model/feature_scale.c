// y = w * x: a learned factor for each feature of the stream, position by position.
#include "model/layers.h"

enum { W };

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    int d = model->config.model.n_embd;
    layer->param[W] =
        model_add(model, FV_INIT_ONE, d, 0, d, "blocks.%d.feature_scale.w", layer->index);
    layer->y = model_reserve(model, layer->out.n, d);
    return FV_OK;
}

// What stands at a position is computed from that position alone: rows of x are those of y.
static void forward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    const real *x = tile_buffer(tile, layer->x), *w = tile->params + layer->param[W];
    real *y = tile_buffer(tile, layer->y), stream = layer->residual ? 1 : 0;
    for (int i = 0; i < n * d; i++)
        for (int l = 0; l < FV_LANES; l++)
            y[i * FV_LANES + l] = (stream + w[i % d]) * x[i * FV_LANES + l];
}

static void backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    const real *x = tile_buffer(tile, layer->x), *dy = tile_buffer(tile, layer->dy);
    const real *w = tile->params + layer->param[W];
    real *dx = tile_buffer(tile, layer->dx), *dw = tile->gradient + layer->param[W];
    real stream = layer->residual ? 1 : 0;
    for (int i = 0; i < n * d; i++)
        for (int l = 0; l < FV_LANES; l++) {
            int k = i * FV_LANES + l;
            dx[k] = (stream + w[i % d]) * dy[k];
            dw[i % d] += x[k] * dy[k];
        }
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    *textbook = *executed = (double)layer->out.n * layer->model->config.model.n_embd;
    *exps = 0;
}

const layer_type layer_feature_scale = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {
            .help = "a learned factor for each feature, position by position",
            .example = "model: {layers: [attention, feature_scale], n_embd: 4}",
            .reads = {FV_READS(model.residual)},
        },
};
