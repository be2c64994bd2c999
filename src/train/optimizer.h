// Update rules and learning-rate schedules: one descriptor each.
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "config/part.h"
#include "kernels/kernels.h"

#include <fovea/train.h>

// The learning rate of a step (from 0): a linear rise over warmup_steps, then the schedule.
double schedule_rate(const fv_train_config *config, int step);

typedef struct train_span {
    size_t offset, size;
} train_span;

typedef struct train_optimizer {
    const fv_train_config *config;
    size_t n;             // parameters, padded to a multiple of 16; the padding stays 0
    real *params, *m, *v; // m: first moment or velocity; v: second moment
    real *rate_scale;     // factors of the learning rate, or NULL
    void *own;            // what the update rule has for itself
    int first_step;       // since which the moments are kept
    int n_frozen;         // tensors without a gradient,
    train_span *frozen;   // [n_frozen]
} train_optimizer;

// What the update rule needs beside the arrays above, which are in place; FV_USAGE where it does not
// take the model. optimizer_close frees it, and does nothing where there is nothing.
fv_status optimizer_open(train_optimizer *optimizer, const fv_model *model, fv_error *error);
void optimizer_close(train_optimizer *optimizer);

// What the update rule carries from step to step beside params, m and v: [n], or NULL.
real *optimizer_carried(const train_optimizer *optimizer);

// What layer i of the list added to the loss of the last step for itself, and its index among its kind; NAN
// where it adds nothing.
double trainer_own_loss(const fv_trainer *t, int i, int *index);

// Takes over the moments of another optimizer of the same model and the same update rule.
void optimizer_keep(train_optimizer *optimizer, const train_optimizer *from);

// Begins the stage of train.stages that holds from the next step on; *entered where there is one. The model
// is another one then, of the same parameters.
fv_status trainer_enter_stage(fv_trainer *trainer, bool *entered, fv_error *error);

// The configuration of the stage that is under way.
const fv_config *trainer_config(const fv_trainer *trainer);

// One update from the gradient, which clipping may scale in place and in which that of frozen tensors
// becomes 0.
void optimizer_step(const train_optimizer *optimizer, const kernel_set *kernels, int step,
                    real *gradient);

typedef struct optimizer_type {
    config_part part;
    // The update of a step (from 0) at a learning rate.
    void (*step)(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                 const real *gradient);
    // Makes o->own and frees it. NULL: it has nothing of its own.
    fv_status (*create)(train_optimizer *o, const fv_model *model, fv_error *error);
    void (*free)(train_optimizer *o);
    // What it carries from step to step of its own, [n]. NULL: params, m and v are all.
    real *(*carried)(const train_optimizer *o);
    bool decoupled; // it applies train.weight_decay itself; else that is an L2 penalty
} optimizer_type;

// The update of adam and adamw at a learning rate, the decay being that of a step.
void adam_update(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                 double decay, const real *gradient);

typedef struct schedule_type {
    config_part part;
    // The factor of the learning rate `step` steps behind the warm-up, `share` of what is left.
    double (*factor)(const fv_train_config *config, int step, double share);
} schedule_type;

#define FV_PART_OPTIMIZER(NAME, name) extern const optimizer_type optimizer_##name;
#define FV_PART_SCHEDULE(NAME, name)  extern const schedule_type schedule_##name;
#include <fovea/fields.def>

#endif
