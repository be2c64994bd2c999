// Reverse: a whole sequence from its end to its beginning, behind a delimiter.
//
//   3 1 4 1 | 1 4 1        targets: 1 4 1 3
//
// One of the tasks of 2506.16640. The first answer stands next to the delimiter, the last one as far
// away as there are tokens. Bayes-optimal loss: 0.
#include "tasks/spoken.h"

static void turn_round(int n, int32_t *answer, int stride) {
    for (int i = 0; i < n / 2; i++) {
        int32_t *a = answer + i * stride, *b = answer + (n - 1 - i) * stride, token = *a;
        *a = *b;
        *b = token;
    }
}

static void fill(const task_fill *fill) {
    spoken_fill(fill, turn_round);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    return spoken_check(c, "reverse");
}

const task_type task_reverse = {
    .part = {.help = "a whole sequence from its end to its beginning, behind a delimiter",
             .example = "task: {name: reverse, context_length: 16, vocab_size: 16}",
             .check = check},
    .loss_positions = spoken_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
