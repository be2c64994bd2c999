// The sinusoids of Vaswani et al. (2017): sin at even features, cos at odd ones.
#include "model/positions.h"

#include <math.h>
#include <stdlib.h>

static fv_status plan(fv_model *model, fv_layer *embedding, fv_error *error) {
    (void)embedding;
    if (model->sinusoids != NULL) return FV_OK;
    int n = model->n_positions, d = model->config.model.n_embd;
    model->sinusoids = malloc((size_t)n * (size_t)d * sizeof *model->sinusoids);
    if (model->sinusoids == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a table of positions");
    for (int t = 0; t < n; t++)
        for (int f = 0; f < d; f++) {
            double angle = t * pow(10000, -(double)(f / 2 * 2) / d);
            model->sinusoids[t * d + f] = (real)(f % 2 == 0 ? sin(angle) : cos(angle));
        }
    return FV_OK;
}

static const real *table(const fv_tile *tile) {
    return tile->model->sinusoids;
}

const fv_positions_type fv_positions_sinusoidal = {
    .part = {.help = "sines and cosines of the position at n_embd / 2 frequencies, as drawn up in "
                     "'Attention is all you need'",
             .example = "model: {positions: sinusoidal, n_embd: 8}"},
    .plan = plan,
    .table = table,
};
