// A sequence of random numbers that every rank can draw its own rows of: a number is a function of
// where it stands in the sequence.
#ifndef FOVEA_TOOL_RING_DATA_H
#define FOVEA_TOOL_RING_DATA_H

#include <fovea/ring.h>

// The rows that rank r of n_ranks has; n_ranks 1 is the whole sequence.
typedef struct ring_part {
    const fv_ring_config *config;
    int n_ranks, rank;
} ring_part;

int64_t ring_part_rows(const ring_part *part);

// Numbers of a tensor (RING_Q ...), and the bytes that they take.
size_t ring_part_size(const ring_part *part, int tensor);

// Fills a tensor: mean 0, variance 1.
void ring_part_draw(const ring_part *part, int tensor, float *to);

// The largest distance of a part of a tensor from the whole one.
double ring_part_distance(const ring_part *part, int tensor, const float *mine, const float *whole);

#endif
