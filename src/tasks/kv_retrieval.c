// Key-value retrieval: a context of nothing but pairs, one of whose keys is asked for at the end.
//
//   k1 v1 k2 v2 ... kN vN q -> value of q          N = (T - 1) / 2
//
// The synthetic task of Liu et al., "Lost in the middle" (arXiv 2307.03172), in tokens: the pair
// asked for stands task.depth percent of the way through the pairs, 0 the first and 100 the last.
// Keys are different tokens of the lower half of the vocabulary, values independent draws from the
// upper half. How many pairs there are follows from the length; an even one begins with a value
// that belongs to no key. Bayes-optimal loss: 0. (recall has a fixed number of pairs, one pool for
// both if wanted, and repetition.)
#include "tasks/place.h"

static void fill(const task_fill *fill) {
    int n_tokens = fill->config->context_length, n = (n_tokens - 1) / 2, stride = fill->stride;
    int32_t *first = fill->tokens + (n_tokens - 1 - 2 * n) * stride;
    if (first != fill->tokens) fill->tokens[0] = fill_upper(fill);
    draw_distinct(fill->random, fill->config->vocab_size / 2, n, first, 2 * stride);
    for (int i = 0; i < n; i++) first[(2 * i + 1) * stride] = fill_upper(fill);
    int asked = fill_place(fill, n);
    fill->tokens[(n_tokens - 1) * stride] = first[2 * asked * stride];
    fill->targets[0] = first[(2 * asked + 1) * stride];
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int n_keys = task->vocab_size / 2, n_pairs = (task->context_length - 1) / 2;
    if (n_pairs < 1)
        return check_refuse(c, "task.context_length",
                            "task.context_length %d holds no pair and its question; task.name "
                            "kv_retrieval needs 3 or more",
                            task->context_length);
    if (n_pairs > n_keys || n_pairs > 8192)
        return check_refuse(
            c, "task.context_length",
            "task.context_length %d holds %d pairs, and task.vocab_size %d has %d keys; "
            "task.name kv_retrieval takes one for each pair, and no more than 8192",
            task->context_length, n_pairs, task->vocab_size, n_keys);
    return FV_OK;
}

const task_type task_kv_retrieval = {
    .part =
        {.help =
             "the value of one of the pairs that fill the whole context, as in Lost in the middle",
         .example = "task: {name: kv_retrieval, context_length: 17, vocab_size: 32}",
         .reads = {FV_READS(task.depth)},
         .check = check},
    .loss_positions = task_last_position,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
