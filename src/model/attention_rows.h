// What kernels are told of rows of queries, keys and values, for every layer that compares them.
#ifndef MODEL_ATTENTION_ROWS_H
#define MODEL_ATTENTION_ROWS_H

#include "model/layers.h"
#include "model/rotary.h"

// Rows [G][rows][width][16], from feature `first` on.
static inline kernel_attend_rows attend_rows(real *data, int rows, int width, int first) {
    return (kernel_attend_rows){data + (ptrdiff_t)first * FV_LANES, (ptrdiff_t)width * FV_LANES,
                                (ptrdiff_t)rows * width * FV_LANES};
}

// Turns rows x [G][n_rows][n_heads head_width][16] by `table`, rotary_table's of their positions, or back;
// leaves them where nothing is turned.
static inline void rotate_heads(const model_tile *tile, const rotary *r, const real *table,
                                int n_rows, int n_heads, int head_width, real *x, bool back) {
    if (r->n_pairs == 0) return;
    tile->kernels->rotate(&(kernel_rotate){.n_groups = tile->n_groups,
                                           .n_rows = n_rows,
                                           .n_heads = n_heads,
                                           .n_pairs = r->n_pairs,
                                           .head_width = head_width,
                                           .step = r->step,
                                           .apart = r->apart,
                                           .x = x,
                                           .cosines = table,
                                           .sines = table + (ptrdiff_t)n_rows * r->n_pairs,
                                           .back = back});
}

#endif
