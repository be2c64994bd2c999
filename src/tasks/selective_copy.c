// Selective copying: n_copy tokens scattered over blanks, to be repeated in their order at the end.
//
//   . 3 . . 1 . 4 . | > > >      targets 3 1 4 at the markers
//
// After Gu and Dao, "Mamba" (arXiv 2312.00752), appendix E.1, in the form of MAD (arXiv
// 2403.17844): the blank is token V - 2, the marker V - 1, data are uniform over the rest, and
// every choice of places is equally likely. Bayes-optimal loss: 0.
#include "tasks/task_type.h"

static int loss_positions(const fv_task_config *config, int *positions) {
    for (int i = 0; i < config->n_copy; i++)
        positions[i] = config->context_length - config->n_copy + i;
    return config->n_copy;
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int stride = fill->stride, n_body = config->context_length - config->n_copy;
    int32_t blank = config->vocab_size - 2, marker = config->vocab_size - 1;
    for (int t = 0; t < config->context_length; t++)
        fill->tokens[t * stride] = t < n_body ? blank : marker;
    for (int i = 0; i < config->n_copy;) {
        int place = (int)random_below(fill->random, (uint32_t)n_body);
        if (fill->tokens[place * stride] != blank) continue;
        fill->tokens[place * stride] = (int32_t)random_below(fill->random, (uint32_t)blank);
        i++;
    }
    int32_t *target = fill->targets;
    for (int t = 0; t < n_body; t++) {
        if (fill->tokens[t * stride] == blank) continue;
        *target = fill->tokens[t * stride];
        target += stride;
    }
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->vocab_size < 3)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d holds the blank and the marker of task.name "
                            "selective_copy and no data; it needs 3 or more",
                            task->vocab_size);
    if (task->context_length < 2 * task->n_copy)
        return check_refuse(
            c, "task.n_copy",
            "task.n_copy %d tokens and as many markers do not fit task.context_length "
            "%d; it allows 1 to %d",
            task->n_copy, task->context_length, task->context_length / 2);
    return FV_OK;
}

const task_type task_selective_copy = {
    .part = {.help = "n_copy tokens scattered over blanks, in their order",
             .example =
                 "task: {name: selective_copy, n_copy: 4, context_length: 32, vocab_size: 16}",
             .reads = {FV_READS(task.n_copy)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
