// What the benchmarks share: timing in short slices, so that the median survives a noisy neighbour.
#ifndef FOVEA_TOOL_BENCH_H
#define FOVEA_TOOL_BENCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_time {
    double median, best; // seconds
    double running;      // processor seconds of all threads in the slice that took fewest
    int n;               // slices
} bench_time;

// Times work(context), repeated within slices of about a millisecond, for about `seconds` in all
// and at least five slices.
bench_time bench_measure(void (*work)(void *context), void *context, double seconds);

// The same in several turns, between which others may be timed.
typedef struct bench_slices {
    double running; // as in bench_time
    bool
        by_thread; // `times` by the thread's own clock, which stops while another program has the core
    int n;
    double times[4096];
} bench_slices;
void bench_slices_begin(bench_slices *slices, void (*work)(void *context), void *context);
void bench_slices_add(bench_slices *slices, void (*work)(void *context), void *context,
                      double seconds); // at least one slice
bench_time bench_slices_end(bench_slices *slices);

// Sorts n times, n at least 1, and returns the median.
double bench_sort(double *times, int n);

// Memory in pages of 2 MiB where the system gives them, as keepers of large caches ask for them; to
// be freed with free(). NULL without memory.
void *bench_memory(size_t bytes);

// Fills x with numbers of about unit size, from a linear congruence.
void bench_fill(float *x, size_t n);

// Wrong usage: no case is called `name`. Says which there are: n structures of `size` bytes, each
// of which begins with its name.
int bench_no_case(const char *name, const void *cases, size_t size, size_t n);

// The options of the verb, and what it times: bench_<name>.c each.
typedef struct bench_options {
    const char *only; // a case's name, or NULL
    double seconds;   // a case
    bool json;
    bool full;       // the largest cases too
    int max_n;       // of crossover: the longest sequence, 0 for the default
    const char *out; // of crossover: the figure's folder, or NULL
    const char *cpu; // of train: a set of kernels, "all", or NULL for the one in use
} bench_options;

// Says on stderr which case is being timed, as the large ones take minutes; NULL at the end. Silent
// with JSON.
void bench_announce(const bench_options *options, const char *name);

int bench_train(const bench_options *options);
int bench_converged(const bench_options *options);
int bench_attention(const bench_options *options);
int bench_scan(const bench_options *options);
int bench_recurrence(const bench_options *options);
int bench_ring(const bench_options *options);
int bench_crossover(const bench_options *options);

#endif
