#include "model/scores.h"

static real root(const fv_model_config *config, int d_head) {
    (void)config;
    return 1 / real_sqrt((real)d_head);
}

static real beta(const fv_model_config *config, int d_head) {
    (void)d_head;
    return (real)config->score_beta;
}

const score_type score_dot = {
    .part = {.help = "softmax of q.k / sqrt(d_head)", .example = "model: {score: dot}"},
    .scale = root,
};

const score_type score_euclidean = {
    .part = {.help = "softmax of -score_beta |q - k|^2",
             .example = "model: {score: euclidean, score_beta: 2}",
             .reads = {FV_READS(model.score_beta)}},
    .scale = beta,
};

const score_type score_harmonic = {
    .part = {.help = "weights proportional to |q - k|^-score_power",
             .example = "model: {score: harmonic, score_power: 4}",
             .reads = {FV_READS(model.score_power), FV_READS(model.score_floor),
                       FV_READS(model.score_power_learned)}},
    .scale = beta,
};

// Configurations and kernels number scores alike.
#define FV_PART_SCORE(NAME, name)                                                                  \
    _Static_assert((int)FV_SCORE_##NAME == (int)FV_KERNEL_##NAME, "scores in one order");
#include <fovea/fields.def>

const score_type *score_type_of(int kind) {
    static const score_type *const types[] = {
#define FV_PART_SCORE(NAME, name) &score_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}
