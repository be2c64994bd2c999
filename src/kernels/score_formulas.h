// How a query weighs a key. A score is one file, include/fovea/parts/<name>.score.h, and what stands
// in it is read by the lab's kernels, the tiles, decoding, all their references and parity tests. It
// is factor f(x) of a product x = q . k, or -factor f(x) of a squared distance x = |q - k|^2:
//
//   FV_SCORE(NAME, name, of, bends, factor, value, slope, power, floor, scale, theirs, help, example, reads)
//
//   of        PRODUCT or DISTANCE: what x is
//   bends     1 where f'(x) depends on x
//   factor    of `scale` and `power`
//   value     the score, of x, `factor` and `floor`; of a product f(x) alone: it is cheaper to scale
//             the query (tiles) or the difference to the largest score (lanes)
//   slope     c f'(x), of c, x and `floor`
//   power     NO_POWER; or POWER(what it is, the score again from slope = -factor f'(x)), where the
//             factor is proportional to a power that heads may learn
//   floor     NO_FLOOR, or FLOOR(what it is), where x is kept above 0 by it
//   scale     what it is, of `config` and d_head, like power and floor
//   theirs    1 where TransformerLens weighs keys so
//   reads     NO_FIELDS, or FIELDS(FV_READS(model.<field>), ...)
//
// Formulas are written over operators that floats, doubles and vectors have, and three words that
// their readers define: LOG(x), SQRT(x), and FINITE(y, x), which is y, but NaN in the tiles where x is
// not finite, as their logarithm makes a number of any bits.
#ifndef KERNELS_SCORE_FORMULAS_H
#define KERNELS_SCORE_FORMULAS_H

#include <stdbool.h>

typedef enum kernel_score {
#define FV_SCORE(NAME, name, ...) FV_KERNEL_##NAME,
#include "kernels/score_list.h"
    FV_N_SCORES
} kernel_score;

#define PRODUCT           false
#define DISTANCE          true
#define NO_POWER          false
#define POWER(now, again) true
#define NO_FLOOR          false
#define FLOOR(now)        true

// What a kernel asks before it begins. An unlisted score has no case and is none of them.
static inline bool score_is_metric(kernel_score score) {
    switch (score) {
#define FV_SCORE(NAME, name, of, ...)                                                              \
    case FV_KERNEL_##NAME:                                                                         \
        return of;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return false;
}

static inline bool score_bends(kernel_score score) {
    switch (score) {
#define FV_SCORE(NAME, name, of, bends, ...)                                                       \
    case FV_KERNEL_##NAME:                                                                         \
        return bends;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return false;
}

static inline bool score_has_power(kernel_score score) {
    switch (score) {
#define FV_SCORE(NAME, name, of, bends, factor, value, slope, power, ...)                          \
    case FV_KERNEL_##NAME:                                                                         \
        return power;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return false;
}

static inline bool score_has_floor(kernel_score score) {
    switch (score) {
#define FV_SCORE(NAME, name, of, bends, factor, value, slope, power, floor, ...)                   \
    case FV_KERNEL_##NAME:                                                                         \
        return floor;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return false;
}

static inline double score_factor(kernel_score score, double scale, double power) {
    switch (score) {
#define FV_SCORE(NAME, name, of, bends, factor, ...)                                               \
    case FV_KERNEL_##NAME:                                                                         \
        return factor;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    (void)power;
    return scale;
}

#undef PRODUCT
#undef DISTANCE
#undef NO_POWER
#undef POWER
#undef NO_FLOOR
#undef FLOOR

#endif
