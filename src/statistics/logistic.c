#include "statistics/logistic.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 100, MOST_HALVINGS = 40 };
static const double widest_step = 5; // of a coefficient
static const double close = 1e-10;   // to the maximum: what a step would gain, and its width
static const double no_rank = 1e-12; // of a pivot, against its diagonal

typedef double matrix[LOGISTIC_MOST][LOGISTIC_MOST];

// a = l l'; false where it is not positive definite.
static bool cholesky(const matrix a, int k, matrix l) {
    memset(l, 0, sizeof(matrix));
    for (int i = 0; i < k; i++)
        for (int j = 0; j <= i; j++) {
            double sum = a[i][j];
            for (int m = 0; m < j; m++) sum -= l[i][m] * l[j][m];
            if (i != j)
                l[i][j] = sum / l[j][j];
            else if (!(sum > no_rank * a[i][i]))
                return false;
            else
                l[i][i] = sqrt(sum);
        }
    return true;
}

// Solves l l' y = b in place.
static void solve(const matrix l, int k, double *b) {
    for (int i = 0; i < k; i++) {
        for (int m = 0; m < i; m++) b[i] -= l[i][m] * b[m];
        b[i] /= l[i][i];
    }
    for (int i = k - 1; i >= 0; i--) {
        for (int m = i + 1; m < k; m++) b[i] -= l[m][i] * b[m];
        b[i] /= l[i][i];
    }
}

typedef struct problem {
    const logistic_row *rows;
    int n, k;
    bool firth;
    int n_free, free[LOGISTIC_MOST]; // the coefficients that are fitted
} problem;

static double value_of(const problem *p, const double *x, const double *beta) {
    double sum = 0;
    for (int i = 0; i < p->k; i++) sum += x[i] * beta[i];
    return sum;
}

static double share_of(double value) {
    return value >= 0 ? 1 / (1 + exp(-value)) : exp(value) / (1 + exp(value));
}

static double log_share(double value) { // of share_of
    return value >= 0 ? -log1p(exp(-value)) : value - log1p(exp(value));
}

// The information of all k coefficients.
static void information(const problem *p, const double *beta, matrix out) {
    memset(out, 0, sizeof(matrix));
    for (int r = 0; r < p->n; r++) {
        const logistic_row *row = &p->rows[r];
        double share = share_of(value_of(p, row->x, beta));
        double weight = row->trials * share * (1 - share);
        for (int i = 0; i < p->k; i++)
            for (int j = 0; j < p->k; j++) out[i][j] += weight * row->x[i] * row->x[j];
    }
}

// -INFINITY where the information has no inverse.
static double likelihood(const problem *p, const double *beta) {
    matrix whole, l;
    double sum = 0;
    for (int r = 0; r < p->n; r++) {
        const logistic_row *row = &p->rows[r];
        double value = value_of(p, row->x, beta);
        sum += row->hits * log_share(value) + (row->trials - row->hits) * log_share(-value);
    }
    if (!p->firth) return sum;
    information(p, beta, whole);
    if (!cholesky(whole, p->k, l)) return -INFINITY;
    for (int i = 0; i < p->k; i++) sum += log(l[i][i]); // half the determinant's logarithm
    return sum;
}

// The slope of the likelihood. Firth's penalty adds h (1/2 - share) to a row's residual, of its
// leverage h.
static bool slope_of(const problem *p, const double *beta, double *slope) {
    matrix whole, l;
    information(p, beta, whole);
    if (p->firth && !cholesky(whole, p->k, l)) return false;
    memset(slope, 0, LOGISTIC_MOST * sizeof *slope);
    for (int r = 0; r < p->n; r++) {
        const logistic_row *row = &p->rows[r];
        double share = share_of(value_of(p, row->x, beta)), leverage = 0, y[LOGISTIC_MOST];
        if (p->firth) {
            memcpy(y, row->x, sizeof y);
            solve(l, p->k, y);
            leverage = row->trials * share * (1 - share) * value_of(p, row->x, y);
        }
        double residual = row->hits - row->trials * share + leverage * (0.5 - share);
        for (int i = 0; i < p->k; i++) slope[i] += residual * row->x[i];
    }
    return true;
}

