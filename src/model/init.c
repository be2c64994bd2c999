// Initial parameters: every tensor has its own stream of random numbers, so that it does not depend
// on what else the model holds.
#include "model/layers.h"
#include "model/normalisers.h"

#include <math.h>

// Half-width of a uniform or standard deviation of a normal distribution.
typedef struct spread {
    bool normal;
    double size;
} spread;

// Maps into the stream: GPT-2 has two a block and scales by 1 / sqrt(2 blocks).
static int count_outputs(const fv_model *model) {
    int n = 0;
    for (int i = 0; i < model->n_tensors; i++) n += model->params[i].init == FV_INIT_OUTPUT;
    return n;
}

static spread spread_of(const fv_model *model, const model_param *param) {
    const fv_model_config *config = &model->config.model;
    bool bias = param->init == FV_INIT_BIAS;
    if (param->init == FV_INIT_FAN_IN) return (spread){false, 1 / sqrt(param->fan_in)};
    switch (config->init) {
    case FV_INIT_NORMAL:
        return (spread){true, bias ? 0 : config->init_sigma};
    case FV_INIT_GPT2: {
        double size = param->init == FV_INIT_OUTPUT ? 0.02 / sqrt(count_outputs(model)) : 0.02;
        return (spread){true, bias ? 0 : size};
    }
    default: // posts and uniform; the fan_in of an embedding is its width
        if (param->init == FV_INIT_EMBEDDING && config->init == FV_INIT_POSTS)
            return (spread){true, config->embedding_sigma};
        return (spread){false, 1 / sqrt(param->fan_in)};
    }
}

// The bias that makes a step of exp(U(log 1e-3, log 1e-1)): the inverse of softplus there.
static double time_step_bias(random_source *random) {
    double step = exp(log(1e-3) + random_uniform(random) * (log(1e-1) - log(1e-3)));
    return step + log(-expm1(-step));
}

void model_init_tensor(const fv_model *model, int i, uint64_t seed, uint32_t draw, float *values) {
    const model_param *param = &model->params[i];
    spread s = spread_of(model, param);
    random_source random;
    random_init(&random, seed, FV_STREAM_INIT, (uint32_t)i, draw);
    for (size_t k = 0; k < model->tensors[i].size; k++) {
        double value;
        switch (param->init) {
        case FV_INIT_ZERO:
            value = 0;
            break;
        case FV_INIT_ONE:
            value = 1;
            break;
        case FV_INIT_LOG_POWER:
            value = log(model->config.model.score_power);
            break;
        case FV_INIT_ALPHA:
            value = normaliser_alpha_logit(model->config.model.entmax_alpha);
            break;
        case FV_INIT_TIME_STEP:
            value = time_step_bias(&random);
            break;
        case FV_INIT_LOG_COLUMN:
            value = log(1.0 + (double)(k % (size_t)param->fan_in));
            break;
        default:
            value = s.normal ? s.size * random_normal(&random)
                             : s.size * (2 * random_uniform(&random) - 1);
        }
        values[k] = param_is_learned(param, k) ? (float)value : 0;
    }
}

void fv_model_init_params(const fv_model *model, uint64_t seed, float *params) {
    for (int i = 0; i < model->n_tensors; i++)
        model_init_tensor(model, i, seed, 0, params + model->tensors[i].offset);
}
