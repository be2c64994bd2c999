// Gradient descent, plain and with momentum.
#include "train/optimizer.h"

// velocity = momentum * velocity + gradient. Velocities and parameters that die out become 0
// (kernels/common.h).
static void descend(const fv_optimizer *o, double rate, real momentum, const real *gradient) {
    real r = (real)rate;
    for (size_t i = 0; i < o->n; i++) {
        real rate_here = o->rate_scale ? r * o->rate_scale[i] : r;
        o->m[i] = fv_flush(momentum * o->m[i] + gradient[i], FV_LEAST);
        o->params[i] = fv_flush(o->params[i] - rate_here * o->m[i], FV_LEAST);
    }
}

static void plain(const fv_optimizer *o, const fv_kernels *kernels, int step, double rate,
                  const real *gradient) {
    (void)kernels, (void)step;
    descend(o, rate, 0, gradient);
}

static void heavy_ball(const fv_optimizer *o, const fv_kernels *kernels, int step, double rate,
                       const real *gradient) {
    (void)kernels, (void)step;
    descend(o, rate, (real)o->config->momentum, gradient);
}

const fv_optimizer_type fv_optimizer_sgd = {
    .part = {.help = "gradient descent", .example = "train: {optimizer: sgd, learning_rate: 0.1}"},
    .step = plain,
};

static void settle(fv_config *c) {
    fv_train_config *train = &c->train;
    if (train->optimizer == FV_OPTIMIZER_MOMENTUM && train->momentum == 0)
        train->optimizer = FV_OPTIMIZER_SGD;
}

const fv_optimizer_type fv_optimizer_momentum = {
    .part = {.help = "gradient descent with a velocity, the heavy ball",
             .example = "train: {optimizer: momentum, momentum: 0.9, learning_rate: 0.01}",
             .reads = {FV_READS(train.momentum)},
             .same = {{"train.optimizer", settle,
                       "they differ by a weight_decay or momentum that is 0"}}},
    .step = heavy_ball,
};
