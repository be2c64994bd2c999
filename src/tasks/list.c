#include "tasks/task_type.h"

#include <fovea/task.h>
#include <math.h>

#define FV_PART_TASK(NAME, name) extern const fv_task fv_task_##name;
#include <fovea/fields.def>

const fv_part *const FV_PARTS_OF_TASK[] = {
#define FV_PART_TASK(NAME, name) &fv_task_##name.part,
#include <fovea/fields.def>
};

const fv_task *fv_task_of(const fv_task_config *config) {
    static const fv_task *const tasks[] = {
#define FV_PART_TASK(NAME, name) &fv_task_##name,
#include <fovea/fields.def>
    };
    return tasks[config->name];
}

int fv_task_only_length(const fv_task_config *config) {
    const fv_task *task = fv_task_of(config);
    return task->only_length ? task->only_length(config) : 0;
}

bool fv_task_repeats(const fv_task_config *config) {
    const fv_task *task = fv_task_of(config);
    return task->repeats && task->repeats(config);
}

double fv_task_no_loss(const fv_task_config *config) {
    (void)config;
    return 0;
}

double fv_task_bayes_loss(const fv_task_config *config) {
    const fv_task *task = fv_task_of(config);
    return task->bayes_loss ? task->bayes_loss(config) : NAN;
}

double fv_task_blind_loss(const fv_task_config *config) {
    const fv_task *task = fv_task_of(config);
    return task->blind_loss ? task->blind_loss(config) : NAN;
}
