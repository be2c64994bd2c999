// "score_power.0", or "score_power.0.h1" of several heads: the power with which a head's weights
// fall off with distance, where it is learned (model.score_power_learned).
#include "probes/head_scores.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>
#include <stdio.h>

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_model *model = view->model;
    const float *params = view->params;
    int step = view->step;
    int n_head = fv_model_sizes_of(model).n_head;
    fv_status status = FV_OK;
    for (int l = 0; l < fv_model_n_attention(model); l++) {
        char name[48];
        snprintf(name, sizeof name, "blocks.%d.attn.log_power", l);
        const fv_tensor *powers = fv_model_tensor(model, name);
        if (powers == NULL) continue;
        for (int h = 0; h < n_head && status == FV_OK; h++) {
            head_name(name, sizeof name, n_head, l, h);
            double power = exp((double)params[powers->offset + (size_t)h]);
            status = probe_add(record, "score_power", name, step, power, error);
        }
    }
    return status;
}

const fv_probe probe_score_power = {
    .name = "score_power",
    .help = "power of each head of harmonic attention that learns it",
    .needs = "model: {score: harmonic, score_power_learned: true}",
    .measure = measure,
};
