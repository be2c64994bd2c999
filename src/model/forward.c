// The public forward passes: logits, attention patterns, test data.
#include "model/layers.h"

#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

// A workspace for forward passes over many sequences, a tile at a time.
typedef struct forward_pass {
    fv_arena workspace;
    real *params; // in the lab's number type
    fv_tile tile;
} forward_pass;

static void pass_end(forward_pass *pass) {
    fv_arena_free(&pass->workspace);
    free(pass->params);
}

static fv_status pass_begin(const fv_model *model, const float *params, forward_pass *pass,
                            fv_error *error) {
    *pass = (forward_pass){.workspace = model->plan};
    pass->params = malloc(model->n_params * sizeof *pass->params);
    fv_status status = pass->params ? fv_arena_allocate(&pass->workspace, error)
                                    : fv_fail(error, FV_NO_MEMORY, "out of memory for parameters");
    if (status != FV_OK) {
        pass_end(pass);
        return status;
    }
    for (size_t i = 0; i < model->n_params; i++) pass->params[i] = params[i];
    pass->tile = (fv_tile){.model = model,
                           .kernels = fv_kernels_get(),
                           .workspace = &pass->workspace,
                           .params = pass->params};
    return FV_OK;
}

// Puts sequences first .. of tokens [n][T] into the tile's lanes; the last lanes may repeat the
// last sequence. Then runs every layer but the head.
static void pass_run(forward_pass *pass, const int32_t *tokens, int first, int n) {
    const fv_model *model = pass->tile.model;
    int n_tokens = model->config.task.context_length, left = n - first;
    int groups = (left + L - 1) / L;
    pass->tile.n_groups = groups < model->group_capacity ? groups : model->group_capacity;
    int32_t *lanes = fv_arena_at(&pass->workspace, model->tokens);
    for (int g = 0; g < pass->tile.n_groups; g++)
        for (int l = 0; l < L; l++) {
            int sample = first + g * L + l < n ? first + g * L + l : n - 1;
            for (int t = 0; t < n_tokens; t++)
                lanes[(g * n_tokens + t) * L + l] = tokens[(size_t)sample * (size_t)n_tokens + t];
        }
    for (int i = 0; i < model->n_layers - 1; i++)
        model->layers[i].type->forward(&model->layers[i], &pass->tile);
}

fv_status fv_model_logits(const fv_model *model, const float *params, const int32_t *tokens, int n,
                          float *logits, fv_error *error) {
    forward_pass pass;
    fv_status status = pass_begin(model, params, &pass, error);
    if (status != FV_OK) return status;
    size_t n_rows = (size_t)model->layers[model->n_layers - 1].out.n;
    size_t n_vocab = (size_t)model->config.task.vocab_size;
    real *lanes = aligned_alloc(FV_ALIGNMENT, (size_t)model->group_capacity * n_rows * n_vocab * L *
                                                  sizeof *lanes);
    if (lanes == NULL) {
        pass_end(&pass);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for logits");
    }
    for (int first = 0; first < n; first += model->group_capacity * L) {
        pass_run(&pass, tokens, first, n);
        fv_head_logits(&model->layers[model->n_layers - 1], &pass.tile, lanes);
        for (int s = 0; s < pass.tile.n_groups * L && first + s < n; s++)
            for (size_t i = 0; i < n_rows * n_vocab; i++)
                logits[(size_t)(first + s) * n_rows * n_vocab + i] =
                    (float)lanes[((size_t)(s / L) * n_rows * n_vocab + i) * L + (size_t)(s % L)];
    }
    free(lanes);
    pass_end(&pass);
    return FV_OK;
}

// Copies a tile's probabilities of sequence s out into patterns [n_attention][H][T][T].
static void copy_patterns(const fv_tile *tile, int s, float *patterns) {
    const fv_model *model = tile->model;
    int n = model->config.task.context_length, n_head = model->config.model.n_head;
    for (int i = 0; i < model->n_layers; i++) {
        const fv_layer *layer = &model->layers[i];
        if (layer->type != &fv_layer_attention) continue;
        for (int h = 0; h < n_head; h++)
            for (int t = 0; t < layer->out.n; t++) {
                const real *row = fv_attention_row(layer, tile, s / L, h, t);
                float *to = patterns + (((size_t)layer->index * n_head + h) * n + t) * (size_t)n;
                for (int j = 0; j < layer->n_keys[t]; j++)
                    if (fv_attention_sees(layer, t, j)) to[j] = (float)row[j * L + s % L];
            }
    }
}

fv_status fv_model_patterns(const fv_model *model, const float *params, const int32_t *tokens,
                            int n, float *patterns, fv_error *error) {
    int n_tokens = model->config.task.context_length;
    fv_positions all = {n_tokens, malloc((size_t)n_tokens * sizeof *all.at)};
    if (all.at == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention patterns");
    for (int t = 0; t < n_tokens; t++) all.at[t] = t;
    fv_model *whole = NULL;
    forward_pass pass;
    fv_status status =
        fv_model_plan_patterns(&model->config, model->n_positions, &all, 1, &whole, error);
    free(all.at);
    if (status == FV_OK) status = pass_begin(whole, params, &pass, error);
    if (status == FV_OK) {
        size_t size = (size_t)model->n_attention * (size_t)model->config.model.n_head *
                      (size_t)n_tokens * (size_t)n_tokens;
        memset(patterns, 0, (size_t)n * size * sizeof *patterns);
        for (int first = 0; first < n; first += L) {
            pass_run(&pass, tokens, first, n);
            for (int s = 0; s < L && first + s < n; s++)
                copy_patterns(&pass.tile, s, patterns + (size_t)(first + s) * size);
        }
        pass_end(&pass);
    }
    fv_model_free(whole);
    return status;
}

fv_status fv_model_test_data(const fv_model *model, uint64_t seed, uint64_t first, int n,
                             int32_t *tokens, int32_t *targets) {
    size_t n_tokens = (size_t)model->config.task.context_length;
    size_t n_loss = (size_t)model->data.n_loss;
    int32_t *lanes = aligned_alloc(FV_ALIGNMENT, (n_tokens + n_loss) * L * sizeof *lanes);
    if (lanes == NULL) return FV_NO_MEMORY;
    fv_data data = model->data;
    data.seed = seed;
    int first_group = (int)(first / L), end = (int)((first + (uint64_t)n + L - 1) / L);
    for (int g = first_group; g < end; g++) {
        fv_data_batch(&data, FV_STREAM_TEST, 0, g, 1, INT32_MAX, lanes, lanes + n_tokens * L);
        for (size_t l = 0; l < L; l++) {
            int64_t row = (int64_t)g * L + (int64_t)l - (int64_t)first;
            if (row < 0 || row >= n) continue;
            for (size_t t = 0; t < n_tokens; t++)
                tokens[(size_t)row * n_tokens + t] = lanes[t * L + l];
            for (size_t t = 0; t < n_loss; t++)
                targets[(size_t)row * n_loss + t] = lanes[(n_tokens + t) * L + l];
        }
    }
    free(lanes);
    return FV_OK;
}
