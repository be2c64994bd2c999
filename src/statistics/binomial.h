// The binomial distribution, term by term.
#ifndef FOVEA_STATISTICS_BINOMIAL_H
#define FOVEA_STATISTICS_BINOMIAL_H

// P(X = k), X the successes of n trials with probability p each.
double binomial_equal(int k, int n, double p);

// The exact interval of p (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934), which fails to
// hold it with at most the probability `outside`.
void binomial_interval(int k, int n, double outside, double *low, double *high);

// The range [*first, *last] of k beyond which what is left is below 1e-13.
void binomial_range(int n, double p, int *first, int *last);

#endif
