// The most similar token: of the tokens before the query, the one numerically nearest to it.
//
//   1 5 10 6 -> 5
//
// Tokens are numbers; the source (Sparse attention 3) does not say which of two equally near ones
// (5 and 7 for 6) is meant, so that task.ties does. Bayes-optimal loss: 0. That is also what a
// position-blind model can reach, unless ties are broken by position.
#include "tasks/task_type.h"

#include <math.h>
#include <stdlib.h>

enum { L = 16 };

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 1 : last; t <= last; t++) positions[n++] = t;
    return n;
}

// Whether `token`, seen after `best` and as near as it, takes its place.
static bool wins_tie(int ties, int32_t token, int32_t best) {
    switch (ties) {
    case FV_TIES_SMALLER:
        return token < best;
    case FV_TIES_LARGER:
        return token > best;
    default:
        return ties == FV_TIES_LATER;
    }
}

static int32_t nearest(int ties, const int32_t *tokens, int t) {
    int32_t query = tokens[t * L], best = tokens[0];
    for (int s = 1; s < t; s++) {
        int32_t token = tokens[s * L];
        int distance = abs(token - query), shortest = abs(best - query);
        if (distance < shortest || (distance == shortest && wins_tie(ties, token, best)))
            best = token;
    }
    return best;
}

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    int last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 1 : last; t <= last; t++)
        for (int l = 0; l < L; l++) *targets++ = nearest(config->ties, tokens + l, t);
}

static double blind_loss(const fv_task_config *config) {
    bool by_value = config->ties == FV_TIES_SMALLER || config->ties == FV_TIES_LARGER;
    return by_value || config->context_length == 2 ? 0 : NAN;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    if (c->config->task.context_length >= 2) return FV_OK;
    return check_refuse(
        c, "task.context_length",
        "task.context_length 1 has no earlier token for task.name similar to find; it "
        "needs 2 or more");
}

const task_type task_similar = {
    .part = {.help = "of the tokens before the last, the one nearest to it as a number",
             .example = "task: {name: similar, vocab_size: 20, context_length: 8}",
             .reads = {FV_READS(task.ties), FV_READS(task.loss), FV_READS(task.distribution)},
             .check = check},
    .loss_positions = loss_positions,
    .answer = answer,
    .asks_numbers = true,
    .bayes_loss = task_no_loss,
    .blind_loss = blind_loss,
};
