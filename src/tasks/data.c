#include "tasks/data.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

static double zipf_weight(const void *config, int r) {
    return pow(r + 1, -((const fv_task_config *)config)->zipf_alpha);
}

static double own_weight(const void *data, int i) {
    const task_data *d = data;
    return d->task->weight(&d->config, i);
}

static fv_status make_weights(task_data *data) {
    const fv_task_config *config = &data->config;
    if (data->task->weight)
        return weights_create(data->task->n_weights(config), own_weight, data, &data->weights);
    if (config->distribution == FV_DISTRIBUTION_ZIPF)
        return weights_create(config->vocab_size, zipf_weight, config, &data->weights);
    data->weights = (task_weights){.n = config->vocab_size};
    return FV_OK;
}

static void draw_tokens(const task_fill *fill) {
    if (fill->config->distinct) {
        draw_distinct(fill->random, fill->config->vocab_size, fill->config->context_length,
                      fill->tokens, fill->stride);
        return;
    }
    for (int t = 0; t < fill->config->context_length; t++)
        fill->tokens[t * fill->stride] = weights_draw(fill->weights, fill->random);
}

// Sequences of some groups, one after the other, as the task draws them.
static void draw_samples(const task_data *data, random_stream stream, uint32_t step,
                         int first_sample, int n_groups, int32_t *tokens, int32_t *targets) {
    bool held_out = stream == FV_STREAM_TEST;
    size_t n_tokens = (size_t)data->n_in, n_loss = (size_t)data->n_out;
    if (data->task->answer == NULL)
        for (size_t i = 0; i < (size_t)n_groups * n_loss * L; i++) targets[i] = -1;
    for (size_t s = 0; s < (size_t)n_groups * L; s++) {
        random_source random;
        random_init(&random, data->seed, stream, step, (uint32_t)first_sample + (uint32_t)s);
        const task_fill fill = {.config = held_out ? &data->held_out : &data->config,
                                .weights = &data->weights,
                                .own = data->own,
                                .random = &random,
                                .tokens = tokens + s / L * n_tokens * L + s % L,
                                .targets = targets + s / L * n_loss * L + s % L,
                                .stride = L};
        if (data->task->fill)
            data->task->fill(&fill);
        else
            draw_tokens(&fill);
    }
}

// Fresh sequences of some groups; independent uniform tokens are drawn sixteen samples at a time.
static void fill_groups(const task_data *data, random_stream stream, uint32_t step,
                        int first_sample, int n_groups, int32_t *tokens, int32_t *targets) {
    const fv_task_config *config = &data->config;
    if (data->task->fill == NULL && data->weights.cumulative == NULL && !config->distinct)
        kernels_get()->draw(&(kernel_draw){.seed = data->seed,
                                           .stream = stream,
                                           .step = step,
                                           .first_sample = (uint32_t)first_sample,
                                           .n_groups = n_groups,
                                           .n_rows = config->context_length,
                                           .vocab_size = (uint32_t)config->vocab_size,
                                           .tokens = tokens});
    else
        draw_samples(data, stream, step, first_sample, n_groups, tokens, targets);
    for (int g = 0; g < n_groups && data->task->answer; g++)
        data->task->answer(config, tokens + (size_t)g * config->context_length * L,
                           targets + (size_t)g * data->n_loss * L);
}

// Sequences drawn with replacement from the fixed set.
static void draw_group(const task_data *data, uint32_t step, int first_sample, int32_t *tokens,
                       int32_t *targets) {
    int n_tokens = data->n_in, size = n_tokens + data->n_out;
    for (int l = 0; l < L; l++) {
        random_source random;
        random_init(&random, data->seed, FV_STREAM_TRAIN, step + 1, (uint32_t)(first_sample + l));
        size_t index = random_below(&random, (uint32_t)data->config.n_train);
        const int32_t *sequence = data->fixed + index * (size_t)size;
        for (int t = 0; t < n_tokens; t++) tokens[t * L + l] = sequence[t];
        for (int t = 0; t < data->n_out; t++) targets[t * L + l] = sequence[n_tokens + t];
    }
}

