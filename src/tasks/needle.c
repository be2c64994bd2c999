// A needle in a haystack: one pair of a key and its value in filler, the key again at the end; the
// answer is the value.
//
//   . . . k v . . . . . k -> v
//
// The task of Kamradt's "needle in a haystack" (2023) in tokens, as src/tasks/needles.c lays it
// out; it stands task.depth percent of the way through the filler. One key is all there is to find:
// the token behind the only one of the lower half. Bayes-optimal loss: 0.
#include "tasks/needles.h"

static const task_needles ONE = {.n_keys = 1, .n_values = 1, .n_queries = 1};

static int loss_positions(const fv_task_config *config, int *positions) {
    return haystack_positions(config, ONE, positions);
}

static void fill(const task_fill *fill) {
    haystack_fill(fill, ONE);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->context_length >= 3) return FV_OK;
    return check_refuse(
        c, "task.context_length",
        "task.context_length %d holds no needle and its question; task.name needle needs "
        "3 or more",
        task->context_length);
}

const task_type task_needle = {
    .part = {.help =
                 "the value of the one key that is hidden in filler, `depth` percent of the way",
             .example = "task: {name: needle, vocab_size: 32, context_length: 32}",
             .reads = {FV_READS(task.depth)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
