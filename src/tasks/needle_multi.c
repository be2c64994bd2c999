// Several needles: n_pairs different keys with n_values needles each, of which n_queries keys are
// asked for.
//
//   n_pairs 2, n_values 2, n_queries 1:    . k a . k' b . k' c k d . | k a -> d
//                                          targets: a at the second-last token, d at the last
//
// RULER's multi-key (n_pairs above n_queries: the other keys distract), multi-value and multi-query
// needles in tokens, as src/tasks/needles.c lays them out. The first key asked for has a needle at
// task.depth; all others stand anywhere. Bayes-optimal loss: 0.
#include "tasks/needles.h"

static task_needles needles(const fv_task_config *config) {
    return (task_needles){config->n_pairs, config->n_values, config->n_queries};
}

static int loss_positions(const fv_task_config *config, int *positions) {
    return haystack_positions(config, needles(config), positions);
}

static void fill(const task_fill *fill) {
    haystack_fill(fill, needles(fill->config));
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int n_keys = task->vocab_size / 2, tail = task->n_queries * task->n_values;
    int needed = 2 * task->n_pairs * task->n_values + tail;
    if (task->n_pairs > n_keys)
        return check_refuse(
            c, "task.n_pairs",
            "task.n_pairs %d needs as many different keys, and task.vocab_size %d has %d",
            task->n_pairs, task->vocab_size, n_keys);
    if (task->n_queries > task->n_pairs)
        return check_refuse(
            c, "task.n_queries",
            "task.n_queries %d asks for more keys than there are; task.n_pairs %d allows "
            "1 to %d",
            task->n_queries, task->n_pairs, task->n_pairs);
    if (task->context_length < needed)
        return check_refuse(
            c, "task.context_length",
            "task.context_length %d does not hold the needles and questions; n_pairs %d, "
            "n_values %d and n_queries %d need %d tokens or more",
            task->context_length, task->n_pairs, task->n_values, task->n_queries, needed);
    return FV_OK;
}

const task_type task_needle_multi = {
    .part = {.help = "the values of several of the keys hidden in filler, as RULER's multi-key, "
                     "multi-value "
                     "and multi-query",
             .example = "task: {name: needle_multi, n_pairs: 4, n_queries: 2, context_length: 32, "
                        "vocab_size: 32}",
             .reads = {FV_READS(task.n_pairs), FV_READS(task.depth), FV_READS(task.n_values),
                       FV_READS(task.n_queries)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
