// The number type of parameters and activations: float. The gradient checks build the same sources
// a second time with FOVEA_DOUBLE, where central differences are good to nine digits.
#ifndef BASE_REAL_H
#define BASE_REAL_H

#include "base/ieee.h"

#include <math.h>

#ifdef FOVEA_DOUBLE
typedef double real;
#define real_exp   exp
#define real_exp2  exp2
#define real_log   log
#define real_sqrt  sqrt
#define real_log1p log1p
#define real_abs   fabs
#define real_tanh  tanh
#else
typedef float real;
#define real_exp   expf
#define real_exp2  exp2f
#define real_log   logf
#define real_sqrt  sqrtf
#define real_log1p log1pf
#define real_abs   fabsf
#define real_tanh  tanhf
#endif

#endif
