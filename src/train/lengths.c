#include "train/lengths.h"

#include <fovea/task.h>
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
    status = data_create(&config.task, fv_task_seed(&config), true, &length->data, error);
    if (status != FV_OK) return status;
    return data_feed(&length->data, config.train.batch_size, config.train.steps, error);
}

fv_status lengths_create(const fv_model *whole, train_lengths *lengths, fv_error *error) {
    const fv_task_config *task = &whole->config.task;
    int longest = task->length_max > 0 ? task->length_max : task->context_length;
    int shortest = task->length_min > 0 ? task->length_min : longest;
    int n = (longest - shortest) / task->length_step + 1;
    *lengths = (train_lengths){.seed = fv_task_seed(&whole->config)};
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

train_length *lengths_draw(const train_lengths *lengths, int step) {
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

// Of a sequence of one length, for the forward pass: operations in the textbook's arrangement and
// in this engine's.
static fv_step_cost forward_cost(const fv_model *model) {
    fv_step_cost cost = {0};
    for (int i = 0; i < model->n_layers; i++) {
        const model_layer *layer = &model->layers[i];
        double textbook, executed, exps;
        layer->type->cost(layer, &textbook, &executed, &exps);
        cost.flops += 2 * textbook; // a multiply-add is two operations
        cost.executed_flops += 2 * executed;
        cost.exps += exps;
    }
    return cost;
}

fv_step_cost lengths_cost(const train_lengths *lengths, int batch_size) {
    fv_step_cost cost = {0};
    double share = (double)batch_size / lengths->n;
    for (int i = 0; i < lengths->n; i++) {
        fv_step_cost forward = forward_cost(lengths->at[i].model);
        // The backward pass takes two products for each of the forward pass.
        cost.flops += 3 * share * forward.flops;
        cost.executed_flops += 3 * share * forward.executed_flops;
        cost.exps += share * forward.exps;
    }
    return cost;
}

double lengths_tokens(const train_lengths *lengths, int batch_size) {
    double tokens = 0;
    for (int i = 0; i < lengths->n; i++) tokens += lengths->at[i].model->config.task.context_length;
    return tokens * batch_size / lengths->n;
}

fv_status fv_step_cost_of(const fv_config *config, fv_step_cost *cost, double *tokens,
                          fv_error *error) {
    fv_config fresh = *config; // no training set is made
    fresh.task.data = FV_DATA_FRESH;
    fv_model *model;
    train_lengths lengths;
    fv_status status = fv_model_create(&fresh, &model, error);
    if (status != FV_OK) return status;
    status = lengths_create(model, &lengths, error);
    if (status == FV_OK) {
        *cost = lengths_cost(&lengths, config->train.batch_size);
        *tokens = lengths_tokens(&lengths, config->train.batch_size);
        lengths_free(&lengths);
    }
    fv_model_free(model);
    return status;
}