// Rows of sequences first ... into lanes, zeros and no targets behind the last.
static void put_test(const task_data *data, int first, int n_groups, int32_t *tokens,
                     int32_t *targets) {
    size_t n_tokens = (size_t)data->n_in, n_loss = (size_t)data->n_out;
    for (size_t s = 0; s < (size_t)n_groups * L; s++) {
        size_t row = (size_t)first + s;
        bool there = row < (size_t)data->config.n_test;
        const int32_t *from = data->test + row * (n_tokens + n_loss);
        int32_t *token = tokens + s / L * n_tokens * L + s % L;
        int32_t *target = targets + s / L * n_loss * L + s % L;
        for (size_t t = 0; t < n_tokens; t++) token[t * L] = there ? from[t] : 0;
        for (size_t t = 0; t < n_loss; t++) target[t * L] = there ? from[n_tokens + t] : -1;
    }
}

void data_batch(const task_data *data, random_stream stream, uint32_t step, int first_group,
                int n_groups, int n_samples, int32_t *tokens, int32_t *targets) {
    bool fixed = data->fixed && stream == FV_STREAM_TRAIN;
    bool fed = data->feed && stream == FV_STREAM_TRAIN;
    bool kept = data->test && stream == FV_STREAM_TEST;
    if (fed) custom_feed_copy(data->feed, first_group, n_groups, tokens, targets);
    if (kept) put_test(data, first_group * L, n_groups, tokens, targets);
    if (!fixed && !fed && !kept)
        fill_groups(data, stream, step, first_group * L, n_groups, tokens, targets);
    for (int g = 0; g < n_groups; g++) {
        int first = (first_group + g) * L;
        int32_t *group_targets = targets + (size_t)g * data->n_out * L;
        int32_t *group_tokens = tokens + (size_t)g * data->n_in * L;
        if (fixed) draw_group(data, step, first, group_tokens, group_targets);
        for (int l = n_samples - first < 0 ? 0 : n_samples - first; l < L; l++)
            for (int t = 0; t < data->n_out; t++) group_targets[t * L + l] = -1;
    }
}

// Sequence i of the fixed set is the fresh sequence of step 0 and sample i.
static fv_status make_fixed(task_data *data) {
    int n_tokens = data->n_in, n = data->config.n_train;
    size_t size = (size_t)n_tokens + (size_t)data->n_out, total;
    int32_t *group = aligned_alloc(64, size * L * sizeof *group); // a multiple of 64 bytes
    if (__builtin_mul_overflow(size * sizeof *data->fixed, (size_t)n, &total) || group == NULL ||
        (data->fixed = malloc(total)) == NULL) {
        free(group);
        return FV_NO_MEMORY;
    }
    for (int first = 0; first < n; first += L) {
        fill_groups(data, FV_STREAM_TRAIN, 0, first, 1, group, group + (size_t)n_tokens * L);
        for (int l = 0; l < L && first + l < n; l++)
            for (size_t t = 0; t < size; t++)
                data->fixed[(size_t)(first + l) * size + t] = group[t * L + (size_t)l];
    }
    free(group);
    return FV_OK;
}

// The mean number of targets of n rows.
static double count_targets(const task_data *data, const int32_t *rows, int n) {
    size_t n_tokens = (size_t)data->n_in, size = n_tokens + (size_t)data->n_out;
    size_t step = data->n_outputs > 0 ? (size_t)data->n_outputs : 1;
    double sum = 0;
    for (size_t i = 0; i < (size_t)n; i++)
        for (size_t t = n_tokens; t < size; t += step)
            sum += data->n_outputs > 0 ? rows[i * size + t] != -1 : rows[i * size + t] >= 0;
    return sum / n;
}

// Fixed training data of a custom task, and its test set.
static fv_status draw_custom(task_data *data, fv_error *error) {
    const fv_task_config *config = &data->config;
    size_t size = ((size_t)data->n_in + (size_t)data->n_out) * sizeof *data->fixed;
    if ((data->fixed = calloc((size_t)config->n_train, size)) == NULL ||
        (data->test = calloc((size_t)config->n_test + 1, size)) == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %d sequences of %d tokens",
                       config->n_train, config->context_length);
    fv_status status = custom_draw(config, data->seed, FV_STREAM_TRAIN, data->n_loss, 0,
                                   config->n_train, data->fixed, error);
    if (status == FV_OK && config->n_test > 0)
        status = custom_draw(config, data->seed, FV_STREAM_TEST, data->n_loss, 0, config->n_test,
                             data->test, error);
    if (status != FV_OK) return status;
    data->mean_targets = count_targets(data, data->fixed, config->n_train);
    if (config->n_test > 0) data->test_targets = count_targets(data, data->test, config->n_test);
    if (data->mean_targets > 0 && (config->n_test == 0 || data->test_targets > 0)) return FV_OK;
    return fv_fail(error, FV_USAGE, "task %.100s: no sequence has a target; -1 is no target",
                   config->custom.value);
}

