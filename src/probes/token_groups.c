// How many groups of tokens the model tells apart. On test sequences the predicted probabilities
// are averaged by the true token: confusion M [truth][predicted], rows adding up to 1. Two tokens a
// and b count as told apart when their rows overlap by less than half, that is, when their distance
//
//   1/2 sum over v of |M[a][v] - M[b][v]|  >  1/2 .
//
// Groups are the connected components of what is not told apart. The series "token_groups" is exp
// of the entropy of the groups' shares of the vocabulary: 1 while everything looks alike, 2 for two
// pairs out of four (1.75 for one token against three), V once every token is known. A model
// stalled at perplexity V/2 because it knows only halves of the vocabulary has 2.
#include "probes/token_groups.h"

#include "probes/linalg.h"
#include "probes/predictions.h"
#include "probes/probes.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_VOCABULARY = 256 }; // all pairs of rows: V^3 operations at every measurement
static const double told_apart = 0.5;

static double row_sum(const double *confusion, int V, int row) {
    double sum = 0;
    for (int v = 0; v < V; v++) sum += confusion[(size_t)row * V + v];
    return sum;
}

static bool are_told_apart(const double *confusion, int V, int a, int b) {
    const double *row_a = confusion + (size_t)a * V, *row_b = confusion + (size_t)b * V;
    double sum_a = row_sum(confusion, V, a), sum_b = row_sum(confusion, V, b), distance = 0;
    for (int v = 0; v < V; v++) distance += fabs(row_a[v] / sum_a - row_b[v] / sum_b) / 2;
    return distance > told_apart;
}

// Marks every token that is not told apart from `token`, directly or by steps, and returns how many
// there are. `waiting` [V] is room for the walk.
static int spread(const double *confusion, int V, int token, bool *taken, int *waiting) {
    int n = 0, size = 0;
    waiting[n++] = token;
    taken[token] = true;
    while (n > 0) {
        int a = waiting[--n];
        size++;
        for (int b = 0; b < V; b++)
            if (!taken[b] && !are_told_apart(confusion, V, a, b)) {
                taken[b] = true;
                waiting[n++] = b;
            }
    }
    return size;
}

fv_status token_grouping(const double *confusion, int V, double *groups, fv_error *error) {
    bool *taken = calloc((size_t)V, sizeof *taken);
    int *waiting = calloc((size_t)V, sizeof *waiting);
    double *sizes = calloc((size_t)V, sizeof *sizes);
    fv_status status = FV_OK;
    if (!taken || !waiting || !sizes) {
        status = fv_fail(error, FV_NO_MEMORY, "no memory for the groups of %d tokens", V);
        goto done;
    }
    for (int v = 0; v < V; v++) taken[v] = row_sum(confusion, V, v) == 0;
    int n = 0;
    for (int v = 0; v < V; v++)
        if (!taken[v]) sizes[n++] = spread(confusion, V, v, taken, waiting);
    *groups = effective_number(sizes, n);
done:
    free(taken);
    free(waiting);
    free(sizes);
    return status;
}

static fv_status check(const fv_model *model, fv_error *error) {
    int V = fv_model_sizes_of(model).vocab_size;
    if (V <= MAX_VOCABULARY) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "probe token_groups: task.vocab_size is %d; the probe compares all pairs of "
                   "tokens and takes at most %d",
                   V, MAX_VOCABULARY);
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const probe_confusion *c = view->read;
    double groups = NAN;
    fv_status status = token_grouping(c->rows, c->n_vocab, &groups, error);
    if (status != FV_OK) return status;
    if (fv_record_add(record, "token_groups", view->step, (float)groups) == FV_OK) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the series 'token_groups'");
}

const fv_probe probe_token_groups = {
    .name = "token_groups",
    .help = "number of groups of tokens that the predictions tell apart: exp of the entropy of the "
            "groups' shares of the vocabulary",
    .reads = &reading_confusion,
    .check = check,
    .measure = measure,
};
