#include "figures/curve.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static fv_status reserve(figure_scratch *scratch, size_t n, bool bounds, figure_curve *curve,
                         fv_error *error) {
    *curve = (figure_curve){.x = scratch_get(scratch, n, sizeof(double)),
                            .y = scratch_get(scratch, n, sizeof(double))};
    if (bounds) {
        curve->low = scratch_get(scratch, n, sizeof(double));
        curve->high = scratch_get(scratch, n, sizeof(double));
    }
    if (curve->x == NULL || curve->y == NULL || (bounds && (!curve->low || !curve->high)))
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a curve of %zu points", n);
    return FV_OK;
}

fv_status curve_read(figure_scratch *scratch, const fv_record *record, const char *x, const char *y,
                     double minus, double over, figure_curve *curve, fv_error *error) {
    const fv_series *ys = fv_record_find(record, y);
    const fv_series *xs = x ? fv_record_find(record, x) : ys;
    *curve = (figure_curve){0};
    if (ys == NULL || xs == NULL) return FV_OK;
    fv_status status = reserve(scratch, (size_t)ys->n, false, curve, error);
    if (status != FV_OK) return status;
    for (int i = 0, j = 0; i < ys->n; i++) {
        while (j < xs->n && xs->steps[j] < ys->steps[i]) j++;
        if (j == xs->n) break;
        if (xs->steps[j] != ys->steps[i]) continue;
        curve->x[curve->n] = x ? xs->values[j] : ys->steps[i];
        curve->y[curve->n++] = (ys->values[i] - minus) / over;
    }
    return FV_OK;
}

fv_status curve_copy(figure_scratch *scratch, const figure_curve *curve, figure_curve *copy,
                     fv_error *error) {
    fv_status status = reserve(scratch, (size_t)curve->n, false, copy, error);
    if (status != FV_OK) return status;
    copy->n = curve->n;
    for (int i = 0; i < curve->n; i++) {
        copy->x[i] = curve->x[i];
        copy->y[i] = curve->y[i];
    }
    return FV_OK;
}

typedef struct point {
    double x, y;
} point;

static int by_x_then_y(const void *left, const void *right) {
    const point *a = left, *b = right;
    if (a->x != b->x) return a->x < b->x ? -1 : 1;
    return (a->y > b->y) - (a->y < b->y);
}

fv_status curve_median(figure_scratch *scratch, const figure_curve *curves, int n,
                       figure_curve *median, fv_error *error) {
    size_t total = 0, filled = 0;
    int present = 0;
    for (int c = 0; c < n; c++) {
        total += (size_t)curves[c].n;
        present += curves[c].n > 0;
    }
    point *points = scratch_get(scratch, total, sizeof *points);
    fv_status status = reserve(scratch, total, true, median, error);
    if (status != FV_OK) return status;
    if (points == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a median");
    for (int c = 0; c < n; c++)
        for (int i = 0; i < curves[c].n; i++)
            if (isfinite(curves[c].y[i]))
                points[filled++] = (point){curves[c].x[i], curves[c].y[i]};
    qsort(points, filled, sizeof *points, by_x_then_y);
    for (size_t first = 0, end; first < filled; first = end) {
        for (end = first; end < filled && points[end].x == points[first].x;) end++;
        size_t count = end - first, middle = first + count / 2;
        if (2 * count <= (size_t)present) continue;
        int k = median->n++;
        median->x[k] = points[first].x;
        median->y[k] =
            count % 2 ? points[middle].y : 0.5 * (points[middle - 1].y + points[middle].y);
        median->low[k] = points[first].y;
        median->high[k] = points[end - 1].y;
    }
    return FV_OK;
}

// The mean distance of two curves at the x that both have, as far as it is finite.
static double distance(const figure_curve *a, const figure_curve *b) {
    double sum = 0;
    int n = 0;
    for (int i = 0, j = 0; i < a->n && j < b->n;) {
        if (a->x[i] < b->x[j]) {
            i++;
        } else if (a->x[i] > b->x[j]) {
            j++;
        } else {
            double apart = fabs(a->y[i++] - b->y[j++]);
            if (!isfinite(apart)) continue;
            sum += apart;
            n++;
        }
    }
    return n ? sum / n : 0;
}

int curve_typical(const figure_curve *curves, int n) {
    enum { MOST_COMPARED = 1000 }; // spread over all, as each is held against each
    int typical = 0, n_compared = n < MOST_COMPARED ? n : MOST_COMPARED;
    double least = INFINITY;
    bool all_diverged = true;
    for (int c = 0; c < n; c++) all_diverged &= curves[c].diverged;
    for (int k = 0; k < n_compared; k++) {
        int c = (int)((long long)k * n / n_compared);
        double total = 0;
        if (curves[c].diverged && !all_diverged) continue;
        for (int o = 0; o < n_compared; o++)
            total += distance(&curves[c], &curves[(long long)o * n / n_compared]);
        if (total >= least) continue;
        least = total;
        typical = c;
    }
    return typical;
}

static void keep(figure_curve *curve, int from, int to) {
    curve->x[to] = curve->x[from];
    curve->y[to] = curve->y[from];
    if (curve->low) curve->low[to] = curve->low[from];
    if (curve->high) curve->high[to] = curve->high[from];
}

void curve_thin(figure_curve *curve, int most) {
    if (curve->n <= most || most < 4) return;
    int n = curve->n, intervals = most / 2, kept = 0;
    for (int s = 0; s < intervals; s++) {
        int first = (int)((long long)n * s / intervals);
        int end = (int)((long long)n * (s + 1) / intervals);
        int lowest = first, highest = first;
        for (int i = first + 1; i < end; i++) {
            if (!(curve->y[i] >= curve->y[lowest])) lowest = i;
            if (!(curve->y[i] <= curve->y[highest])) highest = i;
        }
        int early = lowest < highest ? lowest : highest;
        int late = lowest < highest ? highest : lowest;
        if (s == 0 && early != 0) keep(curve, 0, kept++);
        keep(curve, early, kept++);
        if (late != early) keep(curve, late, kept++);
        if (s == intervals - 1 && late != n - 1) keep(curve, n - 1, kept++);
    }
    curve->n = kept;
}
