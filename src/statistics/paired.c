#include <fovea/paired.h>

#include "statistics/binomial.h"
#include "statistics/within.h"

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

// The d of which the statistic, which falls with d, is z.
static double solve_score(fv_paired c, double z) {
    double low = -1, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (tango_score(c, middle) > z)
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
