// Flip-flop: a memory of one value. Instructions come one after the other, each with a value behind
// it: write keeps the value, ignore is to be ignored, and the answer to read is the value that was
// written last.
//
//   W 1 I 0 I 1 W 0 I 1 R        target: 0 at R
//
// After Liu et al., "Exposing attention glitches with flip-flop language modeling" (arXiv 2306.00946),
// where values are bits (vocab_size 5) and ignore_share is 0.8. Write is token V - 3, read V - 2,
// ignore V - 1, values are uniform over the rest. The first instruction is a write, the last one a
// read without its value, so that T is odd. Of the others each is ignored with probability
// ignore_share. With task.loss last all that are not are writes, and the last read is scored. With
// all, round((1 - ignore_share) / 2 of the others) of them, in any places, are reads and are scored
// too: a number that is the same for all sequences; the others are ignored with probability 2 p / (1 + p),
// as ignored ones and writes are p to (1 - p) / 2. Bayes-optimal loss: 0.
#include "tasks/task_type.h"

#include <math.h>

// Instructions between the first and the last.
static int n_between(const fv_task_config *config) {
    return (config->context_length - 1) / 2 - 1;
}

static int n_reads(const fv_task_config *config) {
    if (config->loss == FV_LOSS_LAST) return 0;
    return (int)lround((1 - config->ignore_share) / 2 * n_between(config));
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0, last = config->context_length - 1;
    for (int t = n_reads(config) > 0 ? 2 : last; t <= last; t += 2) positions[n++] = t;
    return n;
}

static int n_targets(const fv_task_config *config) {
    return 1 + n_reads(config);
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int32_t values = config->vocab_size - 3, write = values, read = values + 1, ignore = values + 2;
    int stride = fill->stride, n = n_between(config), reads = n_reads(config);
    bool all = reads > 0;
    double p = config->ignore_share, ignored = all ? 2 * p / (1 + p) : p;
    int32_t kept = 0, *at = fill->tokens;
    for (int i = 0; i <= n; i++, at += 2 * stride) { // the i-th instruction and its value
        int32_t value = (int32_t)random_below(fill->random, (uint32_t)values), what = write;
        if (i > 0) {
            // Reads take any `reads` of the n places.
            bool asks = all && (int)random_below(fill->random, (uint32_t)(n - i + 1)) < reads;
            what = asks ? read : random_uniform(fill->random) < ignored ? ignore : write;
        }
        if (what == write) kept = value;
        if (what == read) {
            value = kept;
            fill->targets[(i - 1) * stride] = kept;
            reads--;
        }
        at[0] = what;
        at[stride] = value;
    }
    at[0] = read;
    fill->targets[(all ? n : 0) * stride] = kept;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->vocab_size < 5)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d holds three instructions and no two values; "
                            "task.name flip_flop needs 5 or more",
                            task->vocab_size);
    bool drawn = task->length_min > 0 && task->length_min < task->context_length;
    if (drawn && task->length_step % 2 != 0)
        return check_refuse(c, "task.length_step",
                            "task.length_step %d draws even lengths; task.name flip_flop needs an "
                            "even step",
                            task->length_step);
    if (task->context_length >= 3 && task->context_length % 2 == 1) return FV_OK;
    return check_refuse(c, "task.context_length",
                        "%d tokens are no pairs of an instruction and a value with a last read; "
                        "task.name flip_flop has an odd number of tokens, 3 or more",
                        task->context_length);
}

const task_type task_flip_flop = {
    .part = {.help = "the value written last, among values that are to be ignored",
             .example = "task: {name: flip_flop, context_length: 17, vocab_size: 5}",
             .reads = {FV_READS(task.ignore_share), FV_READS(task.loss)},
             .check = check},
    .loss_positions = loss_positions,
    .n_targets = n_targets,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
