// Blocks of neighbouring rows become one entry each, by a learned linear map of a whole block with a matrix
// for every place in it (the learned compression of NSA, arXiv 2502.11089, without its hidden layer):
//
//     y[b] = sum over p of x[b * block + p] W[p]        W [block * width][width], shared by all heads
//
// A block counts once all of its rows are there.
#ifndef MODEL_COMPRESS_H
#define MODEL_COMPRESS_H

#include "model/attention_keys.h"
#include "model/layers.h"

typedef struct compression {
    size_t w; // parameter
    int block, n_blocks, n_rows;
    int n_heads, width;
} compression;

// x [G][n_rows][n_heads width][16] -> y [G][n_blocks][n_heads width][16]
void compress_forward(const model_tile *tile, const compression *c, real *x, real *y);
// dx += , and the gradient of W.
void compress_backward(const model_tile *tile, const compression *c, real *x, real *dy, real *dx);
// Ranks [n_rows][n_units][16] of blocks for kernel_select, of samples' group g: what the heads that share key head
// `group` give to an entry, in the mean; -1 from block n_choosable[row] on. weights [G][heads][n_rows][n_blocks][16].
void compress_rank(const compression *c, const attention_heads *heads, int group, int g, int n_rows,
                   int n_units, const int *n_choosable, const real *weights, real *ranks);
// Multiply-adds of a sequence.
double compress_cost(const compression *c);

// What must hold of a layer with entries, the i-th of the list, whose name is `layer`.
fv_status compress_check(const config_checking *c, int i, const char *layer);

#endif
