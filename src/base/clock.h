// The clock that durations and waits are measured by: it goes on steadily and is never set.
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

// Seconds since some moment in the past.
static inline double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
