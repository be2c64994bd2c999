// What transformers' forward pass multiplies, by the operation of ATen that does it.
#ifndef COST_OPERATIONS_H
#define COST_OPERATIONS_H

#include "cost/kinds.h"

// Formulas for one layer and one sequence. What is neither `mm` nor `convolution` is multiplied in
// batches (bmm): scores and weighted values, states, and matrices that stand in blocks.
typedef struct cost_operations {
    const char *mm;          // NULL: every weight with every token
    const char *batched;     // of these, what is multiplied in batches; NULL: nothing
    const char *convolution; // NULL: none
    const char *prefill;     // everything; NULL: the kind's own formula
} cost_operations;

const cost_operations *cost_operations_of(cost_kind kind);

#endif
