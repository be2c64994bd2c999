// What mlp applies to its hidden features: one descriptor an activation, made from the list of
// include/fovea/parts/activations.def.
#ifndef MODEL_ACTIVATIONS_H
#define MODEL_ACTIVATIONS_H

#include "config/part.h"
#include "kernels/kernels.h"

typedef struct activation_type {
    config_part part;
    const char *theirs; // its name in TransformerLens; NULL: it has none
    int exps;           // exponentials a feature
} activation_type;

// The type of FV_ACTIVATION_<kind>; kernels number activations alike.
const activation_type *activation_type_of(int kind);

#endif
