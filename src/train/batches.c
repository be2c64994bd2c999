// The training data of a run without its training: what train/trainer.c feeds to a model.
#include "base/arena.h"
#include "config/stages.h"
#include "kernels/kernels.h"
#include "tasks/data.h"

#include <fovea/config.h>
#include <fovea/task.h>
#include <fovea/train.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

static fv_status check(const fv_config *config, int first, int n, fv_error *error) {
    const fv_task_config *task = &config->task;
    if (task_inputs(task) > 0 || task_outputs(task) > 0)
        return fv_fail(error, FV_USAGE,
                       "task.name %s has reals, and batches are handed out as tokens",
                       fv_field_find("task.name")->choices[task->name]);
    if (first < 0 || n < 1 || first > config->train.steps - n)
        return fv_fail(error, FV_USAGE, "there are no steps %d to %lld; the run has 0 to %d", first,
                       (long long)first + n - 1, config->train.steps - 1);
    if (task->length_min == 0 && task->length_max == 0) return FV_OK;
    return fv_fail(
        error, FV_USAGE,
        "the run draws a length at every step (task.length_min), so that its batches are no "
        "single array");
}

static fv_status refuse_stage(int step, fv_error *error) {
    return fv_fail(
        error, FV_USAGE,
        "the stage that holds from step %d on has batches of another shape "
        "(train.batch_size, task.loss) than the run begins with, so that its batches are no "
        "single array",
        step);
}

// One step's groups out of their lanes.
static void take_step(const task_data *data, uint32_t step, int n_samples, int32_t *lanes,
                      int32_t *tokens, int32_t *targets) {
    size_t T = (size_t)data->n_in, n_loss = (size_t)data->n_out;
    for (int g = 0; g * L < n_samples; g++) {
        data_batch(data, FV_STREAM_TRAIN, step, g, 1, n_samples, lanes, lanes + T * L);
        for (int l = 0; l < L && g * L + l < n_samples; l++) {
            size_t row = (size_t)g * L + (size_t)l;
            for (size_t t = 0; t < T; t++) tokens[row * T + t] = lanes[t * L + (size_t)l];
            for (size_t t = 0; t < n_loss; t++)
                targets[row * n_loss + t] = lanes[(T + t) * L + (size_t)l];
        }
    }
}

// Of steps in one stage, whose configuration it is; `whole` is the data of the run's beginning, whose shape
// the arrays have.
static fv_status stage_batches(const fv_config *config, const task_data *whole, int first_step,
                               int n_steps, int32_t *tokens, int32_t *targets, fv_error *error) {
    task_data data = {0};
    fv_status status = check(config, first_step, n_steps, error);
    if (status == FV_OK)
        status = data_create(&config->task, fv_task_seed(config), true, &data, error);
    if (status != FV_OK) return status;
    int n = config->train.batch_size;
    size_t T = (size_t)data.n_in, n_loss = (size_t)data.n_out;
    int32_t *lanes = aligned_alloc(FV_ALIGNMENT, (T + n_loss) * L * sizeof *lanes);
    if (data.n_loss != whole->n_loss) status = refuse_stage(first_step, error);
    if (status == FV_OK) status = data_feed(&data, n, config->train.steps, error);
    if (lanes == NULL && status == FV_OK)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for batches");
    for (int i = 0; i < n_steps && status == FV_OK; i++) {
        size_t row = (size_t)i * (size_t)n;
        status = data_take(&data, (uint32_t)(first_step + i), error);
        if (status == FV_OK)
            take_step(&data, (uint32_t)(first_step + i), n, lanes, tokens + row * T,
                      targets + row * n_loss);
    }
    free(lanes);
    data_free(&data);
    return status;
}

// Sequences of all stages that the steps reach into lie one behind the other.
fv_status fv_training_batches(const fv_config *config, int first_step, int n_steps, int32_t *tokens,
                              int32_t *targets, fv_error *error) {
    task_data whole = {0};
    fv_status status = check(config, first_step, n_steps, error);
    if (status == FV_OK)
        status = data_create(&config->task, fv_task_seed(config), false, &whole, error);
    if (status != FV_OK) return status;
    int last = first_step + n_steps;
    for (int step = first_step; status == FV_OK && step < last;) {
        fv_config here;
        stage_now now;
        status = stages_at(config, step, &here, &now, error);
        if (status == FV_OK && here.train.batch_size != config->train.batch_size)
            status = refuse_stage(step, error);
        int n = (now.next < last ? now.next : last) - step;
        size_t row = (size_t)(step - first_step) * (size_t)config->train.batch_size;
        if (status == FV_OK)
            status = stage_batches(&here, &whole, step, n,
                                   tokens + row * (size_t)config->task.context_length,
                                   targets + row * (size_t)whole.n_loss, error);
        step += n;
    }
    data_free(&whole);
    return status;
}
