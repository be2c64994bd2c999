// Student's t: weights proportional to (1 + |q - k|^2)^-scale, with tails as long as t-SNE's (van
// der Maaten & Hinton, 2008). The formula is the kernels' (kernels/score_formulas.h).
#include "model/scores.h"

static real scale(const fv_model_config *config, int d_head) {
    (void)config;
    return 1 / real_sqrt((real)d_head);
}

const score_type score_student = {
    .part =
        {
            .help = "weights proportional to (1 + |q - k|^2)^(-1 / sqrt(d_head))",
            .example = "model: {score: student}",
        },
    .scale = scale,
};
