// A plateau is a stretch of steps over which training stalls: the curve neither sits at its start,
// nor has it arrived at its ideal value, nor does it move much. In y = ln(curve), smoothed by a
// moving average over 1 % of the points and at least 5,
//
//   y |----.                      start level
//     |     '.
//     |       '----------------.   a stretch that stays inside a band of 0.05 (5 % of the curve),
//     |                         :  at least 0.2 below the start and 0.2 above ln(floor), and lasts
//     |                         :  4 times as long as the descent takes for such a band on the
//     |                          '-----------  average
//     +------------------------------------ step
//
// The comparison with the descent's own pace makes the definition independent of learning rates,
// vocabularies and log intervals: a plain descent spends no more than about 2.5 times the average
// anywhere but at its two ends. Of all such stretches that the curve later leaves (falls by another
// 0.2) the longest is the plateau. Only where there is none, a stretch that is never left counts:
// a run that is stuck above the floor to its end has a plateau, the tail of one that got on has
// not.
#include "lab/plateau.h"

#include <math.h>
#include <stdlib.h>

static const double band = 0.05;      // height of a plateau, in ln
static const double margin = 0.2;     // distance from start, floor and what follows, in ln
static const double slowness = 4;     // times the average time that the descent takes for a band
static const double arrived = 0.95;   // the descent ends at this share of the whole drop
static const double smoothing = 0.01; // window, as a share of the points
enum { MIN_WINDOW = 5 };

// The curve up to its first value that has no logarithm, and room for what is made of it.
typedef struct curve {
    int n;
    const int32_t *steps;
    double *y;       // [n] smoothed ln
    double *sums;    // [n + 1] sums[i] = y[0] + ... + y[i - 1]
    double *later;   // [n + 1] lowest y from i on; INFINITY at n
    int *low, *high; // [n] queues of the sliding window
} curve;

static void add_up(const double *values, int n, double *sums) {
    sums[0] = 0;
    for (int i = 0; i < n; i++) sums[i + 1] = sums[i] + values[i];
}

// Windows shrink towards the ends so that they stay centred.
static void smooth(curve *c) {
    int half = (int)(smoothing * c->n) / 2;
    if (half < MIN_WINDOW / 2) half = MIN_WINDOW / 2;
    add_up(c->y, c->n, c->sums);
    for (int i = 0; i < c->n; i++) {
        int h = half;
        if (i < h) h = i;
        if (c->n - 1 - i < h) h = c->n - 1 - i;
        c->y[i] = (c->sums[i + h + 1] - c->sums[i - h]) / (2 * h + 1);
    }
    add_up(c->y, c->n, c->sums);
    c->later[c->n] = INFINITY;
    for (int i = c->n - 1; i >= 0; i--) c->later[i] = fmin(c->y[i], c->later[i + 1]);
}

static void curve_free(curve *c) {
    free(c->y);
    free(c->sums);
    free(c->later);
    free(c->low);
    free(c->high);
}

static fv_status curve_create(const fv_series *series, curve *c) {
    *c = (curve){.steps = series->steps};
    while (c->n < series->n && series->values[c->n] > 0 && isfinite(series->values[c->n])) c->n++;
    size_t n = (size_t)c->n + 1;
    c->y = malloc(n * sizeof *c->y);
    c->sums = malloc(n * sizeof *c->sums);
    c->later = malloc(n * sizeof *c->later);
    c->low = malloc(n * sizeof *c->low);
    c->high = malloc(n * sizeof *c->high);
    if (!c->y || !c->sums || !c->later || !c->low || !c->high) {
        curve_free(c);
        return FV_NO_MEMORY;
    }
    for (int i = 0; i < c->n; i++) c->y[i] = log(series->values[i]);
    smooth(c);
    return FV_OK;
}

// Steps that the descent takes on the average for a drop of `band`.
static double average_pace(const curve *c) {
    double drop = c->y[0] - c->later[0];
    int i = 0;
    while (c->y[i] > c->y[0] - arrived * drop) i++;
    return (c->steps[i] - c->steps[0]) * band / (arrived * drop);
}

static void consider(const curve *c, int first, int last, double shortest, fv_plateau *best) {
    int length = c->steps[last] - c->steps[first];
    if (length <= 0 || length < shortest) return;
    double level = (c->sums[last + 1] - c->sums[first]) / (last + 1 - first);
    bool left = c->later[last] < level - margin;
    if (best->found && best->left && !left) return;
    if (best->found && best->left == left && length <= best->end - best->start) return;
    *best = (fv_plateau){true, left, exp(level), c->steps[first], c->steps[last]};
}

// Slides a window whose y stays inside the band along the allowed points. `low` and `high` queue
// the points that are the window's lowest and highest from some place on.
static void slide(curve *c, double lowest, double highest, double shortest, fv_plateau *best) {
    int first = 0, low_head = 0, low_n = 0, high_head = 0, high_n = 0;
    for (int i = 0; i < c->n; i++) {
        if (c->y[i] < lowest || c->y[i] > highest) {
            first = i + 1;
            low_head = low_n = high_head = high_n = 0;
            continue;
        }
        while (low_n > low_head && c->y[c->low[low_n - 1]] >= c->y[i]) low_n--;
        while (high_n > high_head && c->y[c->high[high_n - 1]] <= c->y[i]) high_n--;
        c->low[low_n++] = i;
        c->high[high_n++] = i;
        while (c->y[c->high[high_head]] - c->y[c->low[low_head]] > band) {
            first++;
            if (c->low[low_head] < first) low_head++;
            if (c->high[high_head] < first) high_head++;
        }
        consider(c, first, i, shortest, best);
    }
}

fv_status fv_plateau_find(const fv_series *series, double floor, fv_plateau *plateau) {
    *plateau = (fv_plateau){0};
    curve c;
    fv_status status = curve_create(series, &c);
    if (status != FV_OK) return status;
    if (c.n > 0 && c.y[0] - c.later[0] > margin)
        slide(&c, log(floor) + margin, c.y[0] - margin, slowness * average_pace(&c), plateau);
    curve_free(&c);
    return FV_OK;
}
