#include <fovea/paired.h>

#include "statistics/binomial.h"

#include <math.h>
#include <stdlib.h>

// --- equally often -------------------------------------------------------------------------------

double fv_mcnemar_worse(fv_paired c) {
    return fv_binomial_at_least(c.lost, c.lost + c.won, 0.5);
}

double fv_mcnemar(fv_paired c) {
    int more = c.lost > c.won ? c.lost : c.won;
    return fmin(1, 2 * fv_binomial_at_least(more, c.lost + c.won, 0.5));
}

double fv_mcnemar_worse_randomised(fv_paired c, double u) {
    int n = c.lost + c.won;
    return fv_binomial_at_least(c.lost + 1, n, 0.5) + u * binomial_equal(c.lost, n, 0.5);
}

// --- by how much ---------------------------------------------------------------------------------

// Tango's score statistic of the difference d = share won - share lost. q, the likeliest share lost
// under d, is the larger root of a quadratic equation.
static double score(fv_paired c, double d) {
    double n = c.n, gap = c.won - c.lost - n * d;
    double b = -c.won - c.lost + (2 * n - c.won + c.lost) * d;
    double product = -c.lost * d * (1 - d);
    double q = (sqrt(fmax(0, b * b - 8 * n * product)) - b) / (4 * n);
    double variance = n * (2 * q + d * (1 - d));
    if (gap == 0) return 0;
    return variance > 0 ? gap / sqrt(variance) : copysign(INFINITY, gap);
}

// The d of which the statistic, which falls with d, is z.
static double solve_score(fv_paired c, double z) {
    double low = -1, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (score(c, middle) > z)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

void fv_paired_interval(fv_paired c, double z, double *low, double *high) {
    *low = -1;
    *high = 1;
    if (c.n <= 0) return;
    if (c.lost < c.n) *low = solve_score(c, z);
    if (c.won < c.n) *high = solve_score(c, -z);
}

// --- at most so much worse -----------------------------------------------------------------------

enum { N_SHARES = 400 };               // of discordant questions, between which nothing is larger
static const double left_out = 1e-4;   // of the probability that the share is among them
static const double same_score = 1e-9; // ties are as extreme as what was seen
static const double no_probability = 1e-15;

// Of `discordant` questions the most lost ones that are as good a proof as the score `seen`; -1 for
// none. The statistic falls with every further lost one.
static int most_lost(int discordant, int n, double margin, double seen) {
    int low = -1, high = discordant;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        const fv_paired at = {n, middle, discordant - middle};
        if (score(at, -margin) >= seen - same_score)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// The probability of such a proof where the second model is worse by the margin exactly, and a
// share `discordant` of all questions is discordant.
static double proof_by_chance(int n, double margin, double discordant, const int *most) {
    double sum = 0, p_lost = (discordant + margin) / (2 * discordant);
    int first, last;
    binomial_range(n, discordant, &first, &last);
    for (int k = first; k <= last; k++) {
        double weight = binomial_equal(k, n, discordant);
        if (weight > no_probability && most[k] >= 0)
            sum += weight * fv_binomial_at_most(most[k], k, p_lost);
    }
    return sum;
}

double fv_paired_within(fv_paired c, double margin) {
    int *most = c.n > 0 ? malloc(((size_t)c.n + 1) * sizeof *most) : NULL;
    double low, high, largest = 0, seen = c.n > 0 ? score(c, -margin) : 0;
    if (most == NULL) return 1; // nothing is shown
    for (int k = 0; k <= c.n; k++) most[k] = most_lost(k, c.n, margin, seen);
    binomial_interval(c.lost + c.won, c.n, left_out, &low, &high);
    if (low < margin) low = margin; // fewer discordant questions make no such difference
    for (int i = 0; i <= N_SHARES && low <= high; i++) {
        double share = low + (high - low) * i / N_SHARES;
        largest = fmax(largest, proof_by_chance(c.n, margin, share, most));
    }
    free(most);
    return fmin(1, largest + left_out);
}

// --- several tests -------------------------------------------------------------------------------

typedef struct ranked {
    double p;
    int place;
} ranked;

static int by_p(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    return (a->p > b->p) - (a->p < b->p);
}

fv_status fv_holm(const double *p, int n, double *adjusted, fv_error *error) {
    ranked *order = malloc((n > 0 ? (size_t)n : 1) * sizeof *order);
    if (order == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) order[i] = (ranked){p[i], i};
    qsort(order, (size_t)n, sizeof *order, by_p);
    double largest = 0; // an adjusted one is never below that of a smaller p
    for (int i = 0; i < n; i++) {
        largest = fmax(largest, fmin(1, (n - i) * order[i].p));
        adjusted[order[i].place] = largest;
    }
    free(order);
    return FV_OK;
}
