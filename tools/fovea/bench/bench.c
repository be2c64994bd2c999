#include "bench/bench.h"

#include "tool.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    return tool_seconds(CLOCK_MONOTONIC);
}

static double time_slice(bench_slices *slices, void (*work)(void *), void *context, int repeats) {
    clockid_t clock = slices->by_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    double begun = tool_seconds(clock), begun_running = tool_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < repeats; i++) work(context);
    double ran = (tool_seconds(CLOCK_PROCESS_CPUTIME_ID) - begun_running) / repeats;
    if (ran < slices->running) slices->running = ran;
    return (tool_seconds(clock) - begun) / repeats;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_sort(double *times, int n) {
    qsort(times, (size_t)n, sizeof *times, compare);
    return times[n / 2];
}

void *bench_memory(size_t bytes) {
    const size_t page = (size_t)1 << 21;
    size_t rounded = (bytes + page - 1) / page * page;
    void *memory = bytes <= SIZE_MAX - page ? aligned_alloc(page, rounded) : NULL;
#ifdef MADV_HUGEPAGE
    if (memory) madvise(memory, rounded, MADV_HUGEPAGE); // advice: without it all goes on, slower
#endif
    return memory;
}

void bench_fill(float *x, size_t n) {
    unsigned seed = 1;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = ((float)(seed >> 8) / 8388608.0f - 1) * 1.7f;
    }
}

void bench_slices_begin(bench_slices *slices, void (*work)(void *context), void *context) {
    slices->n = 0;
    slices->by_thread = false;
    slices->running = INFINITY;
    time_slice(slices, work, context, 2); // caches, page faults
}

void bench_slices_add(bench_slices *slices, void (*work)(void *context), void *context,
                      double seconds) {
    enum { MOST = sizeof slices->times / sizeof *slices->times };
    double end = now() + seconds, once = time_slice(slices, work, context, 1);
    int repeats = once > 1e-3 ? 1 : (int)(1e-3 / once) + 1;
    do {
        if (slices->n < MOST)
            slices->times[slices->n++] = time_slice(slices, work, context, repeats);
    } while (slices->n < MOST && now() < end);
}

bench_time bench_slices_end(bench_slices *slices) {
    double median = bench_sort(slices->times, slices->n);
    return (bench_time){median, slices->times[0], slices->running, slices->n};
}

bench_time bench_measure(void (*work)(void *context), void *context, double seconds) {
    enum { LEAST = 5 };
    static bench_slices slices;
    bench_slices_begin(&slices, work, context);
    bench_slices_add(&slices, work, context, seconds);
    while (slices.n < LEAST) bench_slices_add(&slices, work, context, 0);
    return bench_slices_end(&slices);
}

int bench_no_case(const char *name, const void *cases, size_t size, size_t n) {
    char printable[128];
    snprintf(printable, sizeof printable, "%s", name);
    fv_printable(printable, sizeof printable);
    fprintf(stderr, "fovea: no case is called '%s'; there are", printable);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%s '%s'", i > 0 ? "," : "",
                *(const char *const *)((const char *)cases + i * size));
    fputc('\n', stderr);
    return EXIT_USAGE;
}

void bench_announce(const bench_options *options, const char *name) {
    if (options->json) return;
    if (isatty(fileno(stderr)))
        fprintf(stderr, "\r\033[K%s%s", name ? "timing " : "", name ? name : "");
    else if (name)
        fprintf(stderr, "timing %s\n", name);
}
