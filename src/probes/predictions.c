#include "probes/predictions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LOGITS = 1 << 23, // kept at once,
    MOST_SEQUENCES = 256,  // of at most so many sequences,
    LEAST_SEQUENCES = 16,  // and at least these
    FEWEST = 256,          // sequences in all
    MOST = 8192
};

// `n` sequences, within the bounds and a multiple of `unit`.
static void plan(const fv_model *model, long n, int unit, probe_reads *reads) {
    int n_loss, n_vocab = fv_model_sizes_of(model).vocab_size;
    fv_model_loss_positions(model, &n_loss);
    size_t affordable = MOST_LOGITS / ((size_t)n_loss * (size_t)n_vocab);
    n = n < FEWEST ? FEWEST : n > MOST ? MOST : n;
    *reads = (probe_reads){.sequences = FV_SEQUENCES_TEST,
                           .rows = FV_KEEP_LOSS_POSITIONS,
                           .names = "logits",
                           .n = (int)((n + unit - 1) / unit * unit)};
    reads->most_at_once = affordable > MOST_SEQUENCES    ? MOST_SEQUENCES
                          : affordable < LEAST_SEQUENCES ? LEAST_SEQUENCES
                                                         : (int)affordable;
}

// Calls `visit` for every prediction that has a target: the target, the index of its position, and
// its logits.
typedef void (*visitor)(void *state, int place, int target, const float *logits);
static void each_prediction(const probe_piece *piece, int n_loss, int n_vocab, visitor visit,
                            void *state) {
    const float *logits = fv_activations_get(piece->activations, "logits");
    for (int i = 0; i < piece->n * n_loss; i++)
        if (piece->targets[i] >= 0)
            visit(state, i % n_loss, piece->targets[i], logits + (size_t)i * (size_t)n_vocab);
}

// --- losses ------------------------------------------------------------------------------------

static fv_status plan_losses(const fv_model *model, probe_reads *reads, fv_error *error) {
    enum { SEQUENCES_PER_TOKEN = 32, UNIT = 128 };
    (void)error;
    int n_loss;
    fv_model_loss_positions(model, &n_loss);
    plan(model, (long)SEQUENCES_PER_TOKEN * fv_model_sizes_of(model).vocab_size / n_loss, UNIT,
         reads);
    return FV_OK;
}

static void free_losses(void *state) {
    probe_losses *l = state;
    free(l->by_token.loss);
    free(l->by_token.count);
    free(l->by_position.loss);
    free(l->by_position.count);
    free(l);
}

static fv_status create_losses(const fv_model *model, const probe_reads *reads, void **state,
                               fv_error *error) {
    (void)reads;
    int n_vocab = fv_model_sizes_of(model).vocab_size;
    probe_losses *l = calloc(1, sizeof *l);
    *state = l;
    if (l == NULL)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the losses of %d tokens", n_vocab);
    l->n_vocab = n_vocab;
    fv_model_loss_positions(model, &l->n_loss);
    size_t V = (size_t)n_vocab, n_loss = (size_t)l->n_loss;
    l->by_token = (loss_sums){calloc(V, sizeof(double)), calloc(V, sizeof(long))};
    l->by_position = (loss_sums){calloc(n_loss, sizeof(double)), calloc(n_loss, sizeof(long))};
    if (l->by_token.loss && l->by_token.count && l->by_position.loss && l->by_position.count)
        return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the losses of %d tokens", n_vocab);
}

static void clear(loss_sums *sums, int n) {
    memset(sums->loss, 0, (size_t)n * sizeof *sums->loss);
    memset(sums->count, 0, (size_t)n * sizeof *sums->count);
}

static void begin_losses(void *state) {
    probe_losses *l = state;
    clear(&l->by_token, l->n_vocab);
    clear(&l->by_position, l->n_loss);
}

static double cross_entropy(const float *logits, int n_vocab, int target) {
    double largest = logits[0];
    for (int v = 1; v < n_vocab; v++) largest = fmax(largest, logits[v]);
    double total = exp(logits[0] - largest);
    for (int v = 1; v < n_vocab; v++) total += exp(logits[v] - largest);
    return log(total) + largest - logits[target];
}

static void add_loss(loss_sums *sums, int i, double loss) {
    sums->loss[i] += loss;
    sums->count[i]++;
}

static void visit_loss(void *state, int place, int target, const float *logits) {
    probe_losses *l = state;
    double loss = cross_entropy(logits, l->n_vocab, target);
    add_loss(&l->by_token, target, loss);
    add_loss(&l->by_position, place, loss);
}

static void take_losses(void *state, const probe_piece *piece) {
    const probe_losses *l = state;
    each_prediction(piece, l->n_loss, l->n_vocab, visit_loss, state);
}

const fv_reading reading_losses = {plan_losses, create_losses, free_losses, begin_losses,
                                   take_losses};

// --- confusion ---------------------------------------------------------------------------------

static fv_status plan_confusion(const fv_model *model, probe_reads *reads, fv_error *error) {
    enum { SEQUENCES_PER_TOKEN = 64 };
    (void)error;
    plan(model, (long)SEQUENCES_PER_TOKEN * fv_model_sizes_of(model).vocab_size, FEWEST, reads);
    return FV_OK;
}

static void free_confusion(void *state) {
    probe_confusion *c = state;
    free(c->rows);
    free(c);
}

static fv_status create_confusion(const fv_model *model, const probe_reads *reads, void **state,
                                  fv_error *error) {
    (void)reads;
    int n_vocab = fv_model_sizes_of(model).vocab_size;
    probe_confusion *c = calloc(1, sizeof *c);
    if ((*state = c) != NULL) {
        c->n_vocab = n_vocab;
        fv_model_loss_positions(model, &c->n_loss);
        c->rows = calloc((size_t)n_vocab * (size_t)n_vocab, sizeof *c->rows);
        if (c->rows != NULL) return FV_OK;
    }
    return fv_fail(error, FV_NO_MEMORY, "no memory for the confusion of %d tokens", n_vocab);
}

static void begin_confusion(void *state) {
    const probe_confusion *c = state;
    memset(c->rows, 0, (size_t)c->n_vocab * (size_t)c->n_vocab * sizeof *c->rows);
}

// The row of the target += softmax(logits)
static void visit_confusion(void *state, int place, int target, const float *logits) {
    (void)place;
    const probe_confusion *c = state;
    int V = c->n_vocab;
    double largest = logits[0], total = 0, *row = c->rows + (size_t)target * (size_t)V;
    for (int v = 1; v < V; v++) largest = logits[v] > largest ? logits[v] : largest;
    for (int v = 0; v < V; v++) total += exp(logits[v] - largest);
    for (int v = 0; v < V; v++) row[v] += exp(logits[v] - largest) / total;
}

static void take_confusion(void *state, const probe_piece *piece) {
    const probe_confusion *c = state;
    each_prediction(piece, c->n_loss, c->n_vocab, visit_confusion, state);
}

const fv_reading reading_confusion = {plan_confusion, create_confusion, free_confusion,
                                      begin_confusion, take_confusion};
