#include "claims/claim_cells.h"

#include "measures/power_fit.h"

#include <math.h>
#include <stdlib.h>

claim_range claim_range_of(const claim_plan *plan, double measure, const fv_record *record) {
    bool censored = isnan(measure) && plan->censors && record->outcome != FV_OUTCOME_DIVERGED;
    return censored ? (claim_range){record->steps, INFINITY} : (claim_range){measure, measure};
}

static int compare(const void *a, const void *b) {
    const claim_cell *x = a, *y = b;
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    return (x->along > y->along) - (x->along < y->along);
}

void claim_cells_sort(claim_cell *cells, int n) {
    qsort(cells, (size_t)n, sizeof *cells, compare);
}

// Adds b to the cell a, as `how` says; a mean is a sum until it is divided.
static void combine(claim_reduce how, claim_range *a, const claim_range *b) {
    bool lower = b->high < a->high || (b->high == a->high && b->low < a->low);
    switch (how) {
    case FV_REDUCE_LOWEST:
        if (isnan(a->high) || lower) *a = *b;
        break;
    case FV_REDUCE_HIGHEST:
        if (isnan(a->high)) break;
        if (!(b->low <= a->low)) a->low = b->low;
        if (!(b->high <= a->high)) a->high = b->high;
        break;
    default:
        a->low += b->low;
        a->high += b->high;
    }
}

static claim_cell reduce(claim_reduce how, const claim_cell *cells, int n) {
    claim_cell cell = cells[0];
    for (int i = 1; i < n; i++) {
        combine(how, &cell.value, &cells[i].value);
        if (cell.diverged_at < 0) cell.diverged_at = cells[i].diverged_at;
    }
    if (!isnan(cell.value.high)) cell.diverged_at = -1;
    if (how == FV_REDUCE_MEAN) {
        cell.value.low /= n;
        cell.value.high /= n;
    }
    return cell;
}

int claim_cells_reduce(claim_reduce how, claim_cell *cells, int n) {
    int kept = 0;
    for (int i = 0, end; how != FV_REDUCE_NONE && i < n; i = end) {
        for (end = i; end < n && compare(&cells[end], &cells[i]) == 0; end++) {
        }
        cells[kept++] = reduce(how, cells + i, end - i);
    }
    return how == FV_REDUCE_NONE ? n : kept;
}

bool claim_cells_power(const claim_cell *cells, int n, power_fit *fit) {
    power_point *points = calloc((size_t)n + 1, sizeof *points);
    if (points == NULL) return false;
    int n_points = 0;
    for (int i = 0; i < n; i++) {
        const claim_range *v = &cells[i].value;
        if (isnan(v->high)) continue; // diverged
        points[n_points++] = (power_point){cells[i].along, v->low, v->low < v->high};
    }
    bool found = power_fit_find(points, n_points, fit);
    free(points);
    return found;
}

// The value furthest along the field over the one least far. Steps, which may be ranges, are not
// negative.
static claim_range ratio(const claim_range *last, const claim_range *first) {
    if (first->high == 0) return (claim_range){NAN, NAN};
    return (claim_range){last->low / first->high, last->high / first->low};
}

int claim_cells_fit(claim_fit how, claim_cell *cells, int n) {
    int kept = 0;
    for (int i = 0, end; how != FV_FIT_NONE && i < n; i = end) {
        power_fit fit;
        claim_cell cell = {.seed = cells[i].seed, .diverged_at = -1, .value = {NAN, NAN}};
        for (end = i; end < n && cells[end].seed == cells[i].seed; end++)
            if (cell.diverged_at < 0) cell.diverged_at = cells[end].diverged_at;
        if (how == FV_FIT_RATIO && end - i > 1)
            cell.value = ratio(&cells[end - 1].value, &cells[i].value);
        else if (how == FV_FIT_POWER && cell.diverged_at < 0 &&
                 claim_cells_power(cells + i, end - i, &fit))
            cell.value = (claim_range){fit.exponent, fit.exponent};
        cells[kept++] = cell;
    }
    return how == FV_FIT_NONE ? n : kept;
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// One end of the ranges. Returns how many there are.
static int summarise_end(const claim_cell *cells, int n, double along, bool high, double *room,
                         double *median, double *lowest, double *highest) {
    int m = 0;
    for (int i = 0; i < n; i++)
        if ((isnan(along) || cells[i].along == along) && !isnan(cells[i].value.high))
            room[m++] = high ? cells[i].value.high : cells[i].value.low;
    *median = *lowest = *highest = NAN;
    if (m == 0) return 0;
    qsort(room, (size_t)m, sizeof *room, compare_numbers);
    *median = (room[(m - 1) / 2] + room[m / 2]) / 2;
    *lowest = room[0];
    *highest = room[m - 1];
    return m;
}

claim_summary claim_cells_summarise(const claim_cell *cells, int n, double along, double *room) {
    claim_summary s;
    summarise_end(cells, n, along, false, room, &s.median.low, &s.lowest.low, &s.highest.low);
    s.n =
        summarise_end(cells, n, along, true, room, &s.median.high, &s.lowest.high, &s.highest.high);
    return s;
}
