// Batches of a task, with the sample in the lane. Reals lie where tokens do, as the bits of float32:
// n_in words of a sequence, n_out of its targets. A sequence depends on (seed, stream, step,
// sample) alone, never on who asks for it.
#ifndef TASKS_DATA_H
#define TASKS_DATA_H

#include "tasks/custom.h"
#include "tasks/file.h"
#include "tasks/task_type.h"

typedef struct task_data {
    fv_task_config config;   // of training data
    fv_task_config held_out; // of test data
    const task_type *task;
    uint64_t seed;
    int n_loss;           // loss positions
    int n_inputs;         // reals of a position; 0: a token
    int n_outputs;        // reals of a target; 0: a token
    int n_in, n_out;      // words of a sequence, T or T * n_inputs; and of its targets
    int n_targets;        // of a sequence, at most n_loss
    int *loss_positions;  // [n_loss]
    task_weights weights; // what fill draws from
    const void *own;      // what the task made for it (task_type.own_create)
    int32_t *fixed;       // [n_train][n_in + n_out], fixed data only
    int32_t *test;     // [n_test][n_in + n_out], where test sequences are no draws of this library
    bool borrowed;     // these two are a file's
    custom_feed *feed; // of a custom task's fresh data, once data_feed has been called
    double mean_targets; // of a sequence, where they differ: of `fixed`,
    double test_targets; // and of `test`
} task_data;

// With `training` the fixed training set is made, if the task has one.
fv_status data_create(const fv_task_config *config, uint64_t seed, bool training, task_data *data,
                      fv_error *error);

// Training data of a custom task that is not fixed are made for these steps, ahead of them; of other
// tasks nothing is done. With that, data_take waits for the sequences of a step, in turn.
fv_status data_feed(task_data *data, int batch_size, int n_steps, fv_error *error);
fv_status data_take(task_data *data, uint32_t step, fv_error *error);

// How many targets a batch has: of a step that was taken, or of n_samples held-out sequences.
double data_n_targets(const task_data *data, random_stream stream, int n_samples);

void data_free(task_data *data);

// Sequences first_group * 16 ... of a step: tokens [G][n_in][16], targets [G][n_out][16]. Lanes at
// and after sample n_samples have targets -1.
void data_batch(const task_data *data, random_stream stream, uint32_t step, int first_group,
                int n_groups, int n_samples, int32_t *tokens, int32_t *targets);

#endif
