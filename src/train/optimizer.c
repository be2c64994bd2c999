#include "train/optimizer.h"

#include <math.h>

double fv_learning_rate(const fv_train_config *config, int step) {
    double rate = config->learning_rate;
    if (step < config->warmup_steps) return rate * (step + 1) / config->warmup_steps;
    int length = config->steps - config->warmup_steps;
    double share = length > 1 ? (double)(step - config->warmup_steps) / (length - 1) : 0;
    double rest = 1;
    switch (config->schedule) {
    case FV_SCHEDULE_COSINE:
        rest = 0.5 * (1 + cos(3.141592653589793 * share));
        return rate * (config->final_rate + (1 - config->final_rate) * rest);
    case FV_SCHEDULE_LINEAR:
        rest = 1 - share;
        return rate * (config->final_rate + (1 - config->final_rate) * rest);
    case FV_SCHEDULE_STEP:
        return rate *
               pow(config->decay_factor, (step - config->warmup_steps) / config->decay_every);
    default: // constant; and warmup, which has nothing but the rise above
        return rate;
    }
}

static void clip(const fv_optimizer *o, real *gradient) {
    double square = 0;
    for (size_t i = 0; i < o->n; i++) square += (double)gradient[i] * (double)gradient[i];
    double norm = sqrt(square);
    if (!(norm > o->config->clip_norm)) return;
    real factor = (real)(o->config->clip_norm / norm);
    for (size_t i = 0; i < o->n; i++) gradient[i] *= factor;
}

// 1 - beta^n, which is 1 in double precision long before the power is subnormal and slow to
// compute.
static double correction(double beta, int n) {
    return n * log(beta) < -40 ? 1 : 1 - pow(beta, n);
}

static void step_adam(const fv_optimizer *o, const fv_kernels *kernels, int step, double rate,
                      const real *gradient) {
    const fv_train_config *c = o->config;
    double share2 = 1 - c->beta2;
    kernels->adam(&(fv_adam){
        .n = o->n,
        .params = o->params,
        .m = o->m,
        .v = o->v,
        .gradient = gradient,
        .rate_scale = o->rate_scale,
        .share1 = (real)(1 - c->beta1),
        .share2 = (real)share2,
        .least_gradient = (real)sqrt(FV_LEAST_SQUARE / share2),
        .rate = (real)(rate / correction(c->beta1, step + 1)),
        .root_correction = (real)(1 / sqrt(correction(c->beta2, step + 1))),
        .epsilon = (real)c->epsilon,
        .decay = (real)(c->optimizer == FV_OPTIMIZER_ADAMW ? rate * c->weight_decay : 0)});
}

// Plain and heavy-ball descent: velocity = momentum * velocity + gradient. Velocities and
// parameters that die out become 0 (kernels.h).
static void step_descent(const fv_optimizer *o, double rate, const real *gradient) {
    bool heavy = o->config->optimizer == FV_OPTIMIZER_MOMENTUM;
    real momentum = (real)(heavy ? o->config->momentum : 0), r = (real)rate;
    for (size_t i = 0; i < o->n; i++) {
        real rate_here = o->rate_scale ? r * o->rate_scale[i] : r;
        o->m[i] = fv_flush(momentum * o->m[i] + gradient[i], FV_LEAST);
        o->params[i] = fv_flush(o->params[i] - rate_here * o->m[i], FV_LEAST);
    }
}

void fv_optimizer_step(const fv_optimizer *o, const fv_kernels *kernels, int step, real *gradient) {
    const fv_train_config *c = o->config;
    bool adam = c->optimizer == FV_OPTIMIZER_ADAM || c->optimizer == FV_OPTIMIZER_ADAMW;
    if (c->clip_norm > 0) clip(o, gradient);
    if (c->weight_decay > 0 && c->optimizer != FV_OPTIMIZER_ADAMW)
        for (size_t i = 0; i < o->n; i++) gradient[i] += (real)c->weight_decay * o->params[i];
    double rate = fv_learning_rate(c, step);
    if (adam)
        step_adam(o, kernels, step, rate, gradient);
    else
        step_descent(o, rate, gradient);
}
