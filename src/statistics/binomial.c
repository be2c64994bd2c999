#include "statistics/binomial.h"

#include <fovea/eval.h>
#include <fovea/paired.h>
#include <math.h>

static const double NEGLIGIBLE = 1e-17; // of a sum, what the next term adds

double binomial_equal(int k, int n, double p) {
    if (k < 0 || k > n) return 0;
    if (p <= 0) return k == 0;
    if (p >= 1) return k == n;
    double ways = lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
    return exp(ways + k * log(p) + (n - k) * log1p(-p));
}

// The sum from k upwards, where terms fall: k is at the most probable number or above it.
static double upper_tail(int k, int n, double p) {
    double term = binomial_equal(k, n, p), sum = term, odds = p / (1 - p);
    for (; k < n && term > NEGLIGIBLE * sum; k++) {
        term *= odds * (n - k) / (k + 1);
        sum += term;
    }
    return sum < 1 ? sum : 1;
}

double fv_binomial_at_least(int k, int n, double p) {
    if (k <= 0) return 1;
    if (k > n || p <= 0) return 0;
    if (p >= 1) return 1;
    if (k >= (n + 1) * p) return upper_tail(k, n, p);
    return 1 - upper_tail(n - k + 1, n, 1 - p); // the failures of the others
}

double fv_binomial_at_most(int k, int n, double p) {
    return fv_binomial_at_least(n - k, n, 1 - p);
}

// The p at which a tail that rises (or falls) with p is `wanted`.
static double solve(double (*tail)(int k, int n, double p), int k, int n, double wanted,
                    int rises) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if ((tail(k, n, middle) < wanted) == rises)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

void binomial_interval(int k, int n, double outside, double *low, double *high) {
    *low = k <= 0 ? 0 : solve(fv_binomial_at_least, k, n, outside / 2, 1);
    *high = k >= n ? 1 : solve(fv_binomial_at_most, k, n, outside / 2, 0);
}

void binomial_range(int n, double p, int *first, int *last) {
    // Bernstein's bound on both sides.
    double wide = 8.5 * sqrt(n * p * (1 - p)) + 30;
    *first = n * p > wide ? (int)(n * p - wide) : 0;
    *last = n * p + wide < n ? (int)(n * p + wide) + 1 : n;
}

void fv_wilson(int hits, int n, double z, double *low, double *high) {
    *low = 0;
    *high = 1;
    if (n <= 0) return;
    double share = (double)hits / n, zz = z * z / n;
    double middle = (share + zz / 2) / (1 + zz);
    double half = z / (1 + zz) * sqrt(share * (1 - share) / n + zz / (4.0 * n));
    // At the ends the exact bounds are 0 and 1, which rounding would miss.
    if (hits > 0) *low = fmax(0, middle - half);
    if (hits < n) *high = fmin(1, middle + half);
}
