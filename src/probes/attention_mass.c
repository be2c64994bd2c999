// Where attention goes, by distance: the mean over test sequences and over the positions that the
// loss reads, per attention layer and head. Series "attention_mass.0[2]" is the weight that layer 0
// puts on the token two back from the query, "attention_mass.0.rest" all that lies further back;
// with several heads "attention_mass.0.h1[2]". The kept offsets and the rest add up to 1.
#include "probes/probes.h"
#include "probes/tensors.h"

#include <stdlib.h>

enum {
    N_OFFSETS = 5,               // offsets with a series of their own
    MAX_SEQUENCES = 256,         // of the test batch
    MAX_PATTERN_FLOATS = 1 << 20 // workspace; long contexts get fewer sequences
};

typedef struct batch {
    int n, context; // sequences, T
    int n_maps;     // attention layers x heads
    int32_t *tokens, *targets;
    float *patterns; // [n][n_maps][T][T]
} batch;

static void batch_free(batch *b) {
    free(b->tokens);
    free(b->targets);
    free(b->patterns);
}

static fv_status batch_make(const fv_model *model, const float *params, batch *b, fv_error *error) {
    const fv_config *config = fv_model_config_of(model);
    int n_loss;
    fv_model_loss_positions(model, &n_loss);
    *b = (batch){.context = config->task.context_length,
                 .n_maps = fv_model_n_attention(model) * config->model.n_head};
    size_t pattern = (size_t)b->n_maps * b->context * b->context;
    size_t affordable = MAX_PATTERN_FLOATS / (pattern + 1);
    b->n = affordable < 1 ? 1 : affordable > MAX_SEQUENCES ? MAX_SEQUENCES : (int)affordable;
    b->tokens = calloc((size_t)b->n * b->context, sizeof *b->tokens);
    b->targets = calloc((size_t)b->n * n_loss + 1, sizeof *b->targets);
    b->patterns = calloc(pattern + 1, b->n * sizeof *b->patterns);
    if (!b->tokens || !b->targets || !b->patterns)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the attention patterns of %d sequences",
                       b->n);
    if (fv_model_test_data(model, (uint64_t)config->train.seed, 0, b->n, b->tokens, b->targets) !=
        FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", b->n);
    return fv_model_patterns(model, params, b->tokens, b->n, b->patterns, error);
}

// mass [N_OFFSETS + 1]: the mean weight at each offset, and the rest.
static void mean_mass(const batch *b, int map, const int *queries, int n_queries, double *mass) {
    for (int i = 0; i <= N_OFFSETS; i++) mass[i] = 0;
    size_t T = b->context;
    for (int s = 0; s < b->n; s++)
        for (int q = 0; q < n_queries; q++) {
            const float *row = b->patterns + (((size_t)s * b->n_maps + map) * T + queries[q]) * T;
            for (int key = 0; key <= queries[q]; key++) {
                int offset = queries[q] - key;
                mass[offset < N_OFFSETS ? offset : N_OFFSETS] += row[key];
            }
        }
    for (int i = 0; i <= N_OFFSETS; i++) mass[i] /= (double)b->n * n_queries;
}

static fv_status add_mass(const fv_model *model, int map, int context, const double *mass, int step,
                          fv_record *record, fv_error *error) {
    int n_head = fv_model_config_of(model)->model.n_head;
    char at[32], name[48];
    if (n_head > 1)
        snprintf(at, sizeof at, "%d.h%d", map / n_head, map % n_head);
    else
        snprintf(at, sizeof at, "%d", map);
    fv_status status = FV_OK;
    for (int i = 0; i < N_OFFSETS && i < context && status == FV_OK; i++) {
        snprintf(name, sizeof name, "%s[%d]", at, i);
        status = fv_probe_add(record, "attention_mass", name, step, mass[i], error);
    }
    if (context <= N_OFFSETS || status != FV_OK) return status;
    snprintf(name, sizeof name, "%s.rest", at);
    return fv_probe_add(record, "attention_mass", name, step, mass[N_OFFSETS], error);
}

fv_status fv_measure_attention_mass(const fv_model *model, const float *params, int step,
                                    fv_record *record, fv_error *error) {
    batch b;
    fv_status status = batch_make(model, params, &b, error);
    int n_queries;
    const int *queries = fv_model_loss_positions(model, &n_queries);
    for (int map = 0; map < b.n_maps && status == FV_OK; map++) {
        double mass[N_OFFSETS + 1];
        mean_mass(&b, map, queries, n_queries, mass);
        status = add_mass(model, map, b.context, mass, step, record, error);
    }
    batch_free(&b);
    return status;
}
