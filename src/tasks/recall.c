// In-context associative recall: N pairs of a key and its value, then one of the keys; the answer
// is its value.
//
//   k1 v1 k2 v2 ... kN vN q -> value of q
//
// After Zucchet, D'Angelo, Lampinen and Chan, "The emergence of sparse attention: impact of data
// distribution and benefits of repetition" (arXiv 2505.17863), section 3.1 and appendix C.1. A
// random injective map gives each key of a sequence its value. With one pool both are tokens of the
// whole vocabulary, so that a token can be a key here and a value there; split pools give keys the
// lower and values the upper half.
//
// Repetition, of training data only:
//   in context   the queried pair fills 1 + Binomial(N - 1, (B - 1) / (N - 1)) slots, on average B;
//                the other slots hold different keys. B = 1 is a query that occurs exactly once.
//                The paper draws every slot with probability B / N, which leaves the queried pair
//                out of exp(-B) of the sequences; here it is never left out.
//   across       with probability p the query is one of tokens 0 and 1, half each, and with 1 - p
//   sequences    any key: mass p / 2 + (1 - p) / V on each of the two.
//
// Bayes-optimal loss: 0, with repetition or without.
#include "tasks/task_type.h"

enum { FIXED_QUERIES = 2 };

static int loss_positions(const fv_task_config *config, int *positions) {
    positions[0] = config->context_length - 1;
    return 1;
}

static int pool_size(const fv_task_config *config) {
    return config->pool == FV_POOL_SPLIT ? config->vocab_size / 2 : config->vocab_size;
}

static void hold_out(fv_task_config *config) {
    config->context_repetition = 1;
    config->sample_repetition = 0;
}

static int32_t draw_query(const fv_task_config *config, random_source *random) {
    if (config->sample_repetition > 0 && random_uniform(random) < config->sample_repetition)
        return (int32_t)random_below(random, FIXED_QUERIES);
    return (int32_t)random_below(random, (uint32_t)pool_size(config));
}

// Repetitions of the queried pair into slots behind the first, each with the same probability.
static int draw_occurrences(const fv_task_config *config, random_source *random) {
    int n = config->n_pairs, occurrences = 1;
    if (config->context_repetition <= 1) return 1;
    double probability = (config->context_repetition - 1) / (n - 1);
    for (int i = 1; i < n; i++) occurrences += random_uniform(random) < probability;
    return occurrences;
}

// Slots stand in random order: slot i holds key i of a random choice of keys. So does the query,
// once: its place among the distinct keys is random too, and all that it has to do is to take the
// key there. Repetitions overwrite other slots.
static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int n = config->n_pairs, stride = fill->stride, pair = 2 * stride;
    int32_t *keys = fill->tokens, *values = keys + stride, query;
    int32_t first_value = config->pool == FV_POOL_SPLIT ? config->vocab_size / 2 : 0;
    int value_pool = config->vocab_size - first_value;
    draw_distinct(fill->random, pool_size(config), n, keys, pair);
    draw_distinct(fill->random, value_pool, n, values, pair);
    for (int i = 0; first_value > 0 && i < n; i++) values[i * pair] += first_value;

    int asked = (int)random_below(fill->random, (uint32_t)n);
    if (config->sample_repetition > 0) {
        query = draw_query(config, fill->random);
        // A query that is among the keys is asked for where it stands; else it takes a key's place.
        for (int i = 0; i < n; i++)
            if (keys[i * pair] == query) asked = i;
        keys[asked * pair] = query;
    }
    query = keys[asked * pair];
    for (int left = draw_occurrences(config, fill->random) - 1; left > 0;) {
        int slot = (int)random_below(fill->random, (uint32_t)n);
        if (keys[slot * pair] == query) continue;
        keys[slot * pair] = query;
        values[slot * pair] = values[asked * pair];
        left--;
    }
    keys[n * pair] = query;
    fill->targets[0] = values[asked * pair];
}

static int only_length(const fv_task_config *config) {
    return 2 * config->n_pairs + 1;
}

static bool repeats(const fv_task_config *config) {
    return config->context_repetition > 1 || config->sample_repetition > 0;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    bool split = task->pool == FV_POOL_SPLIT;
    int n_keys = split ? task->vocab_size / 2 : task->vocab_size;
    if (task->n_pairs > n_keys)
        return check_refuse(
            c, "task.n_pairs",
            "task.n_pairs %d needs as many different keys, and task.vocab_size %d with "
            "task.pool %s has %d",
            task->n_pairs, task->vocab_size, split ? "split" : "shared", n_keys);
    if (task->context_length != only_length(task))
        return check_refuse(
            c, "task.context_length",
            "task.context_length %d does not fit task.n_pairs %d; task.name recall has 2 "
            "n_pairs + 1 = %d tokens",
            task->context_length, task->n_pairs, only_length(task));
    if (task->context_repetition > task->n_pairs)
        return check_refuse(c, "task.context_repetition",
                            "task.context_repetition %g is more than all task.n_pairs %d pairs",
                            task->context_repetition, task->n_pairs);
    if (task->sample_repetition > 0 && n_keys < 2)
        return check_refuse(
            c, "task.sample_repetition",
            "task.sample_repetition repeats two keys, and task.vocab_size %d has %d",
            task->vocab_size, n_keys);
    return FV_OK;
}

const task_type task_recall = {
    .part = {.help = "the value of the key that is asked for, of n_pairs pairs in front of it",
             .example = "task: {name: recall, n_pairs: 8, context_length: 0, vocab_size: 64}",
             .reads = {FV_READS(task.n_pairs), FV_READS(task.pool),
                       FV_READS(task.context_repetition), FV_READS(task.sample_repetition)},
             .check = check},
    .only_length = only_length,
    .repeats = repeats,
    .loss_positions = loss_positions,
    .fill = fill,
    .hold_out = hold_out,
    .bayes_loss = task_no_loss,
};
