#include "model/layers.h"

void linear_forward(const model_tile *tile, model_linear linear, int n_rows, kernel_rows x,
                    kernel_rows y, bool accumulate) {
    tile->kernels->map(&(kernel_map){.n_rows = n_rows,
                                     .n_in = linear.n_in,
                                     .n_out = linear.n_out,
                                     .x = x,
                                     .y = y,
                                     .w = tile->params + linear.w,
                                     .w_in = linear.n_out,
                                     .w_out = 1,
                                     .bias = linear.b == SIZE_MAX ? NULL : tile->params + linear.b,
                                     .accumulate = accumulate});
}

void linear_backward(const model_tile *tile, model_linear linear, int n_rows, kernel_rows x,
                     kernel_rows dy, kernel_rows dx, bool accumulate) {
    tile->kernels->map_gradient(&(kernel_map_gradient){.n_rows = n_rows,
                                                       .n_in = linear.n_in,
                                                       .n_out = linear.n_out,
                                                       .x = x,
                                                       .dy = dy,
                                                       .dw = tile->gradient + linear.w,
                                                       .w_in = linear.n_out,
                                                       .w_out = 1});
    if (linear.b != SIZE_MAX)
        tile->kernels->bias_gradient(n_rows, linear.n_out, dy, tile->gradient + linear.b);
    if (dx.data == NULL) return;
    tile->kernels->map(&(kernel_map){.n_rows = n_rows,
                                     .n_in = linear.n_out,
                                     .n_out = linear.n_in,
                                     .x = dy,
                                     .y = dx,
                                     .w = tile->params + linear.w,
                                     .w_in = 1,
                                     .w_out = linear.n_out,
                                     .accumulate = accumulate});
}
