#include "tasks/task_type.h"

#include <fovea/task.h>
#include <math.h>

#define FV_PART_TASK(NAME, name) extern const task_type task_##name;
#include <fovea/fields.def>

const config_part *const FV_PARTS_OF_TASK[] = {
#define FV_PART_TASK(NAME, name) &task_##name.part,
#include <fovea/fields.def>
};

static const task_type *const tasks[] = {
#define FV_PART_TASK(NAME, name) &task_##name,
#include <fovea/fields.def>
};

const char *FV_LACKS_OF_TASK(int kind) {
    const task_type *task = tasks[kind];
    if (task->loss_positions == NULL) return "loss_positions";
    return task->fill == NULL && task->answer == NULL ? "fill, nor .answer" : NULL;
}

const task_type *task_of(const fv_task_config *config) {
    return tasks[config->name];
}

int task_only_length(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->only_length ? task->only_length(config) : 0;
}

int task_inputs(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->n_inputs ? task->n_inputs(config) : 0;
}

int task_outputs(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->n_outputs ? task->n_outputs(config) : 0;
}

bool task_repeats(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->repeats && task->repeats(config);
}

static bool hides(int kind) {
    const config_part *part = FV_PARTS_OF_TASK[kind];
    for (int i = 0; i < FV_PART_READS; i++)
        if (part->reads[i] == FV_READS(task.depth)) return true;
    return false;
}
static bool has_one_length(int kind) {
    return tasks[kind]->only_length != NULL;
}
static bool may_repeat(int kind) {
    return tasks[kind]->repeats != NULL;
}

bool task_hides(const fv_task_config *config) {
    return hides(config->name);
}

void tasks_that_hide(char *text, size_t size) {
    parts_that("task.name", hides, " and ", text, size);
}
void tasks_of_one_length(char *text, size_t size) {
    parts_that("task.name", has_one_length, " and ", text, size);
}
void tasks_that_repeat(char *text, size_t size) {
    parts_that("task.name", may_repeat, " or ", text, size);
}

double task_no_loss(const fv_task_config *config) {
    (void)config;
    return 0;
}

uint64_t fv_task_seed(const fv_config *config) {
    return (uint64_t)(config->task.seed >= 0 ? config->task.seed : config->train.seed);
}

double fv_task_bayes_loss(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->bayes_loss ? task->bayes_loss(config) : NAN;
}

double fv_task_blind_loss(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->blind_loss ? task->blind_loss(config) : NAN;
}
