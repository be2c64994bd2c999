// Effective ranks of the attention layers' matrices, and of their circuits QK and OV, the two products that
// act on the residual stream: measured from [d][d_head] factors, never from d x d.
//
// Series: "effective_rank.blocks.0.attn.W_Q", ... of the whole matrix, and
// "effective_rank.blocks.0.attn.QK"; with several heads ".QK.h0", ".QK.h1", ...
#include "probes/circuits.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>

static const char probe_name[] = "effective_rank";

typedef struct place {
    int step;
    fv_record *record;
} place;

static fv_status measure_matrices(const attention_matrices *layer, const place *at,
                                  fv_error *error) {
    const struct {
        const char *name;
        probe_matrix matrix;
    } matrices[] = {{"W_Q", layer->q}, {"W_K", layer->k}, {"W_V", layer->v}, {"W_O", layer->o}};
    for (int i = 0; i < 4; i++) {
        double rank = NAN;
        char name[sizeof layer->prefix + 8];
        snprintf(name, sizeof name, "%s.%s", layer->prefix, matrices[i].name);
        fv_status status = linalg_effective_rank(matrices[i].matrix, &rank, error);
        if (status == FV_OK)
            status = probe_add(at->record, probe_name, name, at->step, rank, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static fv_status measure_layer(const attention_matrices *layer, void *context, fv_error *error) {
    const place *at = context;
    fv_status status = measure_matrices(layer, at, error);
    for (int h = 0; h < layer->n_head; h++) {
        head_circuit circuits[2];
        circuits_of_head(layer, h, circuits);
        for (int i = 0; i < 2 && status == FV_OK; i++) {
            double rank = NAN;
            status = effective_rank_product(circuits[i].a, circuits[i].b, &rank, error);
            if (status == FV_OK)
                status = probe_add(at->record, probe_name, circuits[i].name, at->step, rank, error);
        }
    }
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    place at = {view->step, record};
    return circuits_each_layer(view->model, view->params, measure_layer, &at, error);
}

const fv_probe probe_effective_rank = {
    .name = "effective_rank",
    .help = "effective rank of W_Q, W_K, W_V, W_O and the circuits QK and OV: exp of the entropy "
            "of their normalised squared singular values",
    .measure = measure,
};
