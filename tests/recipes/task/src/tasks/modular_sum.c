// Modular addition: the sum of the last two tokens, modulo the size of the vocabulary.
//
//   . . 5 6 -> 4      of V = 7
//
// The task of Power et al., "Grokking" (arXiv 2201.02177), behind whatever stands in front of it.
// Bayes-optimal loss: 0.
#include "tasks/place.h"

enum { L = 16 };

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    int last = config->context_length - 1, other = last > 0 ? last - 1 : last;
    for (int l = 0; l < L; l++)
        targets[l] = (tokens[other * L + l] + tokens[last * L + l]) % config->vocab_size;
}

const task_type task_modular_sum = {
    .part =
        {
            .help = "the sum of the last two tokens, modulo vocab_size",
            .example = "task: {name: modular_sum, vocab_size: 7, context_length: 2}",
        },
    .loss_positions = task_last_position,
    .answer = answer,
};
