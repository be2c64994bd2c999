#include "model/compress.h"

#include "model/positions.h"

#include <fovea/config.h>

// Head h's part of every row at place p of a block, or of every entry (block 1, place 0).
static kernel_rows places(const compression *c, real *x, int g, int n_rows, int block, int p,
                          int h) {
    const ptrdiff_t row = (ptrdiff_t)c->n_heads * c->width * FV_LANES;
    return (kernel_rows){x + ((ptrdiff_t)g * n_rows + p) * row + (ptrdiff_t)h * c->width * FV_LANES,
                         block * row};
}

static model_linear map_of(const compression *c, int p) {
    return (model_linear){c->w + (size_t)p * (size_t)c->width * (size_t)c->width, SIZE_MAX,
                          c->width, c->width};
}

void compress_forward(const model_tile *tile, const compression *c, real *x, real *y) {
    for (int g = 0; g < tile->n_groups && c->n_blocks > 0; g++)
        for (int h = 0; h < c->n_heads; h++)
            for (int p = 0; p < c->block; p++)
                linear_forward(tile, map_of(c, p), c->n_blocks,
                               places(c, x, g, c->n_rows, c->block, p, h),
                               places(c, y, g, c->n_blocks, 1, 0, h), p > 0);
}

void compress_backward(const model_tile *tile, const compression *c, real *x, real *dy, real *dx) {
    for (int g = 0; g < tile->n_groups && c->n_blocks > 0; g++)
        for (int h = 0; h < c->n_heads; h++)
            for (int p = 0; p < c->block; p++)
                linear_backward(tile, map_of(c, p), c->n_blocks,
                                places(c, x, g, c->n_rows, c->block, p, h),
                                places(c, dy, g, c->n_blocks, 1, 0, h),
                                places(c, dx, g, c->n_rows, c->block, p, h), true);
}

void compress_rank(const compression *c, const attention_heads *heads, int group, int g, int n_rows,
                   int n_units, const int *n_choosable, const real *weights, real *ranks) {
    const int together = heads->n / heads->n_kv;
    for (int i = 0; i < n_rows; i++)
        for (int u = 0; u < n_units; u++, ranks += FV_LANES) {
            const bool choosable = u < n_choosable[i];
            for (int l = 0; l < FV_LANES; l++) ranks[l] = choosable ? 0 : -1;
            for (int h = group * together; choosable && h < (group + 1) * together; h++) {
                const ptrdiff_t row = (ptrdiff_t)(g * heads->n + h) * n_rows + i;
                const real *from = weights + (row * c->n_blocks + u) * FV_LANES;
                for (int l = 0; l < FV_LANES; l++) ranks[l] += from[l] / (real)together;
            }
        }
}

double compress_cost(const compression *c) {
    return (double)c->n_blocks * c->block * c->n_heads * c->width * c->width;
}

fv_status compress_check(const config_checking *c, int i, const char *layer) {
    const fv_model_config *m = &c->config->model;
    const int context = c->config->task.context_length, block = m->compress_block;
    fv_status status = attention_check_heads(c, i);
    if (status != FV_OK) return status;
    if (positions_type_of(m->positions)->slopes != NULL)
        return check_refuse(c, "model.positions",
                            "model.positions alibi is a slope by the distance of single keys, and "
                            "an entry of %s stands for several; it needs none, learned, sinusoidal "
                            "or rope",
                            layer);
    if (context > FV_KEPT_CONTEXT)
        return check_refuse(c, "task.context_length",
                            "model.layers: %s keeps the weights of all pairs of positions, which "
                            "task.context_length %d makes too many; it allows up to %d",
                            layer, context, FV_KEPT_CONTEXT);
    if (block > context)
        return check_refuse(c, "model.compress_block",
                            "model.compress_block %d is more than the context has; "
                            "task.context_length %d allows 1 to %d",
                            block, context, context);
    return FV_OK;
}
