#include <fovea/context_use.h>

#include "statistics/logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double level = 0.05;
static const double inside = 10; // percent from both ends

enum { ONE, LENGTH, DEPTH, DEPTH_LENGTH, CURVE, CURVE_LENGTH }; // terms

typedef struct grid {
    const fv_cell **cells;
    int n, n_depths;
    double middle; // mean of the logarithms of lengths
    bool several;  // lengths
} grid;

// --- the cells -----------------------------------------------------------------------------------

static bool same_curve(const fv_cell *a, const fv_cell *b) {
    return strcmp(a->model, b->model) == 0 && strcmp(a->settings, b->settings) == 0 &&
           strcmp(a->task, b->task) == 0 && strcmp(a->unit, b->unit) == 0;
}

static int by_length(const void *left, const void *right) {
    const fv_use_length *a = left, *b = right;
    return (a->length > b->length) - (a->length < b->length);
}

static bool add_length(fv_context_use *use, int length) {
    for (int i = 0; i < use->n_lengths; i++)
        if (use->lengths[i].length == length) return true;
    if (use->n_lengths == FV_USE_LENGTHS) return false;
    use->lengths[use->n_lengths++].length = length;
    return true;
}

// Whether a cell is the first of its depth.
static bool is_new_depth(const grid *g, int i) {
    for (int k = 0; k < i; k++)
        if (g->cells[k]->depth == g->cells[i]->depth) return false;
    return true;
}

static bool read_cells(const fv_cells *cells, int i, grid *g, fv_context_use *use) {
    bool fits = true;
    use->first = &cells->items[i];
    for (int k = 0; k < i; k++)
        if (same_curve(&cells->items[k], use->first)) return false;
    for (int k = i; k < cells->n && fits; k++) {
        const fv_cell *cell = &cells->items[k];
        if (!same_curve(cell, use->first) || isnan(cell->depth) || cell->n <= 0) continue;
        g->cells[g->n] = cell;
        g->n_depths += is_new_depth(g, g->n);
        g->n++;
        use->n += cell->n;
        fits = add_length(use, cell->length);
    }
    use->n_cells = g->n;
    qsort(use->lengths, (size_t)use->n_lengths, sizeof *use->lengths, by_length);
    for (int k = 0; k < use->n_lengths; k++)
        g->middle += log2(use->lengths[k].length) / use->n_lengths;
    g->several = use->n_lengths > 1;
    return fits && g->n_depths >= 3;
}

// --- the fit -------------------------------------------------------------------------------------

// The terms at a place; at one length those without it, one behind the other.
static int terms(const grid *g, int length, double depth, double x[LOGISTIC_MOST]) {
    double l = log2(length) - g->middle, d = (depth - 50) / 50;
    const double all[LOGISTIC_MOST] = {1, l, d, d * l, d * d, d * d * l};
    if (g->several) {
        memcpy(x, all, sizeof all);
        return LOGISTIC_MOST;
    }
    x[0] = all[ONE];
    x[1] = all[DEPTH];
    x[2] = all[CURVE];
    for (int i = 3; i < LOGISTIC_MOST; i++) x[i] = 0;
    return 3;
}

static unsigned curve_terms(const grid *g) {
    return g->several ? 1U << CURVE | 1U << CURVE_LENGTH : 1U << 2;
}

static double share(double logit) {
    return 1 / (1 + exp(-logit));
}

static fv_use_point point_at(const grid *g, const logistic_fit *fit, double spread, int length,
                             double depth) {
    double x[LOGISTIC_MOST], error;
    terms(g, length, depth, x);
    double value = logistic_value(fit, x, &error), wide = FV_Z95 * spread * error;
    return (fv_use_point){depth, share(value), share(value - wide), share(value + wide)};
}

// The lowest place of a parabola between the ends.
static double least_depth(const grid *g, const logistic_fit *fit, int length) {
    double at[3], x[LOGISTIC_MOST], ignored;
    for (int i = 0; i < 3; i++) {
        terms(g, length, 50 * i, x);
        at[i] = logistic_value(fit, x, &ignored);
    }
    double tilt = (at[2] - at[0]) / 2, curve = (at[2] + at[0]) / 2 - at[1];
    double d = curve > 0 ? -tilt / (2 * curve) : at[0] < at[2] ? -1 : 1;
    return 50 + 50 * fmin(1, fmax(-1, d));
}

