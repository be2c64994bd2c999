// What this machine is and what it can do at most, each limit measured when it is asked for.
#include "base/clock.h"
#include "base/system.h"
#include "kernels/kernels.h"

#include <fovea/machine.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *fv_version(void) {
    return FOVEA_VERSION;
}

static char cpu_name[128];

static void read_cpu_name(void) {
    system_cpu_name(cpu_name, sizeof cpu_name);
}

const char *fv_machine_cpu(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_cpu_name);
    return cpu_name;
}

int fv_machine_cores(void) {
    return system_cores();
}

// A measurement does n rounds of something and says how much that was.
typedef double (*measurement)(long n, double *amount);

// The best rate over slices of about half a millisecond, short enough that some pass undisturbed.
static double best_rate(measurement measure, double seconds) {
    double best = 0, amount;
    long n = 1;
    volatile double sink = 0;
    for (double started = clock_now(), end = started + seconds; clock_now() < end;) {
        double begun = clock_now();
        sink += measure(n, &amount);
        double taken = clock_now() - begun;
        if (taken > 0 && amount / taken > best) best = amount / taken;
        if (taken < 3e-4) n *= 2;
    }
    (void)sink;
    return best;
}

// Every addition waits for the one before: one a cycle.
static double chained_additions(long n, double *amount) {
    unsigned long x = 1;
    for (long i = 0; i < 256 * n; i++) {
#if defined(__x86_64__)
        __asm__ volatile("add $1, %0" : "+r"(x));
#else
        x += 1;
        __asm__ volatile("" : "+r"(x));
#endif
    }
    *amount = 256.0 * (double)n;
    return (double)x;
}

// Reads a block much larger than the last-level cache.
static double read_bandwidth(double seconds) {
    enum { BYTES = 256 << 20, WORDS = BYTES / sizeof(unsigned long) };
    unsigned long *block = aligned_alloc(64, BYTES);
    if (block == NULL) return 0;
    memset(block, 1, BYTES);
    double best = 0;
    volatile unsigned long sink = 0;
    for (double end = clock_now() + seconds; clock_now() < end;) {
        double begun = clock_now();
        unsigned long sum[8] = {0};
        for (size_t i = 0; i < WORDS; i += 8)
            for (size_t j = 0; j < 8; j++) sum[j] += block[i + j];
        double rate = BYTES / (clock_now() - begun);
        sink += sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
        if (rate > best) best = rate;
    }
    (void)sink;
    free(block);
    return best;
}

void fv_machine_core_limits(double seconds, fv_limits *limits) {
    const kernel_set *kernels = kernels_get();
    limits->clock_hz = best_rate(chained_additions, seconds / 3);
    limits->fma_flops = best_rate(kernels->peak_fma, seconds / 3);
    limits->exps = best_rate(kernels->peak_exp, seconds / 3);
    limits->bytes_per_second = 0;
}

void fv_machine_limits(double seconds, fv_limits *limits) {
    fv_machine_core_limits(seconds / 2, limits);
    limits->bytes_per_second = read_bandwidth(seconds / 2);
}
