// What mlp applies to its hidden features: one descriptor an activation, made from the list of
// include/fovea/parts/activations.def.
#ifndef MODEL_ACTIVATIONS_H
#define MODEL_ACTIVATIONS_H

#include "config/part.h"
#include "kernels/kernels.h"

typedef struct activation_type activation_type;
struct activation_type {
    config_part part;
    kernel_activation kernel;
    const char *theirs; // its name in TransformerLens; NULL: it has none
    int exps;           // exponentials a feature
    // What a gated one sends its gate through: f(x W_gate) times x W_in instead of f(x W_in). Then
    // the three above are that one's. NULL: it is not gated.
    const activation_type *gate;
};

// The type of FV_ACTIVATION_<kind>.
const activation_type *activation_type_of(int kind);

// What is applied to features: the activation itself, or that of its gate.
static inline const activation_type *activation_applied(int kind) {
    const activation_type *type = activation_type_of(kind);
    return type->gate != NULL ? type->gate : type;
}
static inline bool activation_is_gated(int kind) {
    return activation_type_of(kind)->gate != NULL;
}

// Hidden features of mlp: model.d_mlp, or what its 0 means.
int mlp_width(const fv_model_config *config);

#endif
