// Copy: a whole sequence, once more behind a delimiter.
//
//   3 1 4 1 | 3 1 4        targets: 3 1 4 1
//
// One of the tasks by which 2506.16640 asks which normaliser extrapolates in length; src/tasks/copy.c
// asks for a single token. Bayes-optimal loss: 0.
#include "tasks/spoken.h"

int spoken_positions(const fv_task_config *config, int *positions) {
    int n = config->context_length / 2;
    for (int i = 0; i < n; i++) positions[i] = n + i;
    return n;
}

// The answer is made where the targets stand, and all but its last token is spoken.
void spoken_fill(const task_fill *fill, void (*arrange)(int n, int32_t *answer, int stride)) {
    int n = fill->config->context_length / 2, stride = fill->stride;
    int32_t delimiter = fill->config->vocab_size - 1;
    for (int i = 0; i < n; i++) {
        int32_t token = (int32_t)random_below(fill->random, (uint32_t)delimiter);
        fill->tokens[i * stride] = fill->targets[i * stride] = token;
    }
    arrange(n, fill->targets, stride);
    fill->tokens[n * stride] = delimiter;
    for (int i = 1; i < n; i++) fill->tokens[(n + i) * stride] = fill->targets[(i - 1) * stride];
}

fv_status spoken_check(const config_checking *c, const char *name) {
    const fv_task_config *task = &c->config->task;
    if (task->vocab_size < 3)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d leaves one token beside the delimiter of task.name "
                            "%s; it needs 3 or more",
                            task->vocab_size, name);
    if (task->context_length % 2 != 0)
        return check_refuse(c, "task.context_length",
                            "a length of %d tokens is odd; task.name %s has as many tokens of "
                            "answer as of question, so that context_length, length_min and "
                            "length_max are even, and so is length_step",
                            task->context_length, name);
    bool drawn = task->length_min > 0 && task->length_min < task->context_length;
    if (drawn && task->length_step % 2 != 0)
        return check_refuse(c, "task.length_step",
                            "task.length_step %d draws odd lengths; task.name %s needs an even one",
                            task->length_step, name);
    return FV_OK;
}

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
