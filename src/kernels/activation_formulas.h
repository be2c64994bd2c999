// What the formulas of activations (include/fovea/parts/<name>.activation.h) are made of. Each is
// written once, and is read by the bodies over vectors and by the reference over reals:
//
//   x, dy                  what comes in, what comes back
//   g                      what f(x) and its slope share; it is computed once
//   NUMBER(c)              a constant
//   FMA(a, b, c)           a b + c, rounded once where the processor can
//   SIGMOID(x)             1 / (1 + exp(-x)), 0 below FV_LEAST_SHARE
//   POSITIVE(x)            x, but 0 below 0
//   WHERE_POSITIVE(x, y)   y, but 0 where x is not above 0
//
// A NaN is not below anything and stays. A new word has a line here and a definition in
// body_elementwise.h and in reference.c.
#ifndef KERNELS_ACTIVATION_FORMULAS_H
#define KERNELS_ACTIVATION_FORMULAS_H

typedef enum kernel_activation {
#define FV_ACTIVATION(NAME, name, help, theirs, exps, g, value, slope) FV_KERNEL_##NAME,
#include <fovea/parts/activations.def>
#undef FV_ACTIVATION
    FV_N_ACTIVATIONS
} kernel_activation;

#endif
