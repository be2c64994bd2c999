// Induction: a random sequence of `period` tokens, repeated; from its second copy on, the answer is
// the token that came next in the copy before.
//
//   A B C D A B C D      at the second A: B, at the second B: C, ... ; period 4
//
// What Olsson et al., "In-context learning and induction heads" (2022), test heads with. With
// task.loss all every position from the second copy on is scored, with last the last one.
// Bayes-optimal loss: 0.
#include "tasks/task_type.h"

#include <string.h>

enum { L = 16 };

static int period_of(const fv_task_config *config) {
    return config->period > 0 ? config->period : config->context_length / 2;
}

static int first_query(const fv_task_config *config) {
    return config->loss == FV_LOSS_ALL ? period_of(config) : config->context_length - 1;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0;
    for (int t = first_query(config); t < config->context_length; t++) positions[n++] = t;
    return n;
}

static void fill(const task_fill *fill) {
    int period = period_of(fill->config), stride = fill->stride;
    for (int t = 0; t < fill->config->context_length; t++)
        fill->tokens[t * stride] = t < period ? weights_draw(fill->weights, fill->random)
                                              : fill->tokens[(t - period) * stride];
}

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    int period = period_of(config);
    for (int t = first_query(config); t < config->context_length; t++, targets += L)
        memcpy(targets, tokens + (t + 1 - period) * L, L * sizeof *targets);
}

static int distance(const fv_task_config *config) {
    return period_of(config) - 1;
}

static void settle_period(fv_config *c) {
    if (c->task.period == c->task.context_length / 2) c->task.period = 0;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->context_length < 2)
        return check_refuse(
            c, "task.context_length",
            "task.context_length 1 cannot repeat; task.name induction needs 2 or more");
    if (task->period >= task->context_length)
        return check_refuse(
            c, "task.period",
            "task.period %d leaves no repetition in task.context_length %d; it allows 1 "
            "to %d",
            task->period, task->context_length, task->context_length - 1);
    return FV_OK;
}

const task_type task_induction = {
    .part = {.help = "what came next when the sequence was seen before: random tokens, repeated",
             .example = "task: {name: induction, vocab_size: 32, context_length: 16, loss: all}",
             .reads = {FV_READS(task.period), FV_READS(task.loss), FV_READS(task.distribution)},
             .same = {{"task.period", settle_period, "0 is half of the context", NULL}},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .answer = answer,
    .distance = distance,
    .bayes_loss = task_no_loss,
};
