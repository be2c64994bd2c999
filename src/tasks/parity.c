// Running parity: the sum of all tokens so far, modulo the vocabulary. With two tokens it is whether
// the ones among them are odd, which one bit of state that every one turns around can tell at any
// length.
//
//   vocab_size 2:   1 0 1 1 0 1        targets: 1 1 0 1 1 0
//
// Sums of positive shares of the past do not tell it: neither attention nor a recurrence whose state is
// multiplied by numbers between 0 and 1 alone (Grazzi et al., arXiv 2411.12537). With task.loss all every
// position is scored, with last the last one, whose blind guess is right one time in V whatever else
// is known. Bayes-optimal loss: 0.
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
    const int first = first_query(config);
    for (int l = 0; l < L; l++) {
        int32_t sum = 0;
        for (int t = 0; t < config->context_length; t++) {
            sum = (int32_t)(((int64_t)sum + tokens[t * L + l]) % config->vocab_size);
            if (t >= first) targets[(t - first) * L + l] = sum;
        }
    }
}

const task_type task_parity = {
    .part = {.help = "the sum of all tokens so far modulo vocab_size: with 2 tokens, parity",
             .example = "task: {name: parity, loss: all, context_length: 16, vocab_size: 2}",
             .reads = {FV_READS(task.loss), FV_READS(task.distribution)}},
    .asks_numbers = true,
    .loss_positions = loss_positions,
    .answer = answer,
    .bayes_loss = task_no_loss,
};
