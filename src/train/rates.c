#include "train/rates.h"

#include "config/as_written.h"
#include "config/stages.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
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
    if (strcmp(name, "embed.W_E") == 0 || strcmp(name, "embed.b_E") == 0)
        return learned ? config->train.embedding_rate : 0;
    if (strcmp(name, "pos_embed.W_pos") == 0) return config->train.embedding_rate;
    if (strcmp(name, "unembed.W_U") == 0 || strcmp(name, "unembed.b_U") == 0)
        return config->train.unembedding_rate;
    return config->train.layer_rate;
}

bool rates_frozen(const fv_config *config, const char *tensor) {
    char pattern[128];
    double none;
    for (int i = 0; written_pattern(config->train.freeze.value, i, pattern, &none); i++)
        if (pattern_fits(pattern, tensor)) return true;
    return false;
}

static double pattern_rate(const fv_config *config, const char *tensor) {
    char pattern[128];
    double factor, rate = rates_frozen(config, tensor) ? 0 : 1;
    for (int i = 0; written_pattern(config->train.rates.value, i, pattern, &factor); i++)
        if (pattern_fits(pattern, tensor)) rate *= factor;
    return rate;
}

bool rates_fill(const fv_model *model, const task_weights *tokens, real *scale) {
    const fv_config *config = &model->config;
    bool differs = false;
    for (int i = 0; i < model->n_tensors; i++) {
        const fv_tensor *tensor = &model->tensors[i];
        double rate = group_rate(config, tensor->name) * pattern_rate(config, tensor->name);
        size_t width = (size_t)config->model.n_embd;
        bool by_token =
            model->data.n_inputs == 0 && strcmp(tensor->name, "embed.W_E") == 0 && tokens->n > 0;
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

// --- patterns that fit nothing ----------------------------------------------------------------------

static void list_tensors(const fv_model *model, char *text, size_t size) {
    size_t used = 0;
    for (int i = 0; i < model->n_tensors && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 model->tensors[i].name);
}

static fv_status check_patterns(const fv_model *model, const char *key, const char *written,
                                fv_error *error) {
    char pattern[128], names[400];
    double factor;
    for (int i = 0; written_pattern(written, i, pattern, &factor); i++) {
        bool fits = false;
        for (int k = 0; k < model->n_tensors && !fits; k++)
            fits = pattern_fits(pattern, model->tensors[k].name);
        if (fits) continue;
        list_tensors(model, names, sizeof names);
        return fv_fail(error, FV_USAGE, "%s: no tensor of this model is named %s; it has %s", key,
                       pattern, names);
    }
    return FV_OK;
}

// Of one stage, whose model is that of the whole run.
static fv_status check_here(const fv_config *here, const fv_model *model, const fv_field **culprit,
                            fv_error *error) {
    static const char *const KEYS[] = {"train.freeze", "train.rates"};
    const char *const written[] = {here->train.freeze.value, here->train.rates.value};
    for (int i = 0; i < 2; i++) {
        fv_status status = check_patterns(model, KEYS[i], written[i], error);
        if (status != FV_OK) *culprit = fv_field_find(KEYS[i]);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

fv_status rates_check(const fv_config *config, const fv_model *model, const fv_field **culprit,
                      fv_error *error) {
    bool any = strlen(config->train.freeze.value) > 2 || strlen(config->train.rates.value) > 2;
    if (!any && !stages_any(config)) return FV_OK;
    fv_model *made = NULL;
    fv_status status = model != NULL ? FV_OK : fv_model_create(config, &made, error);
    fv_config here;
    stage_now now = {0};
    for (int step = 0; status == FV_OK && step < INT_MAX; step = now.next) {
        status = stages_at(config, step, &here, &now, error);
        if (status == FV_OK)
            status = check_here(&here, model != NULL ? model : made, culprit, error);
    }
    fv_model_free(made);
    return status;
}
