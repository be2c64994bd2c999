// The first layer's linear maps, where its input is nothing but a token's embedding plus a
// position's: (E[v] + P[t]) W = (E W)[v] + (P W)[t]. V + T rows are projected instead of every
// position of every sample, and the results looked up like embeddings; on the way back the
// gradients of what was looked up are summed before they pass W.
#ifndef MODEL_TOKEN_TABLES_H
#define MODEL_TOKEN_TABLES_H

#include "model/layers.h"

typedef struct token_tables {
    bool present;
    size_t inputs, outputs, dinputs; // [V + T][d]: E over P, what becomes of it, its gradient
    size_t columns, products;        // matrices in pieces of sixteen columns
} token_tables;

// Sets the attention layer's tables.present and reserves the tables where they can be used and save
// work: for the first layer, without a norm, with a multiple of sixteen features, at neighbouring
// positions that outnumber the rows to be projected.
void token_tables_plan(fv_model *model, model_layer *layer);

// Rows that a tile projects for each of its samples.
double token_tables_rows(const model_layer *layer);

// Puts E over P, before any map of a tile.
void token_tables_begin(const model_layer *layer, const model_tile *tile);
// y [G][positions.n][n_out][16] = x W + b at these positions, which are neighbours; n_out is at most
// d, a multiple of sixteen like it.
void token_tables_forward(const model_layer *layer, const model_tile *tile, model_linear linear,
                          const model_positions *positions, real *y);

// From dy to the gradients of W and b, and of E and P among `dinputs`, which the first map of a
// tile overwrites.
void token_tables_backward(const model_layer *layer, const model_tile *tile, model_linear linear,
                           const model_positions *positions, real *dy, bool overwrite);
// Adds dinputs to the gradients of the embeddings.
void token_tables_end(const model_layer *layer, const model_tile *tile);

#endif
