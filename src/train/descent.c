// Gradient descent, plain and with momentum.
#include "train/optimizer.h"

// velocity = momentum * velocity + gradient. Velocities and parameters that die out become 0
// (kernels/common.h).
static void descend(const train_optimizer *o, double rate, real momentum, const real *gradient) {
    real r = (real)rate;
    for (size_t i = 0; i < o->n; i++) {
        real rate_here = o->rate_scale ? r * o->rate_scale[i] : r;
        o->m[i] = kernel_flush(momentum * o->m[i] + gradient[i], FV_LEAST);
        o->params[i] = kernel_flush(o->params[i] - rate_here * o->m[i], FV_LEAST);
    }
}

static void plain(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                  const real *gradient) {
    (void)kernels, (void)step;
    descend(o, rate, 0, gradient);
}

static void heavy_ball(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                       const real *gradient) {
    (void)kernels, (void)step;
    descend(o, rate, (real)o->config->momentum, gradient);
}

const optimizer_type optimizer_sgd = {
    .part = {.help = "gradient descent", .example = "train: {optimizer: sgd, learning_rate: 0.1}"},
    .step = plain,
};

static void settle(fv_config *c) {
    fv_train_config *train = &c->train;
    if (train->optimizer == FV_OPTIMIZER_MOMENTUM && train->momentum == 0)
        train->optimizer = FV_OPTIMIZER_SGD;
}

const optimizer_type optimizer_momentum = {
    .part = {.help = "gradient descent with a velocity, the heavy ball",
             .example = "train: {optimizer: momentum, momentum: 0.9, learning_rate: 0.01}",
             .reads = {FV_READS(train.momentum)},
             .same = {{"train.optimizer", settle,
                       "they differ by a weight_decay or momentum that is 0", NULL}}},
    .step = heavy_ball,
};