static fv_status take_file(task_data *data, fv_error *error) {
    const sequence_file *file;
    fv_status status = file_get(&data->config, &file, error);
    if (status != FV_OK) return status;
    data->borrowed = true;
    data->fixed = file->rows;
    data->test = file->rows + (size_t)file->n * ((size_t)file->n_in + (size_t)file->n_out);
    data->mean_targets = file->n_targets;
    data->test_targets = file->n_test_targets;
    return FV_OK;
}

// Sequences that this library does not draw.
static fv_status take_foreign(task_data *data, bool fixed, fv_error *error) {
    if (data->config.name == FV_TASK_FILE) return take_file(data, error);
    fv_status status = custom_check_known(&data->config, error);
    return status == FV_OK && fixed ? draw_custom(data, error) : status;
}

fv_status data_feed(task_data *data, int batch_size, int n_steps, fv_error *error) {
    if (data->config.name != FV_TASK_CUSTOM || data->fixed != NULL) return FV_OK;
    return custom_feed_create(&data->config, data->seed, data->n_loss, batch_size, n_steps,
                              &data->feed, error);
}

fv_status data_take(task_data *data, uint32_t step, fv_error *error) {
    return data->feed != NULL ? custom_feed_take(data->feed, (int)step, error) : FV_OK;
}

double data_n_targets(const task_data *data, random_stream stream, int n_samples) {
    bool test = stream == FV_STREAM_TEST;
    if (data->feed != NULL && !test) return custom_feed_targets(data->feed);
    double mean = test ? data->test_targets : data->mean_targets;
    return (double)n_samples * (mean > 0 ? mean : data->n_targets);
}

fv_status data_create(const fv_task_config *config, uint64_t seed, bool training, task_data *data,
                      fv_error *error) {
    *data =
        (task_data){.config = *config, .held_out = *config, .task = task_of(config), .seed = seed};
    if (data->task->hold_out) data->task->hold_out(&data->held_out);
    fv_status status = FV_OK;
    data->loss_positions = malloc((size_t)config->context_length * sizeof *data->loss_positions);
    if (data->loss_positions == NULL) status = FV_NO_MEMORY;
    if (status == FV_OK) data->n_loss = data->task->loss_positions(config, data->loss_positions);
    if (status == FV_OK && data->task->own_create) {
        status = data->task->own_create(config, &data->own, error);
        if (status != FV_OK) {
            data_free(data);
            return status;
        }
    }
    data->n_targets = data->task->n_targets ? data->task->n_targets(config) : data->n_loss;
    data->n_inputs = task_inputs(config);
    data->n_outputs = task_outputs(config);
    data->n_in = config->context_length * (data->n_inputs > 0 ? data->n_inputs : 1);
    data->n_out = data->n_loss * (data->n_outputs > 0 ? data->n_outputs : 1);
    if (status == FV_OK) status = make_weights(data);
    bool foreign = data->task->foreign;
    bool fixed = training && config->data == FV_DATA_FIXED;
    if (status == FV_OK && fixed && !foreign) status = make_fixed(data);
    if (status == FV_OK && training && foreign) {
        status = take_foreign(data, fixed, error);
        if (status != FV_OK) data_free(data);
        return status;
    }
    if (status != FV_OK) {
        data_free(data);
        return fv_fail(error, status,
                       "out of memory for the task's data (%d sequences of %d tokens)",
                       config->n_train, config->context_length);
    }
    return FV_OK;
}

void data_free(task_data *data) {
    free(data->loss_positions);
    weights_free(&data->weights);
    if (data->task && data->task->own_free) data->task->own_free(data->own);
    if (!data->borrowed) {
        free(data->fixed);
        free(data->test);
    }
    custom_feed_free(data->feed);
    *data = (task_data){0};
}
