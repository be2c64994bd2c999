// Subnormal numbers counted, and refused.
#ifndef TESTS_SUBNORMAL_H
#define TESTS_SUBNORMAL_H

#include "engine.h"

static inline size_t n_subnormal(const float *x, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += fpclassify(x[i]) == FP_SUBNORMAL;
    return count;
}

#define CHECK_NONE(name, x, n)                                                                     \
    do {                                                                                           \
        size_t count_ = n_subnormal(x, n);                                                         \
        if (count_ > 0)                                                                            \
            fail_msg("%s: %zu of %zu numbers of " #x " are subnormal", name, count_, (size_t)(n)); \
    } while (0)

#endif
