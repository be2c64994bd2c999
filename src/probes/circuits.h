// The matrices of attention layers and the circuits that they make: QK = W_Q^h (W_K^h)^T decides where head
// h looks, OV = W_V^h W_O^h what it moves. Both are d x d, and kept as their factors [d][d_head].
#ifndef FOVEA_PROBES_CIRCUITS_H
#define FOVEA_PROBES_CIRCUITS_H

#include "probes/linalg.h"

#include <fovea/model.h>
#include <fovea/record.h>

// One attention layer: "blocks.0.attn", its matrices, its heads.
typedef struct attention_matrices {
    char prefix[48];
    probe_matrix q, k, v, o; // [d][H d_head], [d][n_kv d_head] twice, [H d_head][d]
    int n_head, d_head;
} attention_matrices;

// The product a b^T of one head.
typedef struct head_circuit {
    char name[80];     // "blocks.0.attn.QK", with several heads "blocks.0.attn.QK.h0"
    probe_matrix a, b; // [d][d_head]
} head_circuit;

// Calls `each` for every layer that has all four matrices, in the model's order, until it fails.
typedef fv_status (*circuits_layer)(const attention_matrices *layer, void *context,
                                    fv_error *error);
fv_status circuits_each_layer(const fv_model *model, const float *params, circuits_layer each,
                              void *context, fv_error *error);

// The circuits QK and OV of a head.
void circuits_of_head(const attention_matrices *layer, int head, head_circuit circuits[2]);

// product [x.cols][y.cols] = x^T y of matrices with as many rows.
void circuits_multiply(probe_matrix x, probe_matrix y, double *product);

// The same circuit read the other way: b a^T.
head_circuit circuits_transposed(const head_circuit *circuit);

// Frobenius norms of a circuit and of the product of two, at the cost of d_head x d_head products; *norm is
// NAN where a matrix is. FV_NO_MEMORY.
fv_status circuits_norm(const head_circuit *circuit, double *norm, fv_error *error);
fv_status circuits_product_norm(const head_circuit *first, const head_circuit *second, double *norm,
                                fv_error *error);

#endif
