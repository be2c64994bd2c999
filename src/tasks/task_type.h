// A task: which tokens a sequence holds and what the model must answer where. One file a task;
// data.h turns tasks into batches.
#ifndef TASKS_TASK_TYPE_H
#define TASKS_TASK_TYPE_H

#include "config/part.h"
#include "tasks/draw.h"

// What one sequence is filled from, and where it goes: token t to tokens[t * stride], the target of
// loss position i to targets[i * stride]; of reals each position and target has several. Targets are -1 (none) where fill does not set them.
typedef struct task_fill {
    const fv_task_config *config;
    const task_weights *weights; // the task's own, or those of task.distribution
    const void *own;             // what own_create made
    random_source *random;
    int32_t *tokens, *targets;
    int stride;
} task_fill;

typedef struct task_type {
    config_part part; // help: what must be predicted

    // The one length that its sequences have, from other fields. NULL: any.
    int (*only_length)(const fv_task_config *config);

    // Real numbers of a position in place of its token, and of a target; fill puts the bits of a float
    // where a token goes (tasks/reals.h). NULL: 0, they are tokens.
    int (*n_inputs)(const fv_task_config *config);
    int (*n_outputs)(const fv_task_config *config);

    // Whether training repeats what held-out data does not. NULL: never.
    bool (*repeats)(const fv_task_config *config);

    // Positions whose prediction is scored, increasing, into positions [context_length]; returns
    // how many.
    int (*loss_positions)(const fv_task_config *config, int *positions);

    // How many of a sequence's loss positions have a target, where that is not all of them.
    int (*n_targets)(const fv_task_config *config);

    // Unnormalised weights that fill draws from, n_weights of them. NULL: those of
    // task.distribution over the vocabulary.
    int (*n_weights)(const fv_task_config *config);
    double (*weight)(const fv_task_config *config, int i);

    // What fill reads beside that, made once for the data of a configuration; own_free takes it back
    // and may be given NULL. NULL: nothing.
    fv_status (*own_create)(const fv_task_config *config, const void **own, fv_error *error);
    void (*own_free)(const void *own);

    // Fills one sequence. NULL: tokens are independent draws from task.distribution.
    void (*fill)(const task_fill *fill);

    // The targets of sixteen sequences: tokens [T][16] -> targets [n_loss_positions][16], -1 for
    // none. NULL: fill knows them.
    void (*answer)(const fv_task_config *config, const int32_t *tokens, int32_t *targets);

    // Turns the configuration of training data into that of held-out data. NULL: they are the same.
    void (*hold_out)(fv_task_config *config);

    // How far in front of the query the answer stands; -1 where that differs from sequence to
    // sequence. NULL: it always does.
    int (*distance)(const fv_task_config *config);

    // The position that the last one must attend to. NULL: the one in front of it.
    int (*attended)(const fv_task_config *config);

    // Its sequences are drawn by the calling program or lie in a file: data.c asks `fill` for none.
    bool foreign;

    bool asks_numbers; // what tokens mean as numbers, not only which are the same

    // See include/fovea/task.h. NULL: unknown.
    double (*bayes_loss)(const fv_task_config *config);
    double (*blind_loss)(const fv_task_config *config);
} task_type;

// The task of config->name; every one is a line of include/fovea/parts/tasks.def.
const task_type *task_of(const fv_task_config *config);

// Whether it hides something at a depth: tasks that read task.depth. And those of them that there
// are: "needle, needle_multi and position".
bool task_hides(const fv_task_config *config);
void tasks_that_hide(char *text, size_t size);

// bayes_loss of tasks whose targets follow from their tokens.
double task_no_loss(const fv_task_config *config);

#endif
