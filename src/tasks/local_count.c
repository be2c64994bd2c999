// Local count: how often has this token occurred among the last count_window tokens, itself included?
// The answer k is token k - 1.
//
//   count_window 3:   2 2 0 2 1 2        targets: 0 1 0 1 0 1
//
// A task of this name is one of those of 2506.16640. The window has a length of its own, so that what
// must be counted does not grow with the sequence. With task.loss all every position is scored, with
// last the last one. Bayes-optimal loss: 0.
#include "tasks/task_type.h"

enum { L = 16 };

static int first_query(const fv_task_config *config) {
    return config->loss == FV_LOSS_ALL ? 0 : config->context_length - 1;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0;
    for (int t = first_query(config); t < config->context_length; t++) positions[n++] = t;
    return n;
}

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    for (int t = first_query(config); t < config->context_length; t++, targets += L)
        for (int l = 0; l < L; l++) {
            int from = t - config->count_window + 1, count = 0;
            for (int s = from < 0 ? 0 : from; s < t; s++)
                count += tokens[s * L + l] == tokens[t * L + l];
            targets[l] = count;
        }
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->count_window <= task->vocab_size) return FV_OK;
    return check_refuse(c, "task.count_window",
                        "task.count_window %d counts further than tokens can say; task.vocab_size "
                        "%d allows 1 to %d",
                        task->count_window, task->vocab_size, task->vocab_size);
}

const task_type task_local_count = {
    .part = {.help = "how often a token has occurred among the last count_window tokens",
             .example = "task: {name: local_count, count_window: 4, context_length: 16, "
                        "vocab_size: 8}",
             .reads = {FV_READS(task.count_window), FV_READS(task.loss),
                       FV_READS(task.distribution)},
             .check = check},
    .loss_positions = loss_positions,
    .answer = answer,
    .bayes_loss = task_no_loss,
};
