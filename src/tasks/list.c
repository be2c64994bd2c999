#include "tasks/task_type.h"

#include <fovea/task.h>
#include <math.h>

extern const fv_task fv_task_copy, fv_task_similar, fv_task_recall, fv_task_mqar, fv_task_induction,
    fv_task_selective_copy, fv_task_needle, fv_task_needle_multi, fv_task_kv_retrieval,
    fv_task_position;

const fv_task *fv_task_of(const fv_task_config *config) {
    static const fv_task *const tasks[FV_TASK_COUNT] = {
        [FV_TASK_COPY] = &fv_task_copy,
        [FV_TASK_SIMILAR] = &fv_task_similar,
        [FV_TASK_RECALL] = &fv_task_recall,
        [FV_TASK_MQAR] = &fv_task_mqar,
        [FV_TASK_INDUCTION] = &fv_task_induction,
        [FV_TASK_SELECTIVE_COPY] = &fv_task_selective_copy,
        [FV_TASK_NEEDLE] = &fv_task_needle,
        [FV_TASK_NEEDLE_MULTI] = &fv_task_needle_multi,
        [FV_TASK_KV_RETRIEVAL] = &fv_task_kv_retrieval,
        [FV_TASK_POSITION] = &fv_task_position,
    };
    return tasks[config->name];
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
