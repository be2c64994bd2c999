// Copy a token that has been seen: the one `offset` back from the position that predicts, or the one
// at `index` from the start. Bayes-optimal loss: 0.
#include "tasks/task.h"

#include <string.h>

enum { L = 16 };

// The position whose token is the answer at position t, or -1.
static int source(const fv_task_config *config, int t) {
    if (config->index >= 0) return config->index <= t ? config->index : -1;
    return t >= config->offset ? t - config->offset : -1;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++)
        if (source(config, t) >= 0) positions[n++] = t;
    return n;
}

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    int last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++) {
        int from = source(config, t);
        if (from < 0) continue;
        memcpy(targets, tokens + from * L, L * sizeof *targets);
        targets += L;
    }
}

const fv_task fv_task_copy = {loss_positions, NULL, answer};
