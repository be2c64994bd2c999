// How fast the answers of a cell came: medians, as a few slow ones say nothing about the others.
#ifndef FOVEA_SERVED_SPEEDS_H
#define FOVEA_SERVED_SPEEDS_H

#include "eval/asks.h"

enum { SPEEDS_N = 3 }; // first token, prefill, decode

// Starts as {0}.
typedef struct speeds {
    float *values[SPEEDS_N];
    int n[SPEEDS_N], capacity[SPEEDS_N];
    bool by_timings, by_stream;
    double thought; // sum of tokens
    int n_thought;
} speeds;

// Adds an answer that counts. Without memory it is left out.
void speeds_add(speeds *s, const asks_row *row);

// Writes speed and tokens of thought of the answers so far into `cell`.
void speeds_of(speeds *s, fv_cell *cell);

void speeds_forget(speeds *s); // keeps the memory
void speeds_free(speeds *s);

#endif
