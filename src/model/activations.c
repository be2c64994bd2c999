// The nonlinearities of mlp. The formulas are the kernels' (kernel_activation).
#include "model/activations.h"

const activation_type activation_relu = {
    .part = {.help = "max(x, 0)", .example = "model: {layers: [attention, mlp], activation: relu}"},
    .kernel = FV_KERNEL_RELU,
};

const activation_type activation_gelu = {
    .part = {.help = "x times the normal distribution function of x, by its tanh form",
             .example = "model: {layers: [attention, mlp], activation: gelu}"},
    .kernel = FV_KERNEL_GELU,
    .exps = 1,
};

const activation_type *activation_type_of(int kind) {
    static const activation_type *const types[] = {
#define FV_PART_ACTIVATION(NAME, name) &activation_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}
