// Rows at a subset of positions.
#include "model/layers.h"

#include <string.h>

fv_rows fv_rows_of_output(const fv_layer *layer, const fv_tile *tile, real *x, real *compact,
                          bool dense) {
    ptrdiff_t row = (ptrdiff_t)layer->model->config.model.n_embd * FV_LANES;
    int n_in = layer->in.n, n_out = layer->out.n;
    if (n_out == n_in) return (fv_rows){x, row};
    if (n_out == 1 && !dense) return (fv_rows){x + layer->rows[0] * row, n_in * row};
    for (int g = 0; g < tile->n_groups; g++)
        for (int i = 0; i < n_out; i++)
            memcpy(compact + (g * n_out + i) * row, x + (g * n_in + layer->rows[i]) * row,
                   (size_t)row * sizeof *x);
    return (fv_rows){compact, row};
}

void fv_rows_add(const fv_layer *layer, const fv_tile *tile, fv_rows dy, real *dx) {
    ptrdiff_t row = (ptrdiff_t)layer->model->config.model.n_embd * FV_LANES;
    for (int g = 0; g < tile->n_groups; g++)
        for (int i = 0; i < layer->out.n; i++) {
            const real *restrict from = dy.data + (g * layer->out.n + i) * dy.stride;
            real *restrict to = dx + (g * layer->in.n + layer->rows[i]) * row;
            for (ptrdiff_t k = 0; k < row; k++) to[k] += from[k];
        }
}
