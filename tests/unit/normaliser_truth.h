// What weights are, in doubles: of normalisers with a publication written out by hand, by sorting where
// that is exact; of every further one of the list by its formulas and bisection.
#ifndef TESTS_NORMALISER_TRUTH_H
#define TESTS_NORMALISER_TRUTH_H

#include "kernels/normaliser_formulas.h"

#include <math.h>
#include <stdlib.h>

static inline int normaliser_descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

// Sparsemax: of the largest keys as many as leave the last of them above the threshold.
static inline double sparsemax_threshold(const double *sorted, int n) {
    double sum = 0, tau = 0;
    for (int k = 1; k <= n; k++) {
        sum += sorted[k - 1];
        if (1 + k * sorted[k - 1] > sum) tau = (sum - 1) / k;
    }
    return tau;
}

// 1.5-entmax of halved scores: the smaller root of sum (x - tau)^2 = 1 over the k largest.
static inline double entmax15_threshold(const double *sorted, int n) {
    double sum = 0, squares = 0, tau = 0;
    for (int k = 1; k <= n; k++) {
        sum += sorted[k - 1];
        squares += sorted[k - 1] * sorted[k - 1];
        double mean = sum / k, spread = squares - k * mean * mean;
        double root = mean - sqrt(fmax(0, (1 - spread) / k));
        if (root <= sorted[k - 1]) tau = root;
    }
    return tau;
}

// f(r) of a normaliser, by its formulas.
static inline double normaliser_formula(kernel_normaliser kind, double alpha, double r) {
    (void)alpha;
#define SQRT(x)    sqrt(x)
#define POW(x, y)  pow(x, y)
#define SIGMOID(x) (1 / (1 + exp(-(x))))
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, ...)                                         \
    case FV_NORMALISE_##NAME:                                                                      \
        return weight;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return NAN;
}

static inline double normaliser_unit(kernel_normaliser kind, double alpha) {
    (void)alpha;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, ...)                                                 \
    case FV_NORMALISE_##NAME:                                                                      \
        return (double)(unit);
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return NAN;
#undef SQRT
#undef POW
#undef SIGMOID
}

// x [n] = unit times scores, at most 0.
static inline double normaliser_bisect(kernel_normaliser kind, double alpha, const double *x,
                                       int n) {
    double low = -1, high = 0;
    for (int step = 0; step < 200; step++) {
        double middle = (low + high) / 2, sum = 0;
        for (int j = 0; j < n; j++)
            if (x[j] > middle) sum += normaliser_formula(kind, alpha, x[j] - middle);
        if (sum >= 1)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// Scores [n], -infinity of keys that are not seen, become weights; n_seen of them count. Returns how far the nearest key is
// from the threshold, in units of scores; infinity where there is none.
static inline double normaliser_truth(kernel_normaliser kind, double alpha, double *scores, int n,
                                      int n_seen) {
    const normaliser_rule rule = normaliser_rule_of(kind);
    double largest = -INFINITY, sum = 0, margin = INFINITY;
    for (int j = 0; j < n; j++) largest = fmax(largest, scores[j]);
    if (largest == -INFINITY) {
        for (int j = 0; j < n; j++) scores[j] = 0;
        return margin;
    }
    if (rule != FV_RULE_THRESHOLD) {
        for (int j = 0; j < n; j++)
            sum += scores[j] = rule == FV_RULE_EXPONENTIAL ? exp(scores[j] - largest)
                                                           : 1 / (1 + n_seen * exp(-scores[j]));
        for (int j = 0; j < n && rule == FV_RULE_EXPONENTIAL; j++) scores[j] /= sum;
        return margin;
    }
    const double unit = normaliser_unit(kind, alpha);
    double *x = malloc(2 * sizeof(double) * (size_t)n), *sorted = x + n;
    int n_finite = 0;
    for (int j = 0; j < n; j++) {
        sorted[j] = x[j] = unit * (scores[j] - largest);
        n_finite += isfinite(x[j]);
    }
    qsort(sorted, (size_t)n, sizeof *sorted, normaliser_descending);
    double tau = kind == FV_NORMALISE_SPARSEMAX  ? sparsemax_threshold(sorted, n_finite)
                 : kind == FV_NORMALISE_ENTMAX15 ? entmax15_threshold(sorted, n_finite)
                                                 : normaliser_bisect(kind, alpha, x, n);
    for (int j = 0; j < n; j++) {
        margin = fmin(margin, fabs(x[j] - tau) / unit);
        scores[j] = x[j] > tau ? normaliser_formula(kind, alpha, x[j] - tau) : 0;
    }
    free(x);
    return margin;
}

#endif
