// Update rules and learning-rate schedules.
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "kernels/kernels.h"

#include <fovea/config.h>

// The learning rate of a step (from 0): a linear rise over warmup_steps, then the schedule.
double fv_learning_rate(const fv_train_config *config, int step);

typedef struct fv_optimizer {
    const fv_train_config *config;
    size_t n;             // parameters, padded to a multiple of 16; the padding stays 0
    real *params, *m, *v; // m: first moment or velocity; v: second moment
    real *rate_scale;     // factors of the learning rate, or NULL
} fv_optimizer;

// One update from the gradient, which clipping may scale in place.
void fv_optimizer_step(const fv_optimizer *optimizer, const fv_kernels *kernels, int step,
                       real *gradient);

#endif
