// Sign descent: every parameter goes one rate against its gradient, however steep.
#include "train/optimizer.h"

static void step(const train_optimizer *o, const kernel_set *kernels, int at, double rate,
                 const real *gradient) {
    (void)kernels, (void)at;
    for (size_t i = 0; i < o->n; i++) {
        real here = o->rate_scale ? (real)rate * o->rate_scale[i] : (real)rate;
        real sign = (real)((gradient[i] > 0) - (gradient[i] < 0));
        o->params[i] = kernel_flush(o->params[i] - here * sign, FV_LEAST);
    }
}

const optimizer_type optimizer_sign = {
    .part =
        {
            .help = "one rate against the sign of the gradient",
            .example = "train: {optimizer: sign, learning_rate: 0.01}",
        },
    .step = step,
};
