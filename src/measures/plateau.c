// A plateau is an interval of steps in which training stalls: the curve neither sits at its start,
// nor has it arrived at its ideal value, nor does it move much. In y = ln(curve), smoothed by a
// moving average over 3 % of the points and at least 9,
//
//   y |----.                      start level
//     |     '.
//     |       '----------------.   an interval that stays in a band of 0.1 (10 % of the curve),
//     |                         :  at least 0.2 below the start and 0.2 above ln(floor), and lasts
//     |                         :  3 times as long as the descent takes for such a band on the
//     |                          '-----------  average
//     +------------------------------------ step
//
// The comparison with the descent's own pace makes the definition independent of learning rates,
// vocabularies and log intervals. The smoothing leaves a third of the noise of single batches,
// which is up to 4 % of the perplexity where the model guesses among half of 100 tokens.
//
// A plateau is followed by a faster fall: the next 0.1 below the interval takes at most half as
// long as the interval, or it is only the slowing end of a descent. The longest interval that ends
// like this is the plateau. Only where there is none, an interval that is never left counts, if it
// fills a quarter of the run: a run that is stuck above the floor has a plateau, the slow tail of a
// run that arrived has none.
#include "measures/plateau.h"

#include <math.h>
#include <stdlib.h>

static const double band = 0.1;       // height of a plateau, in ln
static const double margin = 0.2;     // distance from start and floor, in ln
static const double slowness = 3;     // times the average time that the descent takes for a band
static const double arrived = 0.95;   // the descent ends at this share of the whole drop
static const double quickly = 0.5;    // share of the interval's time for the next band below it
static const double stuck = 0.25;     // share of the run that an interval never left fills,
static const double suddenly = 0.25;  // and of its time that the last band above it may have taken
static const double smoothing = 0.03; // window, as a share of the points
enum { MIN_WINDOW = 9 };

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
    for (int i = 0; i < c->n; i++) c->y[i] = log((double)series->values[i]);
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

// Whether the curve falls by another band soon after the interval.
static bool is_left(const curve *c, int first, int last) {
    double lowest = INFINITY;
    for (int i = first; i <= last; i++) lowest = fmin(lowest, c->y[i]);
    double until = c->steps[last] + quickly * (c->steps[last] - c->steps[first]);
    for (int i = last + 1; i < c->n && c->steps[i] <= until; i++)
        if (c->y[i] <= lowest - band) return true;
    return false;
}

// Whether the curve came down the band above the interval in a short time, and stays for long.
static bool is_stuck(const curve *c, int first, int last) {
    int length = c->steps[last] - c->steps[first];
    if (length < stuck * (c->steps[c->n - 1] - c->steps[0])) return false;
    double highest = -INFINITY;
    for (int i = first; i <= last; i++) highest = fmax(highest, c->y[i]);
    int before = first;
    while (before > 0 && c->y[before] < highest + band) before--;
    return c->steps[first] - c->steps[before] <= suddenly * length;
}

static void consider(const curve *c, int first, int last, double shortest, measure_plateau *best) {
    int length = c->steps[last] - c->steps[first];
    if (length <= 0 || length < shortest) return;
    bool left = is_left(c, first, last);
    if (!left && !is_stuck(c, first, last)) return;
    if (best->found && best->left && !left) return;
    if (best->found && best->left == left && length <= best->end - best->start) return;
    double level = (c->sums[last + 1] - c->sums[first]) / (last + 1 - first);
    *best = (measure_plateau){true, left, exp(level), c->steps[first], c->steps[last]};
}

// A window [first, end) whose y stays inside the band; the queues hold the points that are its
// lowest and highest from some place on.
typedef struct window {
    int first, end;
    int low_head, low_n, high_head, high_n;
} window;

static void push(curve *c, window *w) {
    int i = w->end++;
    while (w->low_n > w->low_head && c->y[c->low[w->low_n - 1]] >= c->y[i]) w->low_n--;
    while (w->high_n > w->high_head && c->y[c->high[w->high_n - 1]] <= c->y[i]) w->high_n--;
    c->low[w->low_n++] = i;
    c->high[w->high_n++] = i;
}

static bool is_too_high(const curve *c, const window *w) {
    return c->y[c->high[w->high_head]] - c->y[c->low[w->low_head]] > band;
}

static void drop_first(const curve *c, window *w) {
    w->first++;
    if (c->low[w->low_head] < w->first) w->low_head++;
    if (c->high[w->high_head] < w->first) w->high_head++;
}

// Slides the window along the allowed points and considers it wherever it can grow no further.
static void slide(curve *c, double lowest, double highest, double shortest, measure_plateau *best) {
    window w = {0};
    for (int i = 0; i < c->n; i++) {
        bool allowed = c->y[i] >= lowest && c->y[i] <= highest;
        if (!allowed && w.end > w.first) consider(c, w.first, i - 1, shortest, best);
        if (!allowed) {
            w = (window){.first = i + 1, .end = i + 1};
            continue;
        }
        int first = w.first;
        push(c, &w);
        if (is_too_high(c, &w)) consider(c, first, i - 1, shortest, best);
        while (is_too_high(c, &w)) drop_first(c, &w);
    }
    if (w.end > w.first) consider(c, w.first, c->n - 1, shortest, best);
}

fv_status plateau_find(const fv_series *series, double floor, measure_plateau *plateau) {
    *plateau = (measure_plateau){0};
    curve c;
    fv_status status = curve_create(series, &c);
    if (status != FV_OK) return status;
    if (c.n > 0 && c.y[0] - c.later[0] > margin)
        slide(&c, log(floor) + margin, c.y[0] - margin, slowness * average_pace(&c), plateau);
    curve_free(&c);
    return FV_OK;
}
