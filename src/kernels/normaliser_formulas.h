// How the scores of a query become the weights of its keys. A normaliser is one file,
// include/fovea/parts/<name>.normaliser.h, and what stands in it is read by the lab's kernels, their
// reference, the decoder and parity tests:
//
//   FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, slope, again, alpha, stretch, exps, theirs,
//                 help, example, reads)
//
//   rule      EXPONENTIAL  exp(score) over the sum of these
//             THRESHOLD    f(r) of r = unit (score - tau), 0 where r < 0, with the tau for which all add
//                          up to 1. f(0) = 0, f rises, and its power `unit` is at most linear (convex to
//                          its root): that makes the steps to tau certain, body_normalise.h
//             ALONE        f(r) of r = score - log n, n being the keys seen: each key for itself
//   unit      of THRESHOLD, else 1
//   weight    f(r)
//   quotient  of THRESHOLD: w / r, of r and w = f(r), where r is not 0
//   root      of THRESHOLD: total^unit, of total
//   slope     d weight / d score, for a threshold that stays, of the weight p
//   again     unit times the score, from p, but for a summand that is the same for all keys of the query
//   alpha     NO_ALPHA, or ALPHA: a number of the head that formulas read, and that heads may learn
//   stretch   NO_STRETCH, or by what scores are multiplied beforehand: STRETCH_OF_HEAD s log n,
//             STRETCH_OF_QUERY 1 + beta (log n)^gamma (model/normalisers.c)
//   exps      exponentials a key
//   theirs    1 where TransformerLens weighs keys so
//   reads     NO_FIELDS, or FIELDS(FV_READS(model.<field>), ...)
//
// Formulas are written over operators that floats, doubles and vectors have, and the words
//
//   SQRT(x)       for x >= 0
//   POW(x, y)     x^y for x >= 0; 0 where x is 0, and below FV_LEAST_SHARE
//   LOG(x)        any number where x is 0
//   RATIO(x, y)   x / y; 0 where y is 0
//   ONE_ABOVE(x)  1 where x > 0, else 0
//   SIGMOID(x)    1 / (1 + exp(-x)), 0 below FV_LEAST_SHARE
#ifndef KERNELS_NORMALISER_FORMULAS_H
#define KERNELS_NORMALISER_FORMULAS_H

#include <stdbool.h>

typedef enum kernel_normaliser {
#define FV_NORMALISER(NAME, name, ...) FV_NORMALISE_##NAME,
#include "kernels/normaliser_list.h"
    FV_N_NORMALISERS
} kernel_normaliser;

typedef enum normaliser_rule {
    FV_RULE_EXPONENTIAL,
    FV_RULE_THRESHOLD,
    FV_RULE_ALONE
} normaliser_rule;

// An unlisted normaliser has no case, and is softmax.
static inline normaliser_rule normaliser_rule_of(kernel_normaliser kind) {
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, ...)                                                       \
    case FV_NORMALISE_##NAME:                                                                      \
        return FV_RULE_##rule;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return FV_RULE_EXPONENTIAL;
}

#define NO_ALPHA false
#define ALPHA    true
static inline bool normaliser_has_alpha(kernel_normaliser kind) {
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, slope, again, alpha, ...)    \
    case FV_NORMALISE_##NAME:                                                                      \
        return alpha;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return false;
}
#undef NO_ALPHA
#undef ALPHA

#endif
