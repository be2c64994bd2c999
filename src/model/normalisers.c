#include "model/normalisers.h"

#include <math.h>

#define FIELDS(...)      __VA_ARGS__
#define NO_FIELDS        0
#define NO_ALPHA         false
#define ALPHA            true
#define NO_STRETCH       FV_NO_STRETCH
#define STRETCH_OF_HEAD  FV_STRETCH_OF_HEAD
#define STRETCH_OF_QUERY FV_STRETCH_OF_QUERY

#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, slope, again, alpha_,        \
                      stretch_, exps_, theirs_, help_, example_, reads_)                           \
    static const normaliser_type normaliser_##name = {                                             \
        .part = {.help = help_, .example = example_, .reads = {reads_}},                           \
        .theirs = theirs_,                                                                         \
        .alpha = alpha_,                                                                           \
        .stretch = stretch_,                                                                       \
        .exps = exps_,                                                                             \
    };                                                                                             \
    _Static_assert((int)FV_NORMALISER_##NAME == (int)FV_NORMALISE_##NAME,                          \
                   "normalisers in one order");
#include "kernels/normaliser_list.h"

const normaliser_type *normaliser_type_of(int kind) {
    static const normaliser_type *const types[] = {
#define FV_PART_NORMALISER(NAME, name) &normaliser_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const config_part *const FV_PARTS_OF_NORMALISER[] = {
#define FV_PART_NORMALISER(NAME, name) &normaliser_##name.part,
#include <fovea/fields.def>
};

// Nothing: a normaliser that lacks one of its words does not compile.
const char *FV_LACKS_OF_NORMALISER(int kind) {
    (void)kind;
    return NULL;
}

bool normaliser_is_softmax(int kind) {
    return normaliser_rule_of((kernel_normaliser)kind) == FV_RULE_EXPONENTIAL &&
           normaliser_type_of(kind)->stretch == FV_NO_STRETCH;
}

// 1.01 + 0.99 / (1 + exp(-logit)): between nearly softmax and sparsemax.
static const double LEAST_ALPHA = FV_LEAST_ALPHA_PERCENT / 100.0;

real normaliser_alpha(real logit, real *slope) {
    real share = 1 / (1 + real_exp(-logit)), range = (real)(2 - LEAST_ALPHA);
    *slope = range * share * (1 - share);
    return (real)LEAST_ALPHA + range * share;
}

double normaliser_alpha_logit(double alpha) {
    const double most = 8; // beyond it nothing is left to learn
    double share = (alpha - LEAST_ALPHA) / (2 - LEAST_ALPHA);
    double logit = log(share / (1 - share));
    return fmax(-most, fmin(most, logit));
}
