// Readouts and chains as the kernels that they are made of, one after the other: what the reference
// computes, and every variant where rows are wide. PART(name) is whose kernels they are.
#ifndef KERNELS_PARTS_H
#define KERNELS_PARTS_H

#include "kernels/variants.h"

#ifndef PART
#define PART(name) KERNEL(name)
#endif

static void chain_by_parts(const kernel_chain *a) {
    PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_in,
                   .n_out = a->n_mid,
                   .x = a->x,
                   .y = a->mid,
                   .w = a->w1,
                   .w_in = a->w1_in,
                   .w_out = a->w1_out});
    PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_mid,
                   .n_out = a->n_out,
                   .x = a->mid,
                   .y = a->y,
                   .w = a->w2,
                   .w_in = a->w2_in,
                   .w_out = a->w2_out,
                   .accumulate = a->accumulate});
}

static void chain_gradient_by_parts(const kernel_chain_gradient *b) {
    const kernel_chain *a = &b->forward;
    PART(map_gradient)
    (&(kernel_map_gradient){.n_rows = a->n_rows,
                            .n_in = a->n_mid,
                            .n_out = a->n_out,
                            .x = a->mid,
                            .dy = b->dy,
                            .dw = b->dw2,
                            .w_in = a->w2_in,
                            .w_out = a->w2_out});
    PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_out,
                   .n_out = a->n_mid,
                   .x = b->dy,
                   .y = b->dmid,
                   .w = a->w2,
                   .w_in = a->w2_out,
                   .w_out = a->w2_in});
    PART(map_gradient)
    (&(kernel_map_gradient){.n_rows = a->n_rows,
                            .n_in = a->n_in,
                            .n_out = a->n_mid,
                            .x = a->x,
                            .dy = b->dmid,
                            .dw = b->dw1,
                            .w_in = a->w1_in,
                            .w_out = a->w1_out});
    PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_mid,
                   .n_out = a->n_in,
                   .x = b->dmid,
                   .y = b->dx,
                   .w = a->w1,
                   .w_in = a->w1_out,
                   .w_out = a->w1_in,
                   .accumulate = b->accumulate});
}

static void readout_by_parts(const kernel_readout *a) {
    const kernel_rows logits = {a->logits, (ptrdiff_t)a->n_out * FV_LANES};
    const kernel_rows scaled = {a->scaled, (ptrdiff_t)a->n_in * FV_LANES};
    const kernel_rows dx = {a->dx, (ptrdiff_t)a->n_in * FV_LANES};
    PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_in,
                   .n_out = a->n_out,
                   .x = a->x,
                   .y = logits,
                   .w = a->w,
                   .w_in = a->w_in,
                   .w_out = a->w_out});
    PART(cross_entropy)
    (&(kernel_cross_entropy){.n_rows = a->n_rows,
                             .vocab_size = a->n_out,
                             .logits = a->logits,
                             .targets = a->targets,
                             .weight = a->weight,
                             .losses = a->losses,
                             .correct = a->correct,
                             .inverse = a->dw ? a->inverse : NULL});
    if (a->dw == NULL) return;
    PART(scale_rows)(a->n_rows, a->n_in, a->x, a->inverse, scaled);
    PART(map_gradient)
    (&(kernel_map_gradient){.n_rows = a->n_rows,
                            .n_in = a->n_in,
                            .n_out = a->n_out,
                            .x = scaled,
                            .dy = logits,
                            .dw = a->dw,
                            .w_in = a->w_in,
                            .w_out = a->w_out});
    PART(map)
    (&(kernel_map){.n_rows = a->n_rows,
                   .n_in = a->n_out,
                   .n_out = a->n_in,
                   .x = logits,
                   .y = dx,
                   .w = a->w,
                   .w_in = a->w_out,
                   .w_out = a->w_in});
    PART(scale_rows)(a->n_rows, a->n_in, dx, a->inverse, dx);
}

#endif
