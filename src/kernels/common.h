// What the kernels of all three kinds share: the width of a group, what counts as nothing, and how
// a query weighs a key.
#ifndef KERNELS_COMMON_H
#define KERNELS_COMMON_H

#include "base/real.h"
#include "kernels/normaliser_formulas.h"
#include "kernels/score_formulas.h"

enum { FV_LANES = 16 };

// What counts as nothing. Below 2^-126 floats are subnormal, and on many processors an operation
// that meets one takes over a hundred cycles: a run that had converged would take up to ten times
// as long a step. So values are set to 0 where they die out, long before they get there. That is
// part of the arithmetic, in the reference as in every variant, not a mode of the processor; a NaN
// is not below anything and stays.
//
//   FV_LOG_LEAST_EXP exponentials of what stands alone
//   FV_LEAST_SHARE   weights of a softmax before they are divided by their sum, over the largest
//                    (no sum could tell), sigmoids, softplus, decays of a state
//   FV_LEAST         gradients of scores and states, states, velocities, first moments, parameters
//   FV_LEAST_SQUARE  second moments; see kernel_adam for the gradients
#define FV_LOG_LEAST_EXP    (-87.3f)
#define FV_LEAST_SHARE      0x1p-64f
#define FV_LOG_LEAST_SHARE  (-44.3614197f)
#define FV_LOG2_LEAST_SHARE (-64.0f)
#define FV_LEAST            0x1p-100f
#define FV_LEAST_SQUARE     0x1p-120f

static inline real kernel_flush(real x, real least) {
    return real_abs(x) < least ? 0 : x;
}

// exp(x) and 2^x for x <= 0, where it is not nothing beside 1.
static inline real kernel_exp_share(real x) {
    return x < FV_LOG_LEAST_SHARE ? 0 : real_exp(x);
}
static inline real kernel_exp2_share(real x) {
    return x < FV_LOG2_LEAST_SHARE ? 0 : real_exp2(x);
}

#endif
