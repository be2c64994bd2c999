// What the benchmarks share: timing in short slices, so that the median survives a noisy neighbour.
#ifndef FOVEA_TOOL_BENCH_H
#define FOVEA_TOOL_BENCH_H

#include <stdbool.h>

typedef struct bench_time {
    double median, best; // seconds
    int n;               // slices
} bench_time;

// Times work(context), repeated within slices of about a millisecond, for about `seconds` in all
// and at least five slices.
bench_time bench_measure(void (*work)(void *context), void *context, double seconds);

// `fovea bench train`; the options of the verb.
typedef struct bench_options {
    const char *only; // a case's name, or NULL
    double seconds;   // a case
    bool json;
} bench_options;
int bench_train(const bench_options *options);

#endif
