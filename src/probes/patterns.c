// The readings of attention patterns: of test sequences, and of sequences in which tokens repeat.
#include "model/layers.h"
#include "probes/head_scores.h"
#include "probes/tensors.h"

#include <fovea/task.h>
#include <stdlib.h>

enum {
    MAX_SEQUENCES = 256,
    MAX_PATTERN_FLOATS = 1 << 20, // workspace; long contexts get fewer sequences
    SHORTEST_REPETITION = 4,
};

static fv_status plan_patterns(const fv_model *model, probe_reads *reads, fv_error *error) {
    (void)error;
    size_t context = (size_t)model->config.task.context_length;
    size_t pattern =
        (size_t)model->n_attention * (size_t)model->config.model.n_head * context * context;
    size_t affordable = MAX_PATTERN_FLOATS / (pattern + 1);
    *reads = (probe_reads){.rows = FV_KEEP_ALL_POSITIONS, .names = "blocks.*.attn.hook_pattern"};
    reads->n = affordable < 1 ? 1 : affordable > MAX_SEQUENCES ? MAX_SEQUENCES : (int)affordable;
    reads->sequences = model->n_attention > 0 ? FV_SEQUENCES_TEST : FV_SEQUENCES_NONE;
    return FV_OK;
}

static bool occurred_before(const int32_t *tokens, int query) {
    for (int t = 0; t < query; t++)
        if (tokens[t] == tokens[query]) return true;
    return false;
}

// Whether each of n sequences asks, at a position of the loss, for a token that occurred before.
static bool all_repeat(const fv_model *model, const int32_t *tokens, int n) {
    int n_queries;
    const int *queries = fv_model_loss_positions(model, &n_queries);
    for (int s = 0; s < n; s++, tokens += model->config.task.context_length) {
        bool found = false;
        for (int i = 0; i < n_queries && !found; i++) found = occurred_before(tokens, queries[i]);
        if (!found) return false;
    }
    return true;
}

static fv_status plan_prefix(const fv_model *model, probe_reads *reads, fv_error *error) {
    fv_status status = plan_patterns(model, reads, error);
    if (status != FV_OK || reads->sequences == FV_SEQUENCES_NONE) return status;
    int T = model->config.task.context_length, n_loss;
    fv_model_loss_positions(model, &n_loss);
    int32_t *tokens = calloc((size_t)reads->n, (size_t)T * sizeof *tokens);
    int32_t *targets = calloc((size_t)reads->n, (size_t)n_loss * sizeof *targets);
    uint64_t seed = fv_task_seed(&model->config);
    if (tokens == NULL || targets == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", reads->n);
    else
        status = fv_model_test_sequences(model, seed, 0, reads->n, tokens, targets, error);
    if (status == FV_OK && !all_repeat(model, tokens, reads->n))
        reads->sequences = T < SHORTEST_REPETITION ? FV_SEQUENCES_NONE : FV_SEQUENCES_REPEATED;
    free(tokens);
    free(targets);
    return status;
}

static void free_batch(void *state) {
    head_batch *b = state;
    free(b->patterns);
    free(b->asked);
    free(b->keys);
    free(b->sums);
    free(b->counts);
    free(b);
}

static void mark_asked(const fv_model *model, head_batch *b) {
    for (int i = 0; i < model->n_layers; i++) {
        const model_layer *layer = &model->layers[i];
        if (layer->type != &layer_attention) continue;
        for (int q = 0; q < layer->out.n; q++)
            b->asked[layer->index * b->context + layer->out.at[q]] = true;
    }
}

static fv_status create_batch(const fv_model *model, const probe_reads *reads, void **state,
                              fv_error *error) {
    head_batch *b = calloc(1, sizeof *b);
    if (b == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for attention patterns");
    *state = b;
    b->n = reads->n;
    b->sequences = reads->sequences;
    b->context = model->config.task.context_length;
    b->n_layers = model->n_attention;
    b->n_head = model->config.model.n_head;
    size_t T = (size_t)b->context, n_maps = (size_t)b->n_layers * (size_t)b->n_head;
    b->patterns = calloc((size_t)b->n_layers, sizeof *b->patterns);
    b->asked = calloc((size_t)b->n_layers, T * sizeof *b->asked);
    b->keys = calloc(T, sizeof *b->keys);
    b->sums = calloc(n_maps, sizeof *b->sums);
    b->counts = calloc(n_maps, sizeof *b->counts);
    if (!b->patterns || !b->asked || !b->keys || !b->sums || !b->counts)
        return fv_fail(error, FV_NO_MEMORY, "no memory for attention patterns");
    mark_asked(model, b);
    return FV_OK;
}

// All sequences come at once, and what else the pass keeps stands between the patterns.
static void take_patterns(void *state, const probe_piece *piece) {
    head_batch *b = state;
    b->tokens = piece->tokens;
    for (int i = 0, layer = 0; i < fv_activations_n(piece->activations); i++)
        if (probe_ends_with(fv_activations_kept(piece->activations, i)->name, ".attn.hook_pattern"))
            b->patterns[layer++] = fv_activations_at(piece->activations, i);
}

const fv_reading reading_patterns = {plan_patterns, create_batch, free_batch, NULL, take_patterns};
const fv_reading reading_prefix = {plan_prefix, create_batch, free_batch, NULL, take_patterns};
