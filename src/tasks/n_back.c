// n-back: is this token the one n steps before? Token 1 for yes, token 0 for no.
//
//   n_back 2:   5 7 5 2 5 2        targets, from the third token on: 1 0 1 1
//
// The test of working memory (Kirchner, 1958). From position n on a token is the one n before with
// probability 1/2 and else any other, so that always to say no is right half of the time. The form of
// 2506.16640, which says the token itself, is task copy with offset n and loss all.
//
// With task.loss all every position that has one n before it is scored, with last the last one.
// Bayes-optimal loss: 0.
#include "tasks/task_type.h"

enum { L = 16 };

static int first_query(const fv_task_config *config) {
    return config->loss == FV_LOSS_ALL ? config->n_back : config->context_length - 1;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0;
    for (int t = first_query(config); t < config->context_length; t++) positions[n++] = t;
    return n;
}

static void fill(const task_fill *fill) {
    uint32_t n_vocab = (uint32_t)fill->config->vocab_size;
    int stride = fill->stride, back = fill->config->n_back;
    for (int t = 0; t < fill->config->context_length; t++) {
        int32_t *token = &fill->tokens[t * stride];
        if (t < back) {
            *token = (int32_t)random_below(fill->random, n_vocab);
            continue;
        }
        int32_t before = fill->tokens[(t - back) * stride];
        bool same = random_below(fill->random, 2) == 1;
        int32_t other = (int32_t)random_below(fill->random, n_vocab - 1);
        *token = same ? before : other + (other >= before);
    }
}

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    for (int t = first_query(config); t < config->context_length; t++, targets += L)
        for (int l = 0; l < L; l++)
            targets[l] = tokens[t * L + l] == tokens[(t - config->n_back) * L + l];
}

static int distance(const fv_task_config *config) {
    return config->n_back;
}

static int attended(const fv_task_config *config) {
    return config->context_length - 1 - config->n_back;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->n_back < task->context_length) return FV_OK;
    return check_refuse(c, "task.n_back",
                        "task.n_back %d reaches past the context; a length of %d allows 1 to %d",
                        task->n_back, task->context_length, task->context_length - 1);
}

const task_type task_n_back = {
    .part = {.help = "whether a token is the one n_back steps before it",
             .example = "task: {name: n_back, n_back: 2, context_length: 16, vocab_size: 8}",
             .reads = {FV_READS(task.n_back), FV_READS(task.loss)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .answer = answer,
    .distance = distance,
    .attended = attended,
    .bayes_loss = task_no_loss,
};
