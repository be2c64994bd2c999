// Batches of a task, with the sample in the lane. A sequence depends on (seed, stream, step,
// sample) alone, never on who asks for it.
#ifndef TASKS_DATA_H
#define TASKS_DATA_H

#include "tasks/task_type.h"

typedef struct fv_data {
    fv_task_config config;   // of training data
    fv_task_config held_out; // of test data
    const fv_task *task;
    uint64_t seed;
    int n_loss;          // loss positions
    int n_targets;       // of a sequence, at most n_loss
    int *loss_positions; // [n_loss]
    fv_weights weights;  // what fill draws from
    int32_t *fixed;      // [n_train][T + n_loss], fixed data only
} fv_data;

// With `training` the fixed training set is made, if the task has one.
fv_status fv_data_create(const fv_task_config *config, uint64_t seed, bool training, fv_data *data,
                         fv_error *error);
void fv_data_free(fv_data *data);

// Sequences first_group * 16 ... of a step: tokens [G][T][16], targets [G][n_loss][16]. Lanes at
// and after sample n_samples have targets -1.
void fv_data_batch(const fv_data *data, fv_stream stream, uint32_t step, int first_group,
                   int n_groups, int n_samples, int32_t *tokens, int32_t *targets);

#endif
