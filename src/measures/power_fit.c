// ln T = a + b ln x + s * normal, by maximum likelihood. A run that ended at step c without the
// event contributes the probability of T > c (Tobin, 1958): leaving it out would bend the law down
// just where it is steepest, and counting it as c would too.
//
//   ln T |                 x  o  <- censored: the run ended here, T lies above
//        |           x  .'
//        |         x .'          likelihood = prod over events  density((ln T - a - b u) / s) / s
//        |     x  .'                        * prod over others  Q((ln c - a - b u) / s)
//        |     .' x
//        +-------------------- u = ln x - mean        Q: upper tail of the normal distribution
//
// Expectation-maximisation finds it: replace each censored ln T by its mean above ln c under the
// present law, fit a line, repeat. Every round is a least-squares fit and raises the likelihood.
//
// The interval of b holds every exponent whose best law (a and s free) has a likelihood ratio
// within m ln(1 + t^2 / (m - 2)), m the number of events and t the 97.5 % quantile of Student's t
// with m - 2 degrees of freedom. Without censored points that is the usual t interval exactly, also
// for the handful of points that one experiment has, where the asymptotic 3.84 would promise too
// much.
#include "measures/power_fit.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;
static const double least_scatter = 1e-6; // a perfect fit has no likelihood otherwise
static const double confidence = 0.95;
enum { MOST_ROUNDS = 20000, MOST_HALVINGS = 60 };

typedef struct sample {
    int n, n_events;
    double *u;      // [n] ln x, centred
    double *y;      // [n] ln time
    double *mean;   // [n] y, or the expectation of what lies above it
    bool *censored; // [n]
    double centre;  // what was taken from ln x
} sample;

typedef struct law {
    double a, b, s;
} law;

// ln Q(z) and Q'(z) / Q(z) without its sign, also where Q itself underflows.
static double log_tail(double z) {
    if (z < 30) return log(0.5 * erfc(z / sqrt(2)));
    return -0.5 * z * z - log(z * sqrt(2 * pi));
}

static double hazard(double z) {
    if (z > 30) return z + 1 / z;
    return exp(-0.5 * z * z - log_tail(z)) / sqrt(2 * pi);
}

static double log_likelihood(const sample *p, const law *l) {
    double sum = 0;
    for (int i = 0; i < p->n; i++) {
        double z = (p->y[i] - l->a - l->b * p->u[i]) / l->s;
        sum += p->censored[i] ? log_tail(z) : -0.5 * z * z - log(l->s);
    }
    return sum;
}

// Fills `mean`; returns the summed variance of what is censored.
static double expect(sample *p, const law *l) {
    double variance = 0;
    for (int i = 0; i < p->n; i++) {
        p->mean[i] = p->y[i];
        if (!p->censored[i]) continue;
        double line = l->a + l->b * p->u[i], z = (p->y[i] - line) / l->s, h = hazard(z);
        p->mean[i] = line + l->s * h;
        variance += l->s * l->s * fmax(0, 1 + z * h - h * h);
    }
    return variance;
}

// The line through `mean`; b stays where it is fixed.
static law maximise(const sample *p, double variance, bool fixed, double b) {
    double sum_u = 0, sum_y = 0, uu = 0, uy = 0, square = 0;
    for (int i = 0; i < p->n; i++) {
        sum_u += p->u[i];
        sum_y += p->mean[i];
    }
    double u = sum_u / p->n, y = sum_y / p->n;
    for (int i = 0; i < p->n; i++) {
        uu += (p->u[i] - u) * (p->u[i] - u);
        uy += (p->u[i] - u) * (p->mean[i] - y);
    }
    law l = {.b = fixed ? b : uy / uu};
    l.a = y - l.b * u;
    for (int i = 0; i < p->n; i++) {
        double rest = p->mean[i] - l.a - l.b * p->u[i];
        square += rest * rest;
    }
    l.s = fmax(sqrt((square + variance) / p->n), least_scatter);
    return l;
}

