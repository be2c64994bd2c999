// Copy: a whole sequence, once more behind a delimiter.
//
//   3 1 4 1 | 3 1 4        targets: 3 1 4 1
//
// One of the tasks by which 2506.16640 asks which normaliser extrapolates in length; src/tasks/copy.c
// asks for a single token. Bayes-optimal loss: 0.
#include "tasks/spoken.h"

static void as_it_is(int n, int32_t *answer, int stride) {
    (void)n, (void)answer, (void)stride;
}

static void fill(const task_fill *fill) {
    spoken_fill(fill, as_it_is);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    return spoken_check(c, "copy_sequence");
}

const task_type task_copy_sequence = {
    .part = {.help = "a whole sequence once more, token by token, behind a delimiter",
             .example = "task: {name: copy_sequence, context_length: 16, vocab_size: 16}",
             .check = check},
    .loss_positions = spoken_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
