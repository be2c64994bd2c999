// The lengths a run trains on: the model planned and the data drawn for each of them, all over one
// array of parameters. A run without task.length_min has one.
#ifndef TRAIN_LENGTHS_H
#define TRAIN_LENGTHS_H

#include "model/layers.h"

typedef struct fv_length {
    fv_model *model; // reads sequences of this length
    fv_data data;    // with the fixed training set, if the task has one
    int n_tiles;     // of a batch
} fv_length;

typedef struct fv_lengths {
    int n;
    fv_length *at; // [n], the longest last
    uint64_t seed;
} fv_lengths;

// Of a checked configuration; `whole` is its model, of context_length, and outlives the lengths.
fv_status fv_lengths_create(const fv_model *whole, fv_lengths *lengths, fv_error *error);
void fv_lengths_free(fv_lengths *lengths);

// The length that the sequences of a step have: one of them, uniformly drawn.
const fv_length *fv_lengths_draw(const fv_lengths *lengths, int step);
static inline const fv_length *fv_lengths_longest(const fv_lengths *lengths) {
    return &lengths->at[lengths->n - 1];
}

// A workspace in which every length fits.
fv_arena fv_lengths_workspace(const fv_lengths *lengths);
// The most tiles of a batch.
int fv_lengths_most_tiles(const fv_lengths *lengths);

#endif