// Climbs from `l` to the most likely law, of exponent l->b where that is fixed; returns its
// likelihood.
static double climb(sample *p, law *l, bool fixed) {
    for (int round = 0; round < MOST_ROUNDS; round++) {
        law next = maximise(p, expect(p, l), fixed, l->b);
        double moved = fabs(next.a - l->a) + fabs(next.b - l->b) + fabs(log(next.s / l->s));
        *l = next;
        if (moved < 1e-11) break;
    }
    return log_likelihood(p, l);
}

// P(|T| < tan(angle) sqrt(nu)) of Student's t with nu degrees of freedom: the finite sums of
// Abramowitz and Stegun 26.7.3 and 26.7.4.
static double student_inside(double angle, int nu) {
    double c = cos(angle), term = nu % 2 ? c : 1, sum = 0;
    for (int k = nu % 2 ? 1 : 0; k <= nu - 2; k += 2) {
        sum += term;
        term *= c * c * (k + 1) / (k + 2);
    }
    return nu % 2 ? 2 / pi * (angle + sin(angle) * sum) : sin(angle) * sum;
}

// t^2 / nu at the edge of the central `confidence`.
static double student_edge(int nu) {
    double low = 0, high = pi / 2;
    for (int i = 0; i < MOST_HALVINGS; i++) {
        double middle = 0.5 * (low + high);
        if (student_inside(middle, nu) < confidence)
            low = middle;
        else
            high = middle;
    }
    return tan(low) * tan(low);
}

// The exponent on one side (-1, +1) whose best law is less likely than the best of all by `loss`.
static double find_end(sample *p, const law *best, double most, double loss, double side) {
    double inside = best->b, step = best->s;
    law l = *best;
    for (int i = 0; i < MOST_HALVINGS; i++, step *= 2) {
        l.b = inside + side * step;
        if (most - climb(p, &l, true) >= loss) break;
        inside = l.b;
    }
    double outside = inside + side * step;
    for (int i = 0; i < MOST_HALVINGS && fabs(outside - inside) > 1e-9 * (1 + fabs(inside)); i++) {
        l.b = 0.5 * (inside + outside);
        double b = l.b;
        if (most - climb(p, &l, true) >= loss)
            outside = b;
        else
            inside = b;
    }
    return inside;
}

static bool fill(const power_point *points, sample *p) {
    double first = NAN;
    bool differ = false;
    for (int i = 0; i < p->n; i++) {
        if (!(points[i].x > 0) || !(points[i].time > 0)) return false;
        p->u[i] = log(points[i].x);
        p->y[i] = log(points[i].time);
        p->censored[i] = points[i].censored;
        p->centre += p->u[i] / p->n;
        if (points[i].censored) continue;
        if (p->n_events++ == 0) first = points[i].x;
        differ |= points[i].x != first;
    }
    for (int i = 0; i < p->n; i++) p->u[i] -= p->centre;
    return p->n_events >= 3 && differ;
}

static void solve(sample *p, power_fit *fit) {
    for (int i = 0; i < p->n; i++) p->mean[i] = p->y[i];
    law best = maximise(p, 0, false, 0);
    double most = climb(p, &best, false);
    int nu = p->n_events - 2;
    double loss = 0.5 * p->n_events * log(1 + student_edge(nu));
    *fit = (power_fit){.n = p->n,
                       .n_censored = p->n - p->n_events,
                       .exponent = best.b,
                       .low = find_end(p, &best, most, loss, -1),
                       .high = find_end(p, &best, most, loss, 1),
                       .factor = exp(best.a - best.b * p->centre),
                       .scatter = best.s};
}

bool power_fit_find(const power_point *points, int n, power_fit *fit) {
    *fit = (power_fit){.exponent = NAN, .low = NAN, .high = NAN, .factor = NAN, .scatter = NAN};
    if (n < 3) return false;
    double *numbers = malloc((size_t)n * 3 * sizeof *numbers);
    bool *censored = malloc((size_t)n * sizeof *censored);
    bool found = false;
    if (numbers != NULL && censored != NULL) {
        sample p = {.n = n, .u = numbers, .y = numbers + n, .mean = numbers + 2 * (size_t)n};
        p.censored = censored;
        found = fill(points, &p);
        if (found) solve(&p, fit);
    }
    free(numbers);
    free(censored);
    return found;
}
