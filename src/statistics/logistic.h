// Logistic regression of counts: rows of x with hits of trials. The likelihood is D. Firth's
// (Biometrika 80, 1993), penalised by the square root of the information's determinant, so that
// estimates are finite where rows separate and less biased everywhere; tests are the penalised
// likelihood ratio's (G. Heinze and M. Schemper, Statistics in Medicine 21, 2002).
#ifndef FOVEA_STATISTICS_LOGISTIC_H
#define FOVEA_STATISTICS_LOGISTIC_H

#include <stdbool.h>

enum { LOGISTIC_MOST = 6 };

typedef struct logistic_row {
    double x[LOGISTIC_MOST];
    int hits, trials; // trials > 0
} logistic_row;

typedef struct logistic_fit {
    int k;                                           // coefficients
    double beta[LOGISTIC_MOST];                      // of the terms that are left out 0
    double covariance[LOGISTIC_MOST][LOGISTIC_MOST]; // of those that are not
    double likelihood;                               // its logarithm, without what is constant
    double pearson;                                  // sum of squared residuals over variances
} logistic_fit;

// Fits k coefficients, of which those with a bit in `left_out` stay 0; with `firth` false by maximum
// likelihood. False where the rows do not determine them, or there is no maximum.
bool logistic_fit_make(const logistic_row *rows, int n, int k, unsigned left_out, bool firth,
                       logistic_fit *fit);

// The value sum(x beta) of a row, and its standard error.
double logistic_value(const logistic_fit *fit, const double *x, double *error);

// P(X > x) of a chi-square variable with 1 or 2 degrees of freedom.
double logistic_chi_square(double x, int degrees);

#endif
