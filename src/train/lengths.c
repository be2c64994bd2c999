#include "train/lengths.h"

#include <stdlib.h>

static fv_status create_length(const fv_model *whole, int n_tokens, train_length *length,
                               fv_error *error) {
    fv_config config = whole->config;
    config.task.context_length = n_tokens;
    int n_groups = (config.train.batch_size + FV_LANES - 1) / FV_LANES;
    fv_status status =
        model_plan_part(&config, whole->n_positions, NULL, n_groups, &length->model, error);
    if (status != FV_OK) return status;
    int capacity = length->model->group_capacity;
    length->n_tiles = (n_groups + capacity - 1) / capacity;
    return data_create(&config.task, (uint64_t)config.train.seed, true, &length->data, error);
}

fv_status lengths_create(const fv_model *whole, train_lengths *lengths, fv_error *error) {
    const fv_task_config *task = &whole->config.task;
    int longest = task->length_max > 0 ? task->length_max : task->context_length;
    int shortest = task->length_min > 0 ? task->length_min : longest;
    int n = (longest - shortest) / task->length_step + 1;
    *lengths = (train_lengths){.seed = (uint64_t)whole->config.train.seed};
    lengths->at = calloc((size_t)n, sizeof *lengths->at);
    if (lengths->at == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a run");
    for (; lengths->n < n; lengths->n++) {
        int n_tokens = shortest + lengths->n * task->length_step;
        fv_status status = create_length(whole, n_tokens, &lengths->at[lengths->n], error);
        if (status == FV_OK) continue;
        lengths->n++; // frees what there is of it
        lengths_free(lengths);
        return status;
    }
    return FV_OK;
}

void lengths_free(train_lengths *lengths) {
    for (int i = 0; i < lengths->n; i++) {
        data_free(&lengths->at[i].data);
        fv_model_free(lengths->at[i].model);
    }
    free(lengths->at);
    *lengths = (train_lengths){0};
}

const train_length *lengths_draw(const train_lengths *lengths, int step) {
    random_source random;
    random_init(&random, lengths->seed, FV_STREAM_LENGTH, (uint32_t)step, 0);
    return &lengths->at[random_below(&random, (uint32_t)lengths->n)];
}

memory_arena lengths_workspace(const train_lengths *lengths) {
    memory_arena largest = lengths->at[0].model->plan;
    for (int i = 1; i < lengths->n; i++)
        if (lengths->at[i].model->plan.size > largest.size) largest = lengths->at[i].model->plan;
    return largest;
}

int lengths_most_tiles(const train_lengths *lengths) {
    int most = 0;
    for (int i = 0; i < lengths->n; i++)
        if (lengths->at[i].n_tiles > most) most = lengths->at[i].n_tiles;
    return most;
}