static void describe(const grid *g, const logistic_fit *fit, double spread, fv_use_length *at) {
    double x[LOGISTIC_MOST], error;
    terms(g, at->length, 100, x);
    for (unsigned i = 0; i < LOGISTIC_MOST; i++) // e + e' L alone
        if ((curve_terms(g) >> i & 1) == 0) x[i] = 0;
    at->dip = logistic_value(fit, x, &error);
    at->low = at->dip - FV_Z95 * spread * error;
    at->high = at->dip + FV_Z95 * spread * error;
    at->begin = point_at(g, fit, spread, at->length, 0);
    at->end = point_at(g, fit, spread, at->length, 100);
    at->least = point_at(g, fit, spread, at->length, least_depth(g, fit, at->length));
}

static bool is_lost(const fv_use_length *at) {
    return at->low > 0 && at->least.depth >= inside && at->least.depth <= 100 - inside;
}

static void judge(fv_context_use *use) {
    for (int i = use->n_lengths - 1; i >= 0 && use->p <= level && is_lost(&use->lengths[i]); i--)
        use->from = use->lengths[i].length;
    use->lost = use->from > 0;
}

static bool fit_grid(const grid *g, logistic_row *rows, fv_context_use *use) {
    logistic_fit whole, none;
    int k = 0;
    for (int i = 0; i < g->n; i++) {
        const fv_cell *cell = g->cells[i];
        k = terms(g, cell->length, cell->depth, rows[i].x);
        rows[i].hits = cell->hits;
        rows[i].trials = cell->n;
    }
    if (!logistic_fit_make(rows, g->n, k, 0, true, &whole) ||
        !logistic_fit_make(rows, g->n, k, curve_terms(g), true, &none))
        return false;
    use->degrees = g->several ? 2 : 1;
    use->dispersion = g->n > k ? fmax(1, whole.pearson / (g->n - k)) : 1;
    use->ratio = fmax(0, 2 * (whole.likelihood - none.likelihood)) / use->dispersion;
    use->p = logistic_chi_square(use->ratio, use->degrees);
    for (int i = 0; i < use->n_lengths; i++)
        describe(g, &whole, sqrt(use->dispersion), &use->lengths[i]);
    judge(use);
    return true;
}

bool fv_context_use_of(const fv_cells *cells, int i, fv_context_use *use) {
    size_t n = (size_t)cells->n + 1;
    grid g = {.cells = malloc(n * sizeof *g.cells)};
    logistic_row *rows = calloc(n, sizeof *rows);
    *use = (fv_context_use){0};
    bool fitted =
        g.cells != NULL && rows != NULL && read_cells(cells, i, &g, use) && fit_grid(&g, rows, use);
    free(rows);
    free(g.cells);
    return fitted;
}

// --- in words ------------------------------------------------------------------------------------

static int whole_percent(double share_found) {
    return (int)lround(100 * share_found);
}

// What the longest length shows.
static void say_what(const fv_context_use *use, const fv_use_length *at, char *text, size_t size) {
    const char *unit = use->first->unit;
    bool shown = use->p <= level;
    if (use->lost && use->n_lengths > 1 && use->from < at->length)
        snprintf(text, size, "The middle is lost, from %d %s on", use->from, unit);
    else if (use->lost)
        snprintf(text, size, "The middle is lost at %d %s", at->length, unit);
    else if (shown && at->high < 0)
        snprintf(text, size, "No dip: at %d %s the middle is found more often than the ends",
                 at->length, unit);
    else if (shown && at->low > 0)
        snprintf(text, size, "What is lost at %d %s is no middle, but lies towards the %s",
                 at->length, unit, at->least.depth < 50 ? "beginning" : "end");
    else if (shown && use->n_lengths > 1)
        snprintf(text, size, "The middle differs, but no dip is shown at %d %s by themselves",
                 at->length, unit);
    else
        snprintf(text, size, "No dip in the middle is shown at %d %s", at->length, unit);
}

void fv_context_use_text(const fv_context_use *use, char *text, size_t size) {
    const fv_use_length *at = &use->lengths[use->n_lengths - 1];
    char what[128];
    say_what(use, at, what, sizeof what);
    snprintf(text, size,
             "%s (p = %.2g against none). By the fit it finds there %d %% (95 %%: %d to %d %%) at "
             "the beginning, %d %% (%d to %d %%) at the end, and least, %d %% (%d to %d %%), at "
             "depth %.0f %%.",
             what, use->p, whole_percent(at->begin.rate), whole_percent(at->begin.low),
             whole_percent(at->begin.high), whole_percent(at->end.rate), whole_percent(at->end.low),
             whole_percent(at->end.high), whole_percent(at->least.rate),
             whole_percent(at->least.low), whole_percent(at->least.high), at->least.depth);
}
