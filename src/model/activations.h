// What mlp applies to its hidden features: one descriptor an activation.
#ifndef MODEL_ACTIVATIONS_H
#define MODEL_ACTIVATIONS_H

#include "config/part.h"
#include "kernels/kernels.h"

typedef struct fv_activation_type {
    fv_part part;
    fv_activation kernel;
    int exps; // exponentials a feature
} fv_activation_type;

// The type of FV_ACTIVATION_<kind>.
const fv_activation_type *fv_activation_type_of(int kind);

#define FV_PART_ACTIVATION(NAME, name) extern const fv_activation_type fv_activation_##name;
#include <fovea/fields.def>

#endif
