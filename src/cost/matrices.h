// The matrices that a kind of part is made of, one by one: what a quantised file packs, each with
// scales that its own height and width ask for. Norms, biases, convolutions and embeddings are
// none.
#ifndef COST_MATRICES_H
#define COST_MATRICES_H

#include "cost/counts.h"

typedef enum cost_matrix_role {
    MATRIX_LINEAR,
    MATRIX_EXPERT, // of an expert
    MATRIX_HEAD,   // the unembedding
    MATRIX_ROUTER, // chooses experts and the like: a parameter by itself, which nobody packs
} cost_matrix_role;

// Formulas over a part's dimensions: a matrix from `in` to `out` numbers, `count` times.
typedef struct cost_matrix {
    const char *module; // under which names lists know it: "self_attn.q_proj", '|' between several
    const char *in, *out, *count;
    cost_matrix_role role;
} cost_matrix;

enum { COST_MAX_MATRICES = 12 };

// The matrices of a kind, to the first without a module.
const cost_matrix *cost_matrices(cost_kind kind);

// One of a part's, with its numbers in place.
typedef struct cost_matrix_size {
    fv_cost_number in, out, count;
} cost_matrix_size;
cost_matrix_size cost_matrix_measure(const cost_part *part, const cost_matrix *matrix);

#endif
