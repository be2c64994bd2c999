// Where the loss lies. Cross-entropy on test sequences, averaged by what was to be predicted and by
// where: "token_loss[7]" over all targets that are token 7, "position_loss[3]" over all at position
// 3. Averaged with their numbers of targets both give the loss. Tokens that are never a target in
// the sequences have no point.
#include "probes/predictions.h"
#include "probes/probes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_SERIES = 512,         // tokens or positions: each is a series of its own
    SEQUENCES_PER_TOKEN = 32, // at a single loss position
    MIN_SEQUENCES = 256,
    MAX_SEQUENCES = 8192,
    UNIT = 128 // of which there is a whole number
};

// Sums of the loss by the token or by the index of the position.
typedef struct sums {
    double *loss; // [n]
    long *count;  // [n]
} sums;

typedef struct losses {
    int V, n_loss;
    sums by_token, by_position; // [V], [n_loss]
} losses;

static void losses_free(losses *l) {
    free(l->by_token.loss);
    free(l->by_token.count);
    free(l->by_position.loss);
    free(l->by_position.count);
}

static double cross_entropy(const float *logits, int V, int target) {
    double largest = logits[0];
    for (int v = 1; v < V; v++) largest = fmax(largest, logits[v]);
    double total = exp(logits[0] - largest);
    for (int v = 1; v < V; v++) total += exp(logits[v] - largest);
    return log(total) + largest - logits[target];
}

static void add_loss(sums *s, int i, double loss) {
    s->loss[i] += loss;
    s->count[i]++;
}

static void add_prediction(void *context, int place, int target, const float *logits) {
    losses *l = context;
    double loss = cross_entropy(logits, l->V, target);
    add_loss(&l->by_token, target, loss);
    add_loss(&l->by_position, place, loss);
}

static int n_sequences(const losses *l) {
    long n = (long)SEQUENCES_PER_TOKEN * l->V / l->n_loss;
    n = n < MIN_SEQUENCES ? MIN_SEQUENCES : n > MAX_SEQUENCES ? MAX_SEQUENCES : n;
    return (int)((n + UNIT - 1) / UNIT * UNIT);
}

static fv_status losses_measure(losses *l, const fv_model *model, const float *params,
                                fv_error *error) {
    *l = (losses){.V = fv_model_config_of(model)->task.vocab_size};
    fv_model_loss_positions(model, &l->n_loss);
    size_t V = (size_t)l->V, n_loss = (size_t)l->n_loss;
    l->by_token = (sums){calloc(V, sizeof(double)), calloc(V, sizeof(long))};
    l->by_position = (sums){calloc(n_loss, sizeof(double)), calloc(n_loss, sizeof(long))};
    if (!l->by_token.loss || !l->by_token.count || !l->by_position.loss || !l->by_position.count)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the losses of %d tokens", l->V);
    return fv_predictions_each(model, params, n_sequences(l), add_prediction, l, error);
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
    losses l;
    status = losses_measure(&l, model, params, error);
    if (status == FV_OK)
        status = add_points(&l.by_token, V, NULL, "token_loss", step, record, error);
    losses_free(&l);
    return status;
}

fv_status fv_measure_position_loss(const fv_model *model, const float *params, int step,
                                   fv_record *record, fv_error *error) {
    int n_loss;
    const int *positions = fv_model_loss_positions(model, &n_loss);
    fv_status status = check_size("position_loss", "task.context_length", n_loss, error);
    if (status != FV_OK) return status;
    losses l;
    status = losses_measure(&l, model, params, error);
    if (status == FV_OK)
        status =
            add_points(&l.by_position, n_loss, positions, "position_loss", step, record, error);
    losses_free(&l);
    return status;
}
