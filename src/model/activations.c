#include "model/activations.h"

#define FV_ACTIVATION(NAME, name, help_, theirs_, exps_, g, value, slope)                          \
    static const activation_type activation_##name = {                                             \
        .part = {.help = help_,                                                                    \
                 .example = "model: {layers: [attention, mlp], activation: " #name "}"},           \
        .theirs = theirs_,                                                                         \
        .exps = exps_,                                                                             \
    };                                                                                             \
    _Static_assert((int)FV_ACTIVATION_##NAME == (int)FV_KERNEL_##NAME, "activations in one "       \
                                                                       "order");
#include <fovea/fields.def>

const activation_type *activation_type_of(int kind) {
    static const activation_type *const types[] = {
#define FV_PART_ACTIVATION(NAME, name) &activation_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const config_part *const FV_PARTS_OF_ACTIVATION[] = {
#define FV_PART_ACTIVATION(NAME, name) &activation_##name.part,
#include <fovea/fields.def>
};

// Nothing: an activation that lacks one of its words does not compile.
const char *FV_LACKS_OF_ACTIVATION(int kind) {
    (void)kind;
    return NULL;
}
