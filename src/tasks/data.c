#include "tasks/data.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

static fv_status make_cumulative(fv_data *data) {
    int n = data->config.vocab_size;
    data->cumulative = malloc((size_t)n * sizeof *data->cumulative);
    if (data->cumulative == NULL) return FV_NO_MEMORY;
    double sum = 0;
    for (int i = 0; i < n; i++) sum += pow(i + 1, -data->config.zipf_alpha);
    double below = 0;
    for (int i = 0; i < n; i++) {
        below += pow(i + 1, -data->config.zipf_alpha) / sum;
        data->cumulative[i] = below;
    }
    return FV_OK;
}

static int32_t draw_zipf(const fv_data *data, fv_random *random) {
    double u = fv_random_uniform(random);
    int low = 0, high = data->config.vocab_size - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (data->cumulative[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// One sequence into a lane.
static void fill(const fv_data *data, fv_random *random, int32_t *tokens) {
    const fv_task_config *config = &data->config;
    if (data->task->fill) {
        data->task->fill(config, random, tokens, L);
        return;
    }
    for (int t = 0; t < config->context_length; t++)
        tokens[t * L] = data->cumulative
                            ? draw_zipf(data, random)
                            : (int32_t)fv_random_below(random, (uint32_t)config->vocab_size);
}

// Fresh sequences of some groups; independent uniform tokens are drawn sixteen samples at a time.
static void fill_groups(const fv_data *data, fv_stream stream, uint32_t step, int first_sample,
                        int n_groups, int32_t *tokens) {
    const fv_task_config *config = &data->config;
    if (data->task->fill == NULL && data->cumulative == NULL) {
        fv_kernels_get()->draw(&(fv_draw){.seed = data->seed,
                                          .stream = stream,
                                          .step = step,
                                          .first_sample = (uint32_t)first_sample,
                                          .n_groups = n_groups,
                                          .n_rows = config->context_length,
                                          .vocab_size = (uint32_t)config->vocab_size,
                                          .tokens = tokens});
        return;
    }
    for (int s = 0; s < n_groups * L; s++) {
        fv_random random;
        fv_random_init(&random, data->seed, stream, step, (uint32_t)(first_sample + s));
        fill(data, &random, tokens + (size_t)(s / L) * config->context_length * L + s % L);
    }
}

// Sequences drawn with replacement from the fixed set.
static void draw_group(const fv_data *data, uint32_t step, int first_sample, int32_t *tokens,
                       int32_t *targets) {
    int n_tokens = data->config.context_length, size = n_tokens + data->n_loss;
    for (int l = 0; l < L; l++) {
        fv_random random;
        fv_random_init(&random, data->seed, FV_STREAM_TRAIN, step + 1, (uint32_t)(first_sample + l));
        size_t index = fv_random_below(&random, (uint32_t)data->config.n_train);
        const int32_t *sequence = data->fixed + index * (size_t)size;
        for (int t = 0; t < n_tokens; t++) tokens[t * L + l] = sequence[t];
        for (int t = 0; t < data->n_loss; t++) targets[t * L + l] = sequence[n_tokens + t];
    }
}

void fv_data_batch(const fv_data *data, fv_stream stream, uint32_t step, int first_group,
                   int n_groups, int n_samples, int32_t *tokens, int32_t *targets) {
    bool fixed = data->fixed && stream == FV_STREAM_TRAIN;
    if (!fixed) fill_groups(data, stream, step, first_group * L, n_groups, tokens);
    for (int g = 0; g < n_groups; g++) {
        int first = (first_group + g) * L;
        int32_t *group_targets = targets + (size_t)g * data->n_loss * L;
        int32_t *group_tokens = tokens + (size_t)g * data->config.context_length * L;
        if (fixed)
            draw_group(data, step, first, group_tokens, group_targets);
        else
            data->task->answer(&data->config, group_tokens, group_targets);
        for (int l = n_samples - first < 0 ? 0 : n_samples - first; l < L; l++)
            for (int t = 0; t < data->n_loss; t++) group_targets[t * L + l] = -1;
    }
}

// Sequence i of the fixed set is the fresh sequence of step 0 and sample i.
static fv_status make_fixed(fv_data *data) {
    int n_tokens = data->config.context_length, n = data->config.n_train;
    size_t size = (size_t)n_tokens + (size_t)data->n_loss, total;
    int32_t *group = aligned_alloc(64, size * L * sizeof *group); // a multiple of 64 bytes
    if (__builtin_mul_overflow(size * sizeof *data->fixed, (size_t)n, &total) || group == NULL ||
        (data->fixed = malloc(total)) == NULL) {
        free(group);
        return FV_NO_MEMORY;
    }
    for (int first = 0; first < n; first += L) {
        fill_groups(data, FV_STREAM_TRAIN, 0, first, 1, group);
        data->task->answer(&data->config, group, group + (size_t)n_tokens * L);
        for (int l = 0; l < L && first + l < n; l++)
            for (size_t t = 0; t < size; t++)
                data->fixed[(size_t)(first + l) * size + t] = group[t * L + (size_t)l];
    }
    free(group);
    return FV_OK;
}

fv_status fv_data_create(const fv_task_config *config, uint64_t seed, bool training, fv_data *data,
                         fv_error *error) {
    *data = (fv_data){.config = *config, .task = fv_task_of(config), .seed = seed};
    fv_status status = FV_OK;
    data->loss_positions = malloc((size_t)config->context_length * sizeof *data->loss_positions);
    if (data->loss_positions == NULL) status = FV_NO_MEMORY;
    if (status == FV_OK) data->n_loss = data->task->loss_positions(config, data->loss_positions);
    if (status == FV_OK && config->distribution == FV_DISTRIBUTION_ZIPF)
        status = make_cumulative(data);
    if (status == FV_OK && training && config->data == FV_DATA_FIXED) status = make_fixed(data);
    if (status != FV_OK) {
        fv_data_free(data);
        return fv_fail(error, status, "out of memory for the task's data (%d sequences of %d tokens)",
                       config->n_train, config->context_length);
    }
    return FV_OK;
}

void fv_data_free(fv_data *data) {
    free(data->loss_positions);
    free(data->cumulative);
    free(data->fixed);
    *data = (fv_data){0};
}
