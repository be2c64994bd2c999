// What mlp applies to its hidden features: one descriptor an activation.
#ifndef MODEL_ACTIVATIONS_H
#define MODEL_ACTIVATIONS_H

#include "config/part.h"
#include "kernels/kernels.h"

typedef struct activation_type {
    config_part part;
    kernel_activation kernel;
    int exps; // exponentials a feature
} activation_type;

// The type of FV_ACTIVATION_<kind>.
const activation_type *activation_type_of(int kind);

#define FV_PART_ACTIVATION(NAME, name) extern const activation_type activation_##name;
#include <fovea/fields.def>

#endif