// The information of those that are fitted, decomposed.
static bool free_information(const problem *p, const double *beta, matrix l) {
    matrix whole, part = {{0}};
    information(p, beta, whole);
    for (int i = 0; i < p->n_free; i++)
        for (int j = 0; j < p->n_free; j++) part[i][j] = whole[p->free[i]][p->free[j]];
    return cholesky(part, p->n_free, l);
}

// One step of Newton's, halved until the likelihood grows; *done where there is no more to gain.
static bool step(const problem *p, double *beta, double *now, bool *done) {
    double slope[LOGISTIC_MOST], move[LOGISTIC_MOST] = {0}, gain = 0, widest = 0;
    matrix l;
    if (!slope_of(p, beta, slope) || !free_information(p, beta, l)) return false;
    for (int i = 0; i < p->n_free; i++) move[i] = slope[p->free[i]];
    solve(l, p->n_free, move);
    for (int i = 0; i < p->n_free; i++) {
        gain += move[i] * slope[p->free[i]];
        widest = fmax(widest, fabs(move[i]));
    }
    *done = gain < close && widest < 1e-9;
    if (*done) return true;
    double factor = widest > widest_step ? widest_step / widest : 1;
    for (int h = 0; h < MOST_HALVINGS; h++, factor /= 2) {
        double next[LOGISTIC_MOST];
        memcpy(next, beta, sizeof next);
        for (int i = 0; i < p->n_free; i++) next[p->free[i]] += factor * move[i];
        double there = likelihood(p, next);
        if (!(there > *now)) continue;
        memcpy(beta, next, sizeof next);
        *now = there;
        return true;
    }
    *done = gain < 1e-6; // as far as rounding lets it go
    return *done;
}

static bool describe(const problem *p, logistic_fit *fit) {
    matrix l;
    if (!free_information(p, fit->beta, l)) return false;
    for (int j = 0; j < p->n_free; j++) {
        double column[LOGISTIC_MOST] = {0};
        column[j] = 1;
        solve(l, p->n_free, column);
        for (int i = 0; i < p->n_free; i++) fit->covariance[p->free[i]][p->free[j]] = column[i];
    }
    for (int r = 0; r < p->n; r++) {
        const logistic_row *row = &p->rows[r];
        double share = share_of(value_of(p, row->x, fit->beta));
        double residual = row->hits - row->trials * share;
        double variance = row->trials * share * (1 - share);
        if (variance > 0) fit->pearson += residual * residual / variance;
    }
    return true;
}

bool logistic_fit_make(const logistic_row *rows, int n, int k, unsigned left_out, bool firth,
                       logistic_fit *fit) {
    problem p = {.rows = rows, .n = n, .k = k, .firth = firth};
    bool done = false;
    for (int i = 0; i < k; i++)
        if ((left_out >> i & 1) == 0) p.free[p.n_free++] = i;
    *fit = (logistic_fit){.k = k};
    fit->likelihood = likelihood(&p, fit->beta);
    if (!isfinite(fit->likelihood)) return false;
    for (int i = 0; i < MOST_STEPS && !done; i++)
        if (!step(&p, fit->beta, &fit->likelihood, &done)) return false;
    return done && describe(&p, fit);
}

double logistic_value(const logistic_fit *fit, const double *x, double *error) {
    double value = 0, variance = 0;
    for (int i = 0; i < fit->k; i++) {
        value += x[i] * fit->beta[i];
        for (int j = 0; j < fit->k; j++) variance += x[i] * x[j] * fit->covariance[i][j];
    }
    *error = sqrt(fmax(0, variance));
    return value;
}

double logistic_chi_square(double x, int degrees) {
    if (!(x > 0)) return 1;
    return degrees == 1 ? erfc(sqrt(x / 2)) : exp(-x / 2);
}
