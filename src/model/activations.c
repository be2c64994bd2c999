// The nonlinearities of mlp. The formulas are the kernels' (fv_activation).
#include "model/activations.h"

const fv_activation_type fv_activation_relu = {
    .part = {.help = "max(x, 0)", .example = "model: {layers: [attention, mlp], activation: relu}"},
    .kernel = FV_KERNEL_RELU,
};

const fv_activation_type fv_activation_gelu = {
    .part = {.help = "x times the normal distribution function of x, by its tanh form",
             .example = "model: {layers: [attention, mlp], activation: gelu}"},
    .kernel = FV_KERNEL_GELU,
    .exps = 1,
};

const fv_activation_type *fv_activation_type_of(int kind) {
    static const fv_activation_type *const types[] = {
#define FV_PART_ACTIVATION(NAME, name) &fv_activation_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}
