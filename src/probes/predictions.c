#include "probes/predictions.h"

#include <stdlib.h>

enum { MOST_SEQUENCES = 256, LEAST_SEQUENCES = 16, MOST_LOGITS = 1 << 23 }; // of one forward pass

typedef struct workspace {
    int n, n_loss, n_vocab;
    int32_t *tokens, *targets; // [n][T], [n][n_loss]
    float *logits;             // [n][n_loss][n_vocab]
} workspace;

static fv_status workspace_create(workspace *w, const fv_model *model, fv_error *error) {
    const fv_task_config *task = &fv_model_config_of(model)->task;
    *w = (workspace){.n_vocab = task->vocab_size};
    fv_model_loss_positions(model, &w->n_loss);
    size_t n_logits = (size_t)w->n_loss * (size_t)w->n_vocab, affordable = MOST_LOGITS / n_logits;
    w->n = affordable > MOST_SEQUENCES    ? MOST_SEQUENCES
           : affordable < LEAST_SEQUENCES ? LEAST_SEQUENCES
                                          : (int)affordable;
    size_t n = (size_t)w->n;
    w->tokens = calloc(n, (size_t)task->context_length * sizeof *w->tokens);
    w->targets = calloc(n, (size_t)w->n_loss * sizeof *w->targets);
    w->logits = calloc(n, n_logits * sizeof *w->logits);
    if (w->tokens && w->targets && w->logits) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the predictions of %d sequences", w->n);
}

static void workspace_free(workspace *w) {
    free(w->tokens);
    free(w->targets);
    free(w->logits);
}

fv_status fv_predictions_each(const fv_model *model, const float *params, int n,
                              fv_prediction_visit visit, void *context, fv_error *error) {
    workspace w;
    uint64_t seed = (uint64_t)fv_model_config_of(model)->train.seed;
    fv_status status = workspace_create(&w, model, error);
    for (int first = 0; first < n && status == FV_OK; first += w.n) {
        int some = n - first < w.n ? n - first : w.n;
        status = fv_model_test_data(model, seed, (uint64_t)first, some, w.tokens, w.targets);
        if (status != FV_OK) status = fv_fail(error, status, "no memory for %d sequences", some);
        if (status == FV_OK)
            status = fv_model_logits(model, params, w.tokens, some, w.logits, error);
        for (int i = 0; i < some * w.n_loss && status == FV_OK; i++)
            if (w.targets[i] >= 0)
                visit(context, i % w.n_loss, w.targets[i], w.logits + (size_t)i * w.n_vocab);
    }
    workspace_free(&w);
    return status;
}
