// Where attention goes, by distance: the mean over test sequences and over the positions that the
// loss reads, per attention layer and head. Series "attention_mass.0[2]" is the weight that layer 0
// puts on the token two back from the query, "attention_mass.0.rest" all that lies further back;
// with several heads "attention_mass.0.h1[2]". The kept offsets and the rest add up to 1.
#include "probes/head_scores.h"
#include "probes/probes.h"
#include "probes/tensors.h"

enum { N_OFFSETS = 5 }; // offsets with a series of their own

// mass [N_OFFSETS + 1]: the mean weight at each offset, and the rest.
static void mean_mass(const head_batch *b, int layer, int h, const int *queries, int n_queries,
                      double *mass) {
    for (int i = 0; i <= N_OFFSETS; i++) mass[i] = 0;
    for (int s = 0; s < b->n; s++)
        for (int q = 0; q < n_queries; q++) {
            const float *row = head_row(b, layer, h, s, queries[q]);
            double rest = mass[N_OFFSETS];
            int key = 0;
            for (; key <= queries[q] - N_OFFSETS; key++) rest += row[key];
            for (; key <= queries[q]; key++) mass[queries[q] - key] += row[key];
            mass[N_OFFSETS] = rest;
        }
    for (int i = 0; i <= N_OFFSETS; i++) mass[i] /= (double)b->n * n_queries;
}

static fv_status add_mass(const head_batch *b, int map, const double *mass, int step,
                          fv_record *record, fv_error *error) {
    char at[32], name[48];
    head_name(at, sizeof at, b->n_head, map / b->n_head, map % b->n_head);
    fv_status status = FV_OK;
    for (int i = 0; i < N_OFFSETS && i < b->context && status == FV_OK; i++) {
        snprintf(name, sizeof name, "%s[%d]", at, i);
        status = probe_add(record, "attention_mass", name, step, mass[i], error);
    }
    if (b->context <= N_OFFSETS || status != FV_OK) return status;
    snprintf(name, sizeof name, "%s.rest", at);
    return probe_add(record, "attention_mass", name, step, mass[N_OFFSETS], error);
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const head_batch *b = view->read;
    int n_queries;
    const int *queries = fv_model_loss_positions(view->model, &n_queries);
    fv_status status = FV_OK;
    for (int map = 0; map < b->n_layers * b->n_head && status == FV_OK; map++) {
        double mass[N_OFFSETS + 1];
        mean_mass(b, map / b->n_head, map % b->n_head, queries, n_queries, mass);
        status = add_mass(b, map, mass, view->step, record, error);
    }
    return status;
}

const fv_probe probe_attention_mass = {
    .name = "attention_mass",
    .help = "mean attention by distance back from the query, at the positions that the loss reads",
    .reads = &reading_patterns,
    .measure = measure,
};
