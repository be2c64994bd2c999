// How a query weighs a key: the formula of every score, once. The lab's kernels, the tiles,
// decoding and all their references are made from what stands here; so are parity tests. A score
// that is listed in include/fovea/parts/scores.def and not here does not compile.
//
// A score is made of q . k, or is -factor f(x) of the squared distance x = |q - k|^2:
//
//   FV_METRIC_<name>                   1: of the distance, 0: factor q . k
//   FV_BENDS_<name>                    1: f' depends on x
//   FV_FACTOR_<name>(scale, power)     what the factor is
//   FV_VALUE_<name>(x, factor, floor)  the score
//   FV_SLOPE_<name>(c, x, floor)       c f'(x)
//
// They are written over operators that floats, doubles and vectors have, and two words that each
// kernel defines: LOG(x), and FINITE(y, x), which is y, but NaN in the tiles where x is not finite,
// as their logarithm makes a number of any bits. Products are not multiplied by their factor here:
// it is cheaper to scale the query (tiles) or the difference to the largest score (lanes).
#ifndef KERNELS_SCORE_FORMULAS_H
#define KERNELS_SCORE_FORMULAS_H

#include <stdbool.h>

// scale q . k
#define FV_METRIC_dot                  0
#define FV_BENDS_dot                   0
#define FV_FACTOR_dot(scale, power)    (scale)
#define FV_VALUE_dot(x, factor, floor) (x)
#define FV_SLOPE_dot(c, x, floor)      (c)

// -scale |q - k|^2
#define FV_METRIC_euclidean                  1
#define FV_BENDS_euclidean                   0
#define FV_FACTOR_euclidean(scale, power)    (scale)
#define FV_VALUE_euclidean(x, factor, floor) ((x) * -(factor))
#define FV_SLOPE_euclidean(c, x, floor)      (c)

// -power / 2 log(|q - k|^2 + floor), weights proportional to distance^-power
#define FV_METRIC_harmonic                  1
#define FV_BENDS_harmonic                   1
#define FV_FACTOR_harmonic(scale, power)    ((power) / 2)
#define FV_VALUE_harmonic(x, factor, floor) FINITE(LOG((x) + (floor)) * -(factor), x)
#define FV_SLOPE_harmonic(c, x, floor)      ((c) / ((x) + (floor)))
// The value again, from slope = FV_SLOPE_harmonic(-factor, x, floor): for the gradient of a power
// that is learned.
#define FV_VALUE_OF_SLOPE_harmonic(slope, factor) (LOG(-(factor) / (slope)) * -(factor))

typedef enum kernel_score {
#define FV_PART_SCORE(NAME, name) FV_KERNEL_##NAME,
#include "kernels/score_list.h"
    FV_N_SCORES
} kernel_score;

// What a kernel asks before it begins. An unlisted score has no case and is none of them.
static inline bool score_is_metric(kernel_score score) {
    switch (score) {
#define FV_PART_SCORE(NAME, name)                                                                  \
    case FV_KERNEL_##NAME:                                                                         \
        return FV_METRIC_##name;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return false;
}

static inline bool score_bends(kernel_score score) {
    switch (score) {
#define FV_PART_SCORE(NAME, name)                                                                  \
    case FV_KERNEL_##NAME:                                                                         \
        return FV_BENDS_##name;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return false;
}

static inline double score_factor(kernel_score score, double scale, double power) {
    switch (score) {
#define FV_PART_SCORE(NAME, name)                                                                  \
    case FV_KERNEL_##NAME:                                                                         \
        return FV_FACTOR_##name(scale, power);
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    (void)power;
    return scale;
}

#endif
