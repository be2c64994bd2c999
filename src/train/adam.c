// Adam (Kingma & Ba, 2015), and AdamW with decoupled weight decay (Loshchilov & Hutter, 2019).
#include "train/optimizer.h"

#include <math.h>

// 1 - beta^n, which is 1 in double precision long before the power is subnormal and slow to
// compute.
static double correction(double beta, int n) {
    return n * log(beta) < -40 ? 1 : 1 - pow(beta, n);
}

void adam_update(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                 double decay, const real *gradient) {
    const fv_train_config *c = o->config;
    double share2 = 1 - c->beta2;
    int age = step - o->first_step + 1; // of the moments
    kernels->adam(&(kernel_adam){.n = o->n,
                                 .params = o->params,
                                 .m = o->m,
                                 .v = o->v,
                                 .gradient = gradient,
                                 .rate_scale = o->rate_scale,
                                 .share1 = (real)(1 - c->beta1),
                                 .share2 = (real)share2,
                                 .least_gradient = (real)sqrt(FV_LEAST_SQUARE / share2),
                                 .rate = (real)(rate / correction(c->beta1, age)),
                                 .root_correction = (real)(1 / sqrt(correction(c->beta2, age))),
                                 .epsilon = (real)c->epsilon,
                                 .decay = (real)decay});
}

static void adam(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                 const real *gradient) {
    adam_update(o, kernels, step, rate, 0, gradient);
}

static void adamw(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                  const real *gradient) {
    adam_update(o, kernels, step, rate, rate * o->config->weight_decay, gradient);
}

// Of a parameter without a gradient, such as that of a token that is not drawn, both moments are 0.
static fv_status check(const config_checking *c, int i) {
    (void)i;
    const double least = 1e-30;
    const fv_train_config *train = &c->config->train;
    if (train->epsilon >= least) return FV_OK;
    return check_refuse(
        c, "train.epsilon",
        "train.epsilon %g leaves adam 0 / 0 for a parameter without a gradient, such as "
        "that of a token that is not drawn; it needs %g or more",
        train->epsilon, least);
}

const optimizer_type optimizer_adam = {
    .part = {.help = "Adam; weight_decay is an L2 penalty",
             .example = "train: {optimizer: adam, learning_rate: 1e-3}",
             .reads = {FV_READS(train.beta1), FV_READS(train.beta2), FV_READS(train.epsilon)},
             .check = check},
    .step = adam,
};

static void settle(fv_config *c) {
    fv_train_config *train = &c->train;
    if (train->optimizer == FV_OPTIMIZER_ADAMW && train->weight_decay == 0)
        train->optimizer = FV_OPTIMIZER_ADAM;
}

const optimizer_type optimizer_adamw = {
    .part = {.help = "Adam with decoupled weight decay",
             .example = "train: {optimizer: adamw, weight_decay: 0.1}",
             .reads = {FV_READS(train.beta1), FV_READS(train.beta2), FV_READS(train.epsilon)},
             .same = {{"train.optimizer", settle,
                       "they differ by a weight_decay or momentum that is 0", NULL}},
             .check = check},
    .step = adamw,
    .decoupled = true,
};
