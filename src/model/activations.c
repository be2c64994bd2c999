#include "model/activations.h"

#define PART(name, help_)                                                                          \
    { .help = help_, .example = "model: {layers: [attention, mlp], activation: " #name "}" }
#define FV_ACTIVATION(NAME, name, help_, theirs_, exps_, g, value, slope)                          \
    static const activation_type activation_##name = {                                             \
        .part = PART(name, help_),                                                                 \
        .kernel = FV_KERNEL_##NAME,                                                                \
        .theirs = theirs_,                                                                         \
        .exps = exps_,                                                                             \
    };
#define FV_GATED(NAME, name, help_, gate_)                                                         \
    static const activation_type activation_##name = {.part = PART(name, help_),                   \
                                                      .gate = &activation_##gate_};
#include <fovea/fields.def>
#undef PART

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

// Three maps of 8/3 d have as many weights as two of 4 d.
int mlp_width(const fv_model_config *config) {
    if (config->d_mlp > 0) return config->d_mlp;
    int d = config->n_embd;
    return activation_is_gated(config->activation) ? (8 * d + 1) / 3 : 4 * d;
}
