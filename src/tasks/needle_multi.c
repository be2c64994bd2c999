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

static fv_needles needles(const fv_task_config *config) {
    return (fv_needles){config->n_pairs, config->n_values, config->n_queries};
}

static int loss_positions(const fv_task_config *config, int *positions) {
    return fv_haystack_positions(config, needles(config), positions);
}

static void fill(const fv_fill *fill) {
    fv_haystack_fill(fill, needles(fill->config));
}

const fv_task fv_task_needle_multi = {
    .help = "the values of several of the keys hidden in filler, as RULER's multi-key, multi-value "
            "and multi-query",
    .example =
        "task: {name: needle_multi, n_pairs: 4, n_queries: 2, context_length: 32, vocab_size: 32}",
    .loss_positions = loss_positions,
    .fill = fill,
    .bayes_loss = fv_task_no_loss,
};
