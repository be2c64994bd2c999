// Token embedding plus positions.
#include "model/layers.h"

#include <math.h>
#include <stdlib.h>

enum param { W_E, W_POS };

// The sinusoids of Vaswani et al. (2017): sin at even features, cos at odd ones.
static fv_status make_sinusoids(fv_model *model) {
    int n = model->n_positions, d = model->config.model.n_embd;
    model->sinusoids = malloc((size_t)n * (size_t)d * sizeof *model->sinusoids);
    if (model->sinusoids == NULL) return FV_NO_MEMORY;
    for (int t = 0; t < n; t++)
        for (int f = 0; f < d; f++) {
            double angle = t * pow(10000, -(double)(f / 2 * 2) / d);
            model->sinusoids[t * d + f] = (real)(f % 2 == 0 ? sin(angle) : cos(angle));
        }
    return FV_OK;
}

static fv_status plan(fv_model *model, fv_layer *layer) {
    int d = model->config.model.n_embd;
    layer->param[W_E] =
        fv_model_add(model, FV_INIT_EMBEDDING, model->config.task.vocab_size, d, d, "embed.W_E");
    if (model->config.model.positions == FV_POSITIONS_LEARNED)
        layer->param[W_POS] =
            fv_model_add(model, FV_INIT_EMBEDDING, model->n_positions, d, d, "pos_embed.W_pos");
    layer->y = fv_model_reserve(model, layer->out.n, d);
    if (model->config.model.positions == FV_POSITIONS_SINUSOIDAL && model->sinusoids == NULL)
        return make_sinusoids(model);
    return FV_OK;
}

static fv_embed kernel_arguments(const fv_layer *layer, const fv_tile *tile, real *x) {
    const fv_config *config = &layer->model->config;
    int first = layer->out.at[0], d = config->model.n_embd;
    const real *positions = NULL;
    if (config->model.positions == FV_POSITIONS_LEARNED)
        positions = tile->params + layer->param[W_POS];
    if (config->model.positions == FV_POSITIONS_SINUSOIDAL) positions = layer->model->sinusoids;
    return (fv_embed){.n_groups = tile->n_groups,
                      .n_rows = layer->out.n,
                      .n_embd = d,
                      .vocab_size = config->task.vocab_size,
                      .tokens =
                          (const int32_t *)fv_arena_at(tile->workspace, layer->model->tokens) +
                          first * FV_LANES,
                      .tokens_group_stride = (ptrdiff_t)config->task.context_length * FV_LANES,
                      .table = tile->params + layer->param[W_E],
                      .positions = positions ? positions + (size_t)first * d : NULL,
                      .x = x};
}

static void forward(const fv_layer *layer, const fv_tile *tile) {
    fv_embed arguments = kernel_arguments(layer, tile, fv_tile_buffer(tile, layer->y));
    tile->kernels->embed(&arguments);
}

static void backward(const fv_layer *layer, const fv_tile *tile) {
    const fv_config *config = &layer->model->config;
    fv_embed_gradient arguments = {
        .forward = kernel_arguments(layer, tile, fv_tile_buffer(tile, layer->dy)),
        .dtable = tile->gradient + layer->param[W_E]};
    if (config->model.positions == FV_POSITIONS_LEARNED)
        arguments.dpositions =
            tile->gradient + layer->param[W_POS] + (size_t)layer->out.at[0] * config->model.n_embd;
    tile->kernels->embed_gradient(&arguments);
}

static void cost(const fv_layer *layer, double *textbook, double *executed, double *exps) {
    (void)layer;
    *textbook = *executed = *exps = 0; // moves data only
}

const fv_layer_type fv_layer_embedding = {"embedding", false, plan, forward, backward, cost};
