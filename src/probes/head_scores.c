#include "probes/head_scores.h"

#include "base/random.h"
#include "model/layers.h"
#include "probes/tensors.h"

#include <stdlib.h>

enum {
    MAX_SEQUENCES = 256,          // of the test batch
    MAX_PATTERN_FLOATS = 1 << 20, // workspace; long contexts get fewer sequences
};
// Random numbers of a step that no run reaches: the stream of test data counts samples alone.
static const uint32_t repeated_step = UINT32_MAX;

void fv_head_batch_free(fv_head_batch *b) {
    free(b->tokens);
    free(b->targets);
    free(b->patterns);
    *b = (fv_head_batch){0};
}

static fv_status allocate(const fv_model *model, fv_head_batch *b, fv_error *error) {
    const fv_config *config = fv_model_config_of(model);
    int n_loss;
    fv_model_loss_positions(model, &n_loss);
    *b = (fv_head_batch){.context = config->task.context_length,
                         .n_layers = fv_model_n_attention(model),
                         .n_head = config->model.n_head};
    size_t context = (size_t)b->context;
    size_t pattern = (size_t)b->n_layers * (size_t)b->n_head * context * context;
    size_t affordable = MAX_PATTERN_FLOATS / (pattern + 1);
    b->n = affordable < 1 ? 1 : affordable > MAX_SEQUENCES ? MAX_SEQUENCES : (int)affordable;
    b->tokens = calloc((size_t)b->n * context, sizeof *b->tokens);
    b->targets = calloc((size_t)b->n * (size_t)n_loss + 1, sizeof *b->targets);
    b->patterns = calloc(pattern + 1, (size_t)b->n * sizeof *b->patterns);
    if (b->tokens && b->targets && b->patterns) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the attention patterns of %d sequences",
                   b->n);
}

fv_status fv_head_batch_make(const fv_model *model, const float *params, fv_head_batch *b,
                             fv_error *error) {
    fv_status status = allocate(model, b, error);
    if (status != FV_OK) return status;
    uint64_t seed = (uint64_t)fv_model_config_of(model)->train.seed;
    if (fv_model_test_data(model, seed, 0, b->n, b->tokens, b->targets) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", b->n);
    return fv_model_patterns(model, params, b->tokens, b->n, b->patterns, error);
}

fv_status fv_head_batch_repeat(const fv_model *model, const float *params, fv_head_batch *b,
                               fv_error *error) {
    fv_status status = allocate(model, b, error);
    if (status != FV_OK) return status;
    const fv_config *config = fv_model_config_of(model);
    int period = b->context > 1 ? b->context / 2 : 1;
    for (int s = 0; s < b->n; s++) {
        int32_t *tokens = b->tokens + (size_t)s * (size_t)b->context;
        fv_random random;
        fv_random_init(&random, (uint64_t)config->train.seed, FV_STREAM_TEST, repeated_step,
                       (uint32_t)s);
        for (int t = 0; t < b->context; t++)
            tokens[t] = t < period
                            ? (int32_t)fv_random_below(&random, (uint32_t)config->task.vocab_size)
                            : tokens[t - period];
    }
    return fv_model_patterns(model, params, b->tokens, b->n, b->patterns, error);
}

void fv_head_name(char *name, size_t size, int n_head, int layer, int head) {
    if (n_head > 1)
        snprintf(name, size, "%d.h%d", layer, head);
    else
        snprintf(name, size, "%d", layer);
}

static const fv_layer *attention_layer(const fv_model *model, int index) {
    for (int i = 0; i < model->n_layers; i++)
        if (model->layers[i].type == &fv_layer_attention && model->layers[i].index == index)
            return &model->layers[i];
    return NULL;
}

// Adds the attention of one query to its matching keys; false where there is none.
static bool add_query(const int32_t *tokens, const float *row, int query, fv_head_rule rule,
                      double *sum) {
    bool matches = false;
    for (int key = 0; key <= query; key++) {
        if (!rule(tokens, query, key)) continue;
        matches = true;
        *sum += row[key];
    }
    return matches;
}

// The number of queries with a match; *score is their mean.
static long score_head(const fv_head_batch *b, const fv_positions *queries, int map,
                       fv_head_rule rule, double *score) {
    size_t T = (size_t)b->context, n_maps = (size_t)b->n_layers * (size_t)b->n_head;
    double sum = 0;
    long n = 0;
    for (int s = 0; s < b->n; s++)
        for (int i = 0; i < queries->n; i++) {
            size_t query = (size_t)queries->at[i];
            const float *row = b->patterns + (((size_t)s * n_maps + (size_t)map) * T + query) * T;
            n += add_query(b->tokens + (size_t)s * T, row, (int)query, rule, &sum);
        }
    *score = n > 0 ? sum / (double)n : 0;
    return n;
}

fv_status fv_head_scores_add(const fv_model *model, const fv_head_batch *b, const char *probe,
                             fv_head_rule rule, int step, fv_record *record, fv_error *error) {
    fv_status status = FV_OK;
    for (int map = 0; map < b->n_layers * b->n_head && status == FV_OK; map++) {
        int layer = map / b->n_head;
        double score;
        if (score_head(b, &attention_layer(model, layer)->out, map, rule, &score) == 0) continue;
        char name[32];
        fv_head_name(name, sizeof name, b->n_head, layer, map % b->n_head);
        status = fv_probe_add(record, probe, name, step, score, error);
    }
    return status;
}

fv_status fv_head_score(const fv_model *model, const float *params, const char *probe,
                        fv_head_rule rule, int step, fv_record *record, fv_error *error) {
    fv_head_batch b;
    fv_status status = fv_head_batch_make(model, params, &b, error);
    if (status == FV_OK) status = fv_head_scores_add(model, &b, probe, rule, step, record, error);
    fv_head_batch_free(&b);
    return status;
}
