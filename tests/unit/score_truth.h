// What a score is, in doubles: of the scores with a publication written out by hand, of every further
// one of the list by its formula (kernels/score_formulas.h).
#ifndef TESTS_SCORE_TRUTH_H
#define TESTS_SCORE_TRUTH_H

#include "kernels/score_formulas.h"

#include <math.h>

typedef struct score_case {
    kernel_score kind;
    double scale, power, floor;
    double product, distance; // q . k and |q - k|^2
} score_case;

// *slope receives what k is multiplied with in the gradient of a query, or of distances q - k.
static inline double score_truth(score_case s, double *slope) {
    if (s.kind == FV_KERNEL_DOT) return *slope = s.scale, s.scale * s.product;
    if (s.kind == FV_KERNEL_EUCLIDEAN) return *slope = -2 * s.scale, -s.scale * s.distance;
    if (s.kind == FV_KERNEL_HARMONIC) {
        *slope = -s.power / (s.distance + s.floor);
        return -s.power / 2 * log(s.distance + s.floor);
    }
    const bool metric = score_is_metric(s.kind);
    const double factor = score_factor(s.kind, s.scale, s.power), floor = s.floor;
    const double x = metric ? s.distance : s.product, c = metric ? -2 * factor : factor;
    (void)floor;
#define LOG(x)       log(x)
#define SQRT(x)      sqrt(x)
#define FINITE(y, x) (y)
    switch (s.kind) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, slope_, ...)                              \
    case FV_KERNEL_##NAME:                                                                         \
        *slope = slope_;                                                                           \
        return metric ? (value_) : factor * (value_);
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
#undef LOG
#undef SQRT
#undef FINITE
    return *slope = NAN;
}

#endif
