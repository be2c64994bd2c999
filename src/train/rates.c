#include "train/rates.h"

#include <math.h>
#include <string.h>

// Tokens that never occur have rates beyond all numbers, and infinity times their gradient, 0, is
// no number. Times the largest learning rate this one is still finite.
static const double HIGHEST_FACTOR = 1e20;

// The factor of a token's row: its frequency over the mean one, to token_rate_power.
static double token_rate(const fv_config *config, const task_weights *tokens, int token) {
    double frequency = weights_share(tokens, token) * tokens->n;
    return fmin(pow(frequency, config->train.token_rate_power), HIGHEST_FACTOR);
}

// The factor of a tensor's group.
static double group_rate(const fv_config *config, const char *name) {
    bool learned = config->model.embedding == FV_EMBEDDING_LEARNED ||
                   config->model.embedding == FV_EMBEDDING_NOISY;
    if (strcmp(name, "embed.W_E") == 0) return learned ? config->train.embedding_rate : 0;
    if (strcmp(name, "pos_embed.W_pos") == 0) return config->train.embedding_rate;
    if (strcmp(name, "unembed.W_U") == 0) return config->train.unembedding_rate;
    return config->train.layer_rate;
}

bool rates_fill(const fv_model *model, const task_weights *tokens, real *scale) {
    const fv_config *config = &model->config;
    bool differs = false;
    for (int i = 0; i < model->n_tensors; i++) {
        const fv_tensor *tensor = &model->tensors[i];
        double rate = group_rate(config, tensor->name);
        size_t width = (size_t)config->model.n_embd;
        bool by_token = strcmp(tensor->name, "embed.W_E") == 0 && tokens->n > 0;
        for (size_t k = 0; k < tensor->size; k++) {
            double factor = param_is_learned(&model->params[i], k) ? rate : 0;
            if (by_token && (int)(k / width) < tokens->n)
                factor *= token_rate(config, tokens, (int)(k / width));
            scale[tensor->offset + k] = (real)factor;
            if ((real)factor != 1) differs = true;
        }
    }
    return differs;
}
