// Batches of a task as rows, for tests of what tasks draw.
#ifndef TESTS_BATCHES_H
#define TESTS_BATCHES_H

#include "configurations.h"

#include "kernels/kernels.h"
#include "tasks/data.h"

#include <fovea/task.h>

// A batch, unpacked: tokens [n][T], targets [n][n_loss].
typedef struct batch {
    int n, n_tokens, n_loss;
    int32_t *tokens, *targets;
} batch;

static inline void batch_free(batch *b) {
    free(b->tokens);
    free(b->targets);
}

// Takes the batch in tiles of `groups` groups.
static inline batch take_batch(const task_data *data, random_stream stream, uint32_t step, int n,
                               int groups) {
    batch b = {.n = n, .n_tokens = data->config.context_length, .n_loss = data->n_loss};
    size_t n_tokens = (size_t)b.n_tokens, n_loss = (size_t)b.n_loss;
    b.tokens = malloc((size_t)n * n_tokens * sizeof *b.tokens);
    b.targets = malloc((size_t)n * n_loss * sizeof *b.targets);
    int32_t *tokens = aligned_alloc(64, (size_t)groups * n_tokens * FV_LANES * sizeof *tokens);
    int32_t *targets = aligned_alloc(64, (size_t)groups * n_loss * FV_LANES * sizeof *targets);
    for (int first = 0; first * FV_LANES < n; first += groups) {
        data_batch(data, stream, step, first, groups, n, tokens, targets);
        for (size_t s = 0; s < (size_t)groups * FV_LANES; s++) {
            size_t sample = (size_t)first * FV_LANES + s, g = s / FV_LANES, l = s % FV_LANES;
            for (size_t t = 0; t < n_loss; t++) {
                int32_t target = targets[(g * n_loss + t) * FV_LANES + l];
                if (sample >= (size_t)n)
                    assert_int_equal(target, -1); // a lane without a sample
                else
                    b.targets[sample * n_loss + t] = target;
            }
            for (size_t t = 0; t < n_tokens; t++) {
                int32_t token = tokens[(g * n_tokens + t) * FV_LANES + l];
                assert_true(token >= 0 && token < data->config.vocab_size);
                if (sample < (size_t)n) b.tokens[sample * n_tokens + t] = token;
            }
        }
    }
    free(tokens);
    free(targets);
    return b;
}

static inline task_data make_data(const char *words, bool training) {
    fv_config config = configure(words);
    task_data data;
    check_ok(data_create(&config.task, fv_task_seed(&config), training, &data, NULL));
    return data;
}

static inline bool same_prefix(const batch *a, const batch *b) {
    size_t n = (size_t)(a->n < b->n ? a->n : b->n);
    return memcmp(a->tokens, b->tokens, n * (size_t)a->n_tokens * sizeof *a->tokens) == 0 &&
           memcmp(a->targets, b->targets, n * (size_t)a->n_loss * sizeof *a->targets) == 0;
}

#endif
