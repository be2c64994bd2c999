// The last token, shifted: x -> x + shift, modulo the size of the vocabulary. Bayes-optimal loss:
// 0.
#include "tasks/place.h"

enum { L = 16 };

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    const int32_t *last = tokens + (config->context_length - 1) * L;
    for (int l = 0; l < L; l++) targets[l] = (last[l] + config->shift) % config->vocab_size;
}

const task_type task_shifted = {
    .part =
        {
            .help = "the last token plus `shift`, modulo vocab_size",
            .example = "task: {name: shifted, shift: 2, vocab_size: 7}",
            .reads = {FV_READS(task.shift)},
        },
    .loss_positions = task_last_position,
    .answer = answer,
};
