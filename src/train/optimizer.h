// Update rules and learning-rate schedules: one descriptor each.
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "config/part.h"
#include "kernels/kernels.h"

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

typedef struct fv_optimizer_type {
    fv_part part;
    // The update of a step (from 0) at a learning rate.
    void (*step)(const fv_optimizer *o, const fv_kernels *kernels, int step, double rate,
                 const real *gradient);
    bool decoupled; // it applies train.weight_decay itself; else that is an L2 penalty
} fv_optimizer_type;

typedef struct fv_schedule_type {
    fv_part part;
    // The factor of the learning rate `step` steps behind the warm-up, `share` of what is left.
    double (*factor)(const fv_train_config *config, int step, double share);
} fv_schedule_type;

#define FV_PART_OPTIMIZER(NAME, name) extern const fv_optimizer_type fv_optimizer_##name;
#define FV_PART_SCHEDULE(NAME, name)  extern const fv_schedule_type fv_schedule_##name;
#include <fovea/fields.def>

#endif
