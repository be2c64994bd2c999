// Rows at a subset of positions.
#include "model/layers.h"

#include <string.h>

kernel_rows rows_of_output(const model_layer *layer, const model_tile *tile, real *x, real *compact,
                           bool dense) {
    int d = layer->model->config.model.n_embd;
    ptrdiff_t row = (ptrdiff_t)d * FV_LANES;
    if (layer->out.n == 1 && layer->in.n > 1 && !dense)
        return (kernel_rows){x + layer->rows[0] * row, layer->in.n * row};
    return rows_at_outputs(layer, tile, x, d, compact);
}

kernel_rows rows_at_outputs(const model_layer *layer, const model_tile *tile, real *x, int width,
                            real *compact) {
    ptrdiff_t row = (ptrdiff_t)width * FV_LANES;
    int n_in = layer->in.n, n_out = layer->out.n;
    if (n_out == n_in) return (kernel_rows){x, row};
    for (int g = 0; g < tile->n_groups; g++)
        for (int i = 0; i < n_out; i++)
            memcpy(compact + (g * n_out + i) * row, x + (g * n_in + layer->rows[i]) * row,
                   (size_t)row * sizeof *x);
    return (kernel_rows){compact, row};
}

void rows_copy_outputs(const model_layer *layer, const model_tile *tile, real *x, real *y) {
    size_t row = (size_t)layer->model->config.model.n_embd * FV_LANES;
    kernel_rows from = rows_of_output(layer, tile, x, y, false);
    for (int r = 0; from.data != y && r < tile->n_groups * layer->out.n; r++)
        memcpy(y + (size_t)r * row, from.data + r * from.stride, row * sizeof *y);
}

void rows_add(const model_layer *layer, const model_tile *tile, kernel_rows dy, real *dx) {
    rows_add_at_outputs(layer, tile, dy, layer->model->config.model.n_embd, dx);
}

void rows_add_at_outputs(const model_layer *layer, const model_tile *tile, kernel_rows dy,
                         int width, real *dx) {
    ptrdiff_t row = (ptrdiff_t)width * FV_LANES;
    for (int g = 0; g < tile->n_groups; g++)
        for (int i = 0; i < layer->out.n; i++) {
            const real *restrict from = dy.data + (g * layer->out.n + i) * dy.stride;
            real *restrict to = dx + (g * layer->in.n + layer->rows[i]) * row;
            for (ptrdiff_t k = 0; k < row; k++) to[k] += from[k];
        }
}
