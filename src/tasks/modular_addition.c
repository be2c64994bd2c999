// Modular addition: a + b mod p, the task on which networks were first seen to learn long after they had
// memorised (Power et al., 2022, "Grokking", arXiv 2201.02177; Nanda et al., 2023, 2301.05217).
//
//   a b = -> (a + b) mod p        p = V - 1; token V - 1 is the sign
//
// Both numbers are uniform. With task.held_out a share of all p^2 pairs (a, b), drawn from task.rule_seed,
// is never trained, and is what test data are drawn from. Bayes-optimal loss: 0.
#include "tasks/place.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_PAIRS = 1 << 22 };

// All pairs a p + b in random order: the first n_train are trained, the others held out.
typedef struct pairs {
    int n, n_train;
    int32_t order[];
} pairs;

static int modulus(const fv_task_config *config) {
    return config->vocab_size - 1;
}

static int n_held_out(const fv_task_config *config) {
    double n = (double)modulus(config) * modulus(config);
    return (int)fmin(fmax(round(n * fabs(config->held_out)), 1), n - 1);
}

static fv_status own_create(const fv_task_config *config, const void **own, fv_error *error) {
    *own = NULL;
    if (config->held_out == 0) return FV_OK;
    int n = modulus(config) * modulus(config);
    pairs *all = malloc(sizeof *all + (size_t)n * sizeof all->order[0]);
    if (all == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for %d pairs", n);
    *all = (pairs){.n = n, .n_train = n - n_held_out(config)};
    for (int i = 0; i < n; i++) all->order[i] = i;
    random_source random;
    random_init(&random, (uint64_t)config->rule_seed, FV_STREAM_RULE, 0, 0);
    for (int i = 0; i < n - 1; i++) {
        int k = i + (int)random_below(&random, (uint32_t)(n - i)), pair = all->order[i];
        all->order[i] = all->order[k];
        all->order[k] = pair;
    }
    *own = all;
    return FV_OK;
}

static void own_free(const void *own) {
    free((void *)(uintptr_t)own);
}

// Of held-out data the share is below 0.
static void hold_out(fv_task_config *config) {
    config->held_out = -config->held_out;
}

static bool repeats(const fv_task_config *config) {
    return config->held_out > 0;
}

static void fill(const task_fill *fill) {
    const pairs *all = fill->own;
    int p = modulus(fill->config), a, b;
    if (all == NULL) {
        a = (int)random_below(fill->random, (uint32_t)p);
        b = (int)random_below(fill->random, (uint32_t)p);
    } else {
        bool held_out = fill->config->held_out < 0;
        int first = held_out ? all->n_train : 0, end = held_out ? all->n : all->n_train;
        int pair = all->order[first + (int)random_below(fill->random, (uint32_t)(end - first))];
        a = pair / p;
        b = pair % p;
    }
    fill->tokens[0] = a;
    fill->tokens[fill->stride] = b;
    fill->tokens[2 * fill->stride] = p;
    fill->targets[0] = (a + b) % p;
}

static int only_length(const fv_task_config *config) {
    (void)config;
    return 3;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->context_length != 3)
        return check_refuse(c, "task.context_length",
                            "task.context_length must be 3 for task.name modular_addition, which "
                            "has a, b and a sign; not %d",
                            task->context_length);
    if (task->vocab_size < 3)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size 2 leaves one number beside the sign; it needs 3 or "
                            "more");
    if (task->held_out > 0 && (double)modulus(task) * modulus(task) > MOST_PAIRS)
        return check_refuse(c, "task.held_out",
                            "task.held_out divides all pairs, and task.vocab_size %d has too many; "
                            "it allows up to 2049",
                            task->vocab_size);
    return FV_OK;
}

const task_type task_modular_addition = {
    .part = {.help = "the sum of two numbers modulo vocab_size - 1",
             .example = "task: {name: modular_addition, vocab_size: 98, context_length: 0, "
                        "held_out: 0.5}\nmodel: {positions: learned}",
             .reads = {FV_READS(task.held_out), FV_READS(task.rule_seed)},
             .check = check},
    .only_length = only_length,
    .repeats = repeats,
    .own_create = own_create,
    .own_free = own_free,
    .loss_positions = task_last_position,
    .fill = fill,
    .hold_out = hold_out,
    .asks_numbers = true,
    .bayes_loss = task_no_loss,
};
