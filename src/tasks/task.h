// A task: which tokens a sequence holds and what the model must answer where. One file a task; data.h
// turns tasks into batches.
#ifndef TASKS_TASK_H
#define TASKS_TASK_H

#include "base/random.h"

#include <fovea/config.h>

typedef struct fv_task {
    // Positions whose prediction is scored, increasing, into positions [context_length]; returns how
    // many.
    int (*loss_positions)(const fv_task_config *config, int *positions);

    // Fills one sequence: token t at tokens[t * stride]. NULL: tokens are independent draws from
    // task.distribution.
    void (*fill)(const fv_task_config *config, fv_random *random, int32_t *tokens, int stride);

    // The targets of sixteen sequences: tokens [T][16] -> targets [n_loss_positions][16], -1 for none.
    void (*answer)(const fv_task_config *config, const int32_t *tokens, int32_t *targets);
} fv_task;

// The task of config->name; every one is listed in FV_TASK_LIST (fields.h) and in list.c.
const fv_task *fv_task_of(const fv_task_config *config);

#endif
