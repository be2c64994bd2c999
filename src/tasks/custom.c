// The task of the calling program: what it must predict is what that program says. Nothing is known
// of its losses.
#include "tasks/custom.h"
#include "tasks/task_type.h"

#include <fovea/config.h>

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++) positions[n++] = t;
    return n;
}

// Its sequences come from elsewhere: data.c asks for no single one.
static void fill(const task_fill *fill) {
    for (int t = 0; t < fill->config->context_length; t++) fill->tokens[t * fill->stride] = 0;
}

static int n_inputs(const fv_task_config *config) {
    return config->inputs;
}
static int n_outputs(const fv_task_config *config) {
    return config->outputs;
}

static int unknown_distance(const fv_task_config *config) {
    (void)config;
    return -1;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->custom.value[0] == '\0')
        return check_refuse(
            c, "task.custom",
            "task.name custom needs the name of a task that the program defines, as "
            "in task.custom Sums");
    if (task->length_min > 0 || task->length_max > 0)
        return check_refuse(
            c, "task.length_min",
            "sequences of task.name custom have one length, task.context_length; leave "
            "length_min and length_max out");
    return FV_OK;
}

const task_type task_custom = {
    .part = {.help = "a task that the calling program defines: a class in Python",
             .example = "task: {name: custom, custom: Sums, vocab_size: 20, context_length: 8}",
             .reads = {FV_READS(task.custom), FV_READS(task.custom_version), FV_READS(task.loss),
                       FV_READS(task.inputs), FV_READS(task.outputs)},
             .check = check},
    .n_inputs = n_inputs,
    .n_outputs = n_outputs,
    .loss_positions = loss_positions,
    .fill = fill,
    .distance = unknown_distance,
    .foreign = true,
};
