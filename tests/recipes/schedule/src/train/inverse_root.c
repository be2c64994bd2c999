// The schedule of Vaswani et al. (2017) behind the warm-up: 1 / sqrt(steps).
#include "train/optimizer.h"

#include <math.h>

static double factor(const fv_train_config *config, int step, double share) {
    (void)config, (void)share;
    return 1 / sqrt(step + 1.0);
}

const schedule_type schedule_inverse_root = {
    .part =
        {
            .help = "one over the root of the steps",
            .example = "train: {schedule: inverse_root, learning_rate: 0.01}",
        },
    .factor = factor,
};
