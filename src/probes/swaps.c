// Swaps: when do tokens of a two-dimensional embedding change places around their circle? Tokens
// are ordered by their angle about the mean of all. Two neighbours that swap give three tokens
// another successor; turning or growing the circle changes nothing.
//
//   swaps           tokens with another successor than at the measurement before; 0: none
//   swaps.next[v]   the token that follows v counter-clockwise; a point only where it changes, so
//                   that a run keeps the step of every swap and who took part, and little else
//
// The second is also what the probe compares with, so that measuring needs no memory but the
// record. A swap that is undone between two measurements is not seen. Embeddings of other widths
// have no such order and get no series.
#include "probes/angular.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <stdlib.h>

// The series are made together at the first measurement and stay neighbours in the record.
static const fv_series *successors(const fv_record *record, int V) {
    char last[32];
    snprintf(last, sizeof last, "swaps.next[%d]", V - 1);
    const fv_series *first = fv_record_find(record, "swaps.next[0]");
    bool whole = first != NULL && first + V <= record->series + record->n_series;
    return whole && strcmp(first[V - 1].name, last) == 0 ? first : NULL;
}

static fv_status add_successors(const int *next, int V, int step, fv_record *record,
                                fv_error *error) {
    const fv_series *before = successors(record, V);
    int changed = 0;
    for (int v = 0; v < V; v++) {
        char name[32];
        if (before != NULL && before[v].values[before[v].n - 1] == (float)next[v]) continue;
        changed += before != NULL;
        snprintf(name, sizeof name, "next[%d]", v);
        fv_status status = probe_add(record, "swaps", name, step, next[v], error);
        if (status != FV_OK) return status;
    }
    if (fv_record_add(record, "swaps", step, (float)changed) == FV_OK) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the series 'swaps'");
}

enum { MAX_VOCABULARY = 1024 };

static fv_status check(const fv_model *model, fv_error *error) {
    fv_model_sizes sizes = fv_model_sizes_of(model);
    if (sizes.n_embd != 2 || sizes.vocab_size <= MAX_VOCABULARY) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "probe swaps: task.vocab_size is %d; the probe keeps a series for every token "
                   "and takes at most %d",
                   sizes.vocab_size, MAX_VOCABULARY);
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_model *model = view->model;
    const float *params = view->params;
    int step = view->step;
    const fv_tensor *tensor = fv_model_tensor(model, "embed.W_E");
    probe_matrix rows = matrix_of_tensor(tensor, params);
    if (rows.cols != 2) return FV_OK;
    int *next = malloc((size_t)rows.rows * sizeof *next);
    fv_status status = FV_OK;
    if (next == NULL || !angular_order(rows.data, rows.rows, next))
        status = fv_fail(error, FV_NO_MEMORY, "no memory for the order of %d tokens", rows.rows);
    if (status == FV_OK) status = add_successors(next, rows.rows, step, record, error);
    free(next);
    return status;
}

const fv_probe probe_swaps = {
    .name = "swaps",
    .help = "tokens of a two-dimensional embedding with another neighbour around their circle",
    .needs = "model: {n_embd: 2}",
    .check = check,
    .measure = measure,
};
