// Where the loss lies. Cross-entropy on test sequences, averaged by what was to be predicted and by
// where: "token_loss[7]" over all targets that are token 7, "position_loss[3]" over all at position
// 3. Averaged with their numbers of targets both give the loss. Tokens that are never a target in
// the sequences have no point.
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>
#include <stdlib.h>

enum {
    MAX_SERIES = 512,         // tokens or positions: each is a series of its own
    SEQUENCES_PER_TOKEN = 32, // at a single loss position
    MIN_SEQUENCES = 256,
    MAX_SEQUENCES = 8192,
    CHUNK = 128 // sequences of one forward pass
};

// Sums of the loss by the token or by the index of the position.
typedef struct sums {
    double *loss; // [n]
    long *count;  // [n]
} sums;

typedef struct workspace {
    int V, T, n_loss;
    int32_t *tokens, *targets;  // [CHUNK][T], [CHUNK][n_loss]
    float *logits;              // [CHUNK][n_loss][V]
    sums by_token, by_position; // [V], [n_loss]
} workspace;

static void workspace_free(workspace *w) {
    free(w->tokens);
    free(w->targets);
    free(w->logits);
    free(w->by_token.loss);
    free(w->by_token.count);
    free(w->by_position.loss);
    free(w->by_position.count);
}

static fv_status workspace_create(workspace *w, const fv_model *model, fv_error *error) {
    const fv_task_config *task = &fv_model_config_of(model)->task;
    *w = (workspace){.V = task->vocab_size, .T = task->context_length};
    fv_model_loss_positions(model, &w->n_loss);
    size_t V = (size_t)w->V, n_loss = (size_t)w->n_loss;
    w->tokens = calloc((size_t)w->T * CHUNK, sizeof *w->tokens);
    w->targets = calloc(n_loss * CHUNK, sizeof *w->targets);
    w->logits = calloc(n_loss * CHUNK, V * sizeof *w->logits);
    w->by_token = (sums){calloc(V, sizeof(double)), calloc(V, sizeof(long))};
    w->by_position = (sums){calloc(n_loss, sizeof(double)), calloc(n_loss, sizeof(long))};
    if (w->tokens && w->targets && w->logits && w->by_token.loss && w->by_token.count &&
        w->by_position.loss && w->by_position.count)
        return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the losses of %d tokens", w->V);
}

static double cross_entropy(const float *logits, int V, int target) {
    double largest = logits[0], total = 0;
    for (int v = 1; v < V; v++) largest = fmax(largest, logits[v]);
    for (int v = 0; v < V; v++) total += exp(logits[v] - largest);
    return log(total) + largest - logits[target];
}

static void add_loss(sums *s, int i, double loss) {
    s->loss[i] += loss;
    s->count[i]++;
}

static int n_sequences(const workspace *w) {
    long n = (long)SEQUENCES_PER_TOKEN * w->V / w->n_loss;
    return n < MIN_SEQUENCES ? MIN_SEQUENCES : n > MAX_SEQUENCES ? MAX_SEQUENCES : (int)n;
}

static fv_status fill(const fv_model *model, const float *params, workspace *w, fv_error *error) {
    uint64_t seed = (uint64_t)fv_model_config_of(model)->train.seed;
    for (int first = 0; first < n_sequences(w); first += CHUNK) {
        if (fv_model_test_data(model, seed, (uint64_t)first, CHUNK, w->tokens, w->targets) != FV_OK)
            return fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", CHUNK);
        fv_status status = fv_model_logits(model, params, w->tokens, CHUNK, w->logits, error);
        if (status != FV_OK) return status;
        for (int i = 0; i < CHUNK * w->n_loss; i++) {
            if (w->targets[i] < 0) continue;
            const float *logits = w->logits + (size_t)i * (size_t)w->V;
            double loss = cross_entropy(logits, w->V, w->targets[i]);
            add_loss(&w->by_token, w->targets[i], loss);
            add_loss(&w->by_position, i % w->n_loss, loss);
        }
    }
    return FV_OK;
}

// `places` names the sums; NULL: by their indices.
static fv_status add_points(const sums *s, int n, const int *places, const char *probe, int step,
                            fv_record *record, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        char name[48];
        if (s->count[i] == 0) continue;
        snprintf(name, sizeof name, "%s[%d]", probe, places != NULL ? places[i] : i);
        if (fv_record_add(record, name, step, (float)(s->loss[i] / (double)s->count[i])) != FV_OK)
            status = fv_fail(error, FV_NO_MEMORY, "no memory for the series '%s'", name);
    }
    return status;
}

static fv_status check_size(const char *probe, const char *field, int n, fv_error *error) {
    if (n <= MAX_SERIES) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "probe %s: %s makes %d series of the loss; the probe keeps at most %d", probe,
                   field, n, MAX_SERIES);
}

fv_status fv_measure_token_loss(const fv_model *model, const float *params, int step,
                                fv_record *record, fv_error *error) {
    int V = fv_model_config_of(model)->task.vocab_size;
    fv_status status = check_size("token_loss", "task.vocab_size", V, error);
    if (status != FV_OK) return status;
    workspace w;
    status = workspace_create(&w, model, error);
    if (status == FV_OK) status = fill(model, params, &w, error);
    if (status == FV_OK)
        status = add_points(&w.by_token, V, NULL, "token_loss", step, record, error);
    workspace_free(&w);
    return status;
}

fv_status fv_measure_position_loss(const fv_model *model, const float *params, int step,
                                   fv_record *record, fv_error *error) {
    int n_loss;
    const int *positions = fv_model_loss_positions(model, &n_loss);
    fv_status status = check_size("position_loss", "task.context_length", n_loss, error);
    if (status != FV_OK) return status;
    workspace w;
    status = workspace_create(&w, model, error);
    if (status == FV_OK) status = fill(model, params, &w, error);
    if (status == FV_OK)
        status =
            add_points(&w.by_position, n_loss, positions, "position_loss", step, record, error);
    workspace_free(&w);
    return status;
}
