#include "tasks/task.h"

extern const fv_task fv_task_copy;

const fv_task *fv_task_of(const fv_task_config *config) {
    static const fv_task *const tasks[FV_TASK_COUNT] = {
        [FV_TASK_COPY] = &fv_task_copy,
    };
    return tasks[config->name];
}
