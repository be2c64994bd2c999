// A power law through times of emergence, some of them censored (the run ended before the event):
// how the step at which something emerges grows with the size of the problem.
#ifndef FOVEA_MEASURES_POWER_FIT_H
#define FOVEA_MEASURES_POWER_FIT_H

#include <stdbool.h>

typedef struct power_point {
    double x, time; // both positive
    bool censored;  // it had not happened by `time`
} power_point;

// time = factor * x^exponent, times a log-normal scatter.
typedef struct power_fit {
    int n, n_censored;
    double exponent, low, high; // with its 95 % interval
    double factor;              // of the median time
    double scatter;             // standard deviation of ln time around the line
} power_fit;

// Finds the most likely power law. False where the points do not determine one: fewer than three
// that are not censored, fewer than two different x among these, an x or time without logarithm, or
// no memory.
bool power_fit_find(const power_point *points, int n, power_fit *fit);

#endif
