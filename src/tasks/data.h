// Batches of a task, with the sample in the lane. A sequence depends on (seed, stream, step,
// sample) alone, never on who asks for it.
#ifndef TASKS_DATA_H
#define TASKS_DATA_H

#include "tasks/task_type.h"

typedef struct task_data {
    fv_task_config config;   // of training data
    fv_task_config held_out; // of test data
    const task_type *task;
    uint64_t seed;
    int n_loss;           // loss positions
    int n_targets;        // of a sequence, at most n_loss
    int *loss_positions;  // [n_loss]
    task_weights weights; // what fill draws from
    int32_t *fixed;       // [n_train][T + n_loss], fixed data only
} task_data;

// With `training` the fixed training set is made, if the task has one.
fv_status data_create(const fv_task_config *config, uint64_t seed, bool training, task_data *data,
                      fv_error *error);
void data_free(task_data *data);

// Sequences first_group * 16 ... of a step: tokens [G][T][16], targets [G][n_loss][16]. Lanes at
// and after sample n_samples have targets -1.
void data_batch(const task_data *data, random_stream stream, uint32_t step, int first_group,
                int n_groups, int n_samples, int32_t *tokens, int32_t *targets);

#endif
