// Multi-query associative recall: K pairs of a key and its value, and behind them every key once
// more, each at a distance of its own, with filler between; the answer at a query is the key's
// value.
//
//   k1 v1 ... kK vK | . . k2 . . . . . k1 . ...      targets: v2 at k2, v1 at k1, none elsewhere
//                     slot 1  slot 2 ...
//
// After Arora et al., "Zoology: measuring and improving recall in efficient language models" (ICLR
// 2024; zoology/data/multiquery_ar.py). Keys are drawn from [1, V/2), values from [V/2, V), both
// without repetition. The T - 2K tokens behind the pairs are slots of two tokens; a query is the
// first token of its slot, and slots are drawn without replacement with probability proportional to
// g^(gap_power - 1), g = 1 the nearest. Filler is token 0, or uniform random tokens. The last token
// of an odd context is filler. Bayes-optimal loss: 0.
#include "tasks/task_type.h"

#include <math.h>

static int n_slots(const fv_task_config *config) {
    return config->context_length / 2 - config->n_pairs;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = n_slots(config);
    for (int g = 0; g < n; g++) positions[g] = 2 * (config->n_pairs + g);
    return n;
}

static int n_targets(const fv_task_config *config) {
    return config->n_pairs;
}

static double weight(const fv_task_config *config, int g) {
    return pow(g + 1, config->gap_power - 1);
}

// A draw among the slots that are still free. The same law as drawing among all of them until a
// free one comes, but in a time that does not depend on the weights.
static int draw_free(const task_fill *fill, int n) {
    double sum = 0, below = 0;
    for (int g = 0; g < n; g++)
        if (fill->targets[g * fill->stride] < 0) sum += weights_share(fill->weights, g);
    double u = random_uniform(fill->random) * sum;
    int last = 0;
    for (int g = 0; g < n && below < u; g++) {
        if (fill->targets[g * fill->stride] >= 0) continue;
        below += weights_share(fill->weights, g);
        last = g;
    }
    return last;
}

// Every key once more, in a slot of its own. A slot that is taken is drawn again; but slots of tiny
// weight, with a large gap_power, hardly ever come, or never: a draw has 32 bits. After MOST_TRIES
// draws for each slot the free ones are drawn directly. Weights that fall (gap_power <= 1) leave
// the rarest of n slots 1 / (n (1 + ln n)) or more, so that they get there with odds of n exp(-256
// / (1 + ln n)) or less: not in any training.
static void place_queries(const task_fill *fill) {
    enum { MOST_TRIES = 256 }; // for each slot
    int n = fill->config->n_pairs, stride = fill->stride, pair = 2 * stride;
    int slots = n_slots(fill->config), tries_left = MOST_TRIES * slots;
    const int32_t *keys = fill->tokens, *values = keys + stride;
    int32_t *rest = fill->tokens + n * pair;
    for (int i = 0; i < n;) {
        int g =
            tries_left-- > 0 ? weights_draw(fill->weights, fill->random) : draw_free(fill, slots);
        if (fill->targets[g * stride] >= 0) continue;
        rest[g * pair] = keys[i * pair];
        fill->targets[g * stride] = values[i * pair];
        i++;
    }
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int n = config->n_pairs, stride = fill->stride, pair = 2 * stride;
    int half = config->vocab_size / 2;
    int32_t *keys = fill->tokens, *values = keys + stride;
    draw_distinct(fill->random, half - 1, n, keys, pair);
    draw_distinct(fill->random, config->vocab_size - half, n, values, pair);
    for (int i = 0; i < n; i++) {
        keys[i * pair] += 1;
        values[i * pair] += half;
    }
    for (int t = 2 * n; t < config->context_length; t++) {
        bool random = config->filler == FV_FILLER_RANDOM;
        uint32_t vocab = (uint32_t)config->vocab_size;
        fill->tokens[t * stride] = random ? (int32_t)random_below(fill->random, vocab) : 0;
    }
    place_queries(fill);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int n_keys = task->vocab_size / 2 - 1; // token 0 is filler
    if (task->n_pairs > n_keys)
        return check_refuse(
            c, "task.n_pairs",
            "task.n_pairs %d needs as many different keys, and task.vocab_size %d has %d "
            "(1 to vocab_size / 2 - 1)",
            task->n_pairs, task->vocab_size, n_keys);
    if (task->context_length < 4 * task->n_pairs)
        return check_refuse(
            c, "task.context_length",
            "task.context_length %d does not hold task.n_pairs %d pairs and as many "
            "queries; task.name mqar needs 4 n_pairs = %d tokens or more",
            task->context_length, task->n_pairs, 4 * task->n_pairs);
    return FV_OK;
}

const task_type task_mqar = {
    .part = {.help =
                 "the values of several keys asked for at distances of their own, as in Zoology",
             .example = "task: {name: mqar, n_pairs: 4, context_length: 32, vocab_size: 64}",
             .reads = {FV_READS(task.n_pairs), FV_READS(task.gap_power), FV_READS(task.filler)},
             .check = check},
    .loss_positions = loss_positions,
    .n_targets = n_targets,
    .n_weights = n_slots,
    .weight = weight,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
