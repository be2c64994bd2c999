// Neighbouring rows become one entry each, by a learned map of `block` rows with a matrix for every place in it
// (the learned compression of NSA, arXiv 2502.11089):
//
//     y[e] = sum over p of x[e stride + p] W[p]                 W [block width][width], shared by all heads
//     y[e] = gelu(sum over p of x[e stride + p] W[p] + b) V     W [block width][hidden], V [hidden][width]
//
// the second with model.compress_hidden. What a place within a block would add for itself, an encoding of it, is
// the same for every entry once W has taken it in: it is b. Entries overlap where `stride` is less than `block`. An
// entry counts once all of its rows are there.
#ifndef MODEL_COMPRESS_H
#define MODEL_COMPRESS_H

#include "model/attention_keys.h"
#include "model/layers.h"

typedef struct compression {
    size_t w, b, w_out; // parameters; the last two with a hidden layer
    int block, stride, n_blocks, n_rows;
    int n_heads, width, hidden;              // hidden 0: none
    size_t before, active, dactive, dbefore; // [G][n_blocks][n_heads hidden] of the hidden layer
} compression;

// Entries that are whole among the first n rows.
static inline int compress_whole(const compression *c, int n) {
    return n < c->block ? 0 : (n - c->block) / c->stride + 1;
}

// What model.compress_block and its neighbours say, of n_rows rows of keys or values.
compression compress_of(const fv_model_config *config, const attention_heads *heads, int n_rows);
// Adds its parameters, "blocks.L.NAME" and with a hidden layer also NAME_b and NAME_out, and what the hidden
// layer keeps.
void compress_plan(fv_model *model, const model_layer *layer, const char *name, compression *c);
// x [G][n_rows][n_heads width][16] -> y [G][n_blocks][n_heads width][16]
void compress_forward(const model_tile *tile, const compression *c, real *x, real *y);
// dx += , and the gradients of its parameters.
void compress_backward(const model_tile *tile, const compression *c, real *x, real *dy, real *dx);

// How queries rank units of keys by what heads that share keys give to entries, in the mean.
typedef struct compress_ranking {
    const attention_heads *heads;
    int n_rows, n_units, unit; // queries; units of `unit` rows each, 0: every entry is one
    int k;                     // units that are kept
    const int *n_choosable;    // [n_rows]: units, from the first on
    const int *n_whole;        // [n_rows]: entries that are whole
    const real *weights;       // [G][heads][n_rows][n_blocks][16]
    // Scratch of [n_rows][n_units][16] and [n_rows][n_blocks][16], and the head's weights as arguments of the
    // kernel: for entries that a softmax gives nothing. NULL: these are all alike.
    real *far, *flat;
    kernel_attend (*attend)(const model_layer *layer, const model_tile *tile, int h);
    const model_layer *layer;
} compress_ranking;

// Ranks [n_rows][n_units][16] of units for kernel_select, of samples' group g by key head `group`: a unit has of an
// entry's weight the share of the entry's rows that are in it; -1 from unit n_choosable[row] on. Where fewer than k
// units have any weight the others follow in the order that they would have without limits of precision.
void compress_rank(const model_tile *tile, const compression *c, const compress_ranking *r,
                   int group, int g, real *ranks);
// Multiply-adds of a sequence, and exponentials.
double compress_cost(const compression *c);
double compress_exps(const compression *c);

// What must hold of a layer with entries, the i-th of the list, whose name is `layer`.
fv_status compress_check(const config_checking *c, int i, const char *layer);
void compress_settle(fv_config *config); // a stride of the whole block is 0

#endif
