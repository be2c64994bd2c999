// A readout as the kernels that it is made of, one after the other: what the reference computes, and every
// variant where the rows are wide. READOUT_PART(name) is whose kernels they are.
#ifndef KERNELS_READOUT_PARTS_H
#define KERNELS_READOUT_PARTS_H

#include "kernels/variants.h"

#ifndef READOUT_PART
#define READOUT_PART(name) KERNEL(name)
#endif

static void readout_by_parts(const kernel_readout *a) {
    const kernel_rows logits = {a->logits, (ptrdiff_t)a->n_out * FV_LANES};
    const kernel_rows scaled = {a->scaled, (ptrdiff_t)a->n_in * FV_LANES};
    const kernel_rows dx = {a->dx, (ptrdiff_t)a->n_in * FV_LANES};
    READOUT_PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_in,
                   .n_out = a->n_out,
                   .x = a->x,
                   .y = logits,
                   .w = a->w,
                   .w_in = a->w_in,
                   .w_out = a->w_out});
    READOUT_PART(cross_entropy)
    (&(kernel_cross_entropy){.n_rows = a->n_rows,
                             .vocab_size = a->n_out,
                             .logits = a->logits,
                             .targets = a->targets,
                             .weight = a->weight,
                             .losses = a->losses,
                             .correct = a->correct,
                             .inverse = a->dw ? a->inverse : NULL});
    if (a->dw == NULL) return;
    READOUT_PART(scale_rows)(a->n_rows, a->n_in, a->x, a->inverse, scaled);
    READOUT_PART(map_gradient)
    (&(kernel_map_gradient){.n_rows = a->n_rows,
                            .n_in = a->n_in,
                            .n_out = a->n_out,
                            .x = scaled,
                            .dy = logits,
                            .dw = a->dw,
                            .w_in = a->w_in,
                            .w_out = a->w_out});
    READOUT_PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_out,
                   .n_out = a->n_in,
                   .x = logits,
                   .y = dx,
                   .w = a->w,
                   .w_in = a->w_out,
                   .w_out = a->w_in});
    READOUT_PART(scale_rows)(a->n_rows, a->n_in, dx, a->inverse, dx);
}

#endif
