// The lengths a run trains on: the model planned and the data drawn for each of them, all over one
// array of parameters. A run without task.length_min has one.
#ifndef TRAIN_LENGTHS_H
#define TRAIN_LENGTHS_H

#include "model/layers.h"

#include <fovea/train.h>

typedef struct train_length {
    fv_model *model; // reads sequences of this length
    task_data data;  // with the fixed training set, if the task has one
    int n_tiles;     // of a batch
} train_length;

typedef struct train_lengths {
    int n;
    train_length *at; // [n], the longest last
    uint64_t seed;
} train_lengths;

// Of a checked configuration; `whole` is its model, of context_length, and outlives the lengths.
fv_status lengths_create(const fv_model *whole, train_lengths *lengths, fv_error *error);
void lengths_free(train_lengths *lengths);

// The length that the sequences of a step have: one of them, uniformly drawn.
train_length *lengths_draw(const train_lengths *lengths, int step);
static inline train_length *lengths_longest(const train_lengths *lengths) {
    return &lengths->at[lengths->n - 1];
}

// A workspace in which every length fits.
memory_arena lengths_workspace(const train_lengths *lengths);
// Operations of a step and tokens that it reads, the mean over all lengths.
fv_step_cost lengths_cost(const train_lengths *lengths, int batch_size);
double lengths_tokens(const train_lengths *lengths, int batch_size);
// The most tiles of a batch.
int lengths_most_tiles(const train_lengths *lengths);

#endif
