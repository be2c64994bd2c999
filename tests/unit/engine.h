// What the tests of the engine share: numbers to fill arrays with, and assertions that print the
// numbers they judge.
#ifndef TESTS_ENGINE_H
#define TESTS_ENGINE_H

#include <fovea/status.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A number on [0, 1) from a linear congruence: the tests' own, so that no fault of the engine's
// generator can hide itself.
static inline double noise01(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static inline double noise(uint64_t *state) {
    return 2 * noise01(state) - 1;
}

// Standard normal, by Box-Muller.
static inline double noise_normal(uint64_t *state) {
    double u[2];
    for (int i = 0; i < 2; i++) u[i] = noise01(state) + 0x1p-54;
    return sqrt(-2 * log(u[0])) * cos(6.283185307179586 * u[1]);
}

// On [0, n).
static inline int noise_below(uint64_t *state, int n) {
    return (int)(noise01(state) * n);
}

#define check_near(value, wanted, tolerance)                                                       \
    do {                                                                                           \
        double value_ = (value), wanted_ = (wanted), tolerance_ = (tolerance);                     \
        if (!(fabs(value_ - wanted_) <= tolerance_))                                               \
            fail_msg("%s is %.9g, not within %g of %.9g", #value, value_, tolerance_, wanted_);    \
    } while (0)

#define check_between(value, lowest, highest)                                                      \
    do {                                                                                           \
        double value_ = (value), lowest_ = (lowest), highest_ = (highest);                         \
        if (!(value_ >= lowest_ && value_ <= highest_))                                            \
            fail_msg("%s is %.9g, not between %g and %g", #value, value_, lowest_, highest_);      \
    } while (0)

#define check_ok(call)                                                                             \
    do {                                                                                           \
        fv_status status_ = (call);                                                                \
        if (status_ != FV_OK) fail_msg("%s: %s", #call, fv_status_text(status_));                  \
    } while (0)

#endif
