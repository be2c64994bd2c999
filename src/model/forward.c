// The public forward passes: logits, attention patterns, test data.
#include "model/layers.h"

#include <fovea/activation_cache.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

fv_status fv_model_logits(const fv_model *model, const float *params, const int32_t *tokens, int n,
                          float *logits, fv_error *error) {
    static const char *const names[] = {"logits"};
    size_t n_tokens = (size_t)model->data.n_in;
    int at_once = model->group_capacity * L < n ? model->group_capacity * L : n;
    fv_activations *seen;
    fv_status status =
        fv_activations_create(model, names, 1, FV_KEEP_LOSS_POSITIONS, at_once, &seen, error);
    if (status != FV_OK) return status;
    size_t size = fv_activations_kept(seen, 0)->size;
    for (int first = 0; first < n; first += at_once) {
        int some = n - first < at_once ? n - first : at_once;
        fv_activations_fill(seen, params, tokens + (size_t)first * n_tokens, some);
        memcpy(logits + (size_t)first * size, fv_activations_at(seen, 0),
               (size_t)some * size * sizeof *logits);
    }
    fv_activations_free(seen);
    return FV_OK;
}

fv_status fv_model_patterns(const fv_model *model, const float *params, const int32_t *tokens,
                            int n, float *patterns, fv_error *error) {
    static const char *const names[] = {"blocks.*.attn.hook_pattern"};
    if (model->n_attention == 0) return FV_OK;
    size_t n_tokens = (size_t)model->data.n_in;
    fv_activations *seen;
    int at_once = n < L ? n : L;
    fv_status status =
        fv_activations_create(model, names, 1, FV_KEEP_ALL_POSITIONS, at_once, &seen, error);
    if (status != FV_OK) return status;
    size_t size = fv_activations_kept(seen, 0)->size;
    for (int first = 0; first < n; first += at_once) {
        int some = n - first < at_once ? n - first : at_once;
        fv_activations_fill(seen, params, tokens + (size_t)first * n_tokens, some);
        for (int s = 0; s < some; s++)
            for (int i = 0; i < model->n_attention; i++, patterns += size)
                memcpy(patterns, fv_activations_at(seen, i) + (size_t)s * size,
                       size * sizeof *patterns);
    }
    fv_activations_free(seen);
    return FV_OK;
}

// What the calling program or a file has, in rows.
static fv_status foreign_test_data(const fv_model *model, uint64_t seed, uint64_t first, int n,
                                   int32_t *tokens, int32_t *targets, fv_error *error) {
    size_t n_tokens = (size_t)model->data.n_in;
    size_t n_loss = (size_t)model->data.n_out;
    int32_t *rows = malloc((size_t)n * (n_tokens + n_loss) * sizeof *rows);
    if (rows == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", n);
    const fv_task_config *task = &model->config.task;
    fv_status status =
        task->name == FV_TASK_FILE
            ? file_test_rows(task, first, n, rows, error)
            : custom_draw(task, seed, FV_STREAM_TEST, model->data.n_loss, first, n, rows, error);
    for (size_t i = 0; status == FV_OK && i < (size_t)n; i++) {
        const int32_t *row = rows + i * (n_tokens + n_loss);
        memcpy(tokens + i * n_tokens, row, n_tokens * sizeof *tokens);
        memcpy(targets + i * n_loss, row + n_tokens, n_loss * sizeof *targets);
    }
    free(rows);
    return status;
}

fv_status fv_model_test_data(const fv_model *model, uint64_t seed, uint64_t first, int n,
                             int32_t *tokens, int32_t *targets) {
    return fv_model_test_sequences(model, seed, first, n, tokens, targets, NULL);
}

fv_status fv_model_test_sequences(const fv_model *model, uint64_t seed, uint64_t first, int n,
                                  int32_t *tokens, int32_t *targets, fv_error *error) {
    if (model->data.n_inputs > 0 || model->data.n_outputs > 0)
        return fv_fail(error, FV_USAGE,
                       "task.name %s has reals, and test sequences are handed out as tokens",
                       fv_field_find("task.name")->choices[model->config.task.name]);
    if (model->data.task->foreign)
        return foreign_test_data(model, seed, first, n, tokens, targets, error);
    size_t n_tokens = (size_t)model->data.n_in;
    size_t n_loss = (size_t)model->data.n_out;
    int32_t *lanes = aligned_alloc(FV_ALIGNMENT, (n_tokens + n_loss) * L * sizeof *lanes);
    if (lanes == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", n);
    task_data data = model->data;
    data.seed = seed;
    int first_group = (int)(first / L), end = (int)((first + (uint64_t)n + L - 1) / L);
    for (int g = first_group; g < end; g++) {
        data_batch(&data, FV_STREAM_TEST, 0, g, 1, INT32_MAX, lanes, lanes + n_tokens * L);
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
