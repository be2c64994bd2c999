#include "lab/claim_cells.h"

#include "lab/power_fit.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
    const fv_claim_cell *x = a, *y = b;
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    return (x->along > y->along) - (x->along < y->along);
}

void fv_claim_cells_sort(fv_claim_cell *cells, int n) {
    qsort(cells, (size_t)n, sizeof *cells, compare);
}

// `end` of the result is what its time is known to be later than where it has no value.
static fv_claim_cell reduce(fv_reduce how, const fv_claim_cell *cells, int n) {
    double low = INFINITY, high = -INFINITY, sum = 0, end_low = INFINITY;
    double known_high = -INFINITY, known_sum = 0; // with the end in the place of never
    int n_values = 0;
    for (int i = 0; i < n; i++) {
        bool has = !isnan(cells[i].value);
        double known = has ? cells[i].value : cells[i].end;
        known_high = fmax(known_high, known);
        known_sum += known;
        end_low = fmin(end_low, cells[i].end);
        if (!has) continue;
        low = fmin(low, cells[i].value);
        high = fmax(high, cells[i].value);
        sum += cells[i].value;
        n_values++;
    }
    fv_claim_cell cell = {.seed = cells->seed, .along = cells->along, .value = NAN};
    bool all = n_values == n;
    switch (how) {
    case FV_REDUCE_LOWEST:
        if (n_values > 0) cell.value = low;
        cell.end = end_low;
        break;
    case FV_REDUCE_HIGHEST:
        if (all) cell.value = high;
        cell.end = known_high;
        break;
    case FV_REDUCE_MEAN:
        if (all) cell.value = sum / n;
        cell.end = known_sum / n;
        break;
    default:
        if (all) cell.value = sum;
        cell.end = known_sum;
    }
    return cell;
}

int fv_claim_cells_reduce(fv_reduce how, fv_claim_cell *cells, int n) {
    int kept = 0;
    for (int i = 0, end; how != FV_REDUCE_NONE && i < n; i = end) {
        for (end = i; end < n && compare(&cells[end], &cells[i]) == 0; end++) {
        }
        cells[kept++] = reduce(how, cells + i, end - i);
    }
    return how == FV_REDUCE_NONE ? n : kept;
}

bool fv_claim_cells_power(const fv_claim_cell *cells, int n, fv_power_fit *fit) {
    fv_power_point *points = calloc((size_t)n + 1, sizeof *points);
    if (points == NULL) return false;
    for (int i = 0; i < n; i++) {
        bool never = isnan(cells[i].value);
        points[i] = (fv_power_point){cells[i].along, never ? cells[i].end : cells[i].value, never};
    }
    bool found = fv_power_fit_find(points, n, fit);
    free(points);
    return found;
}

// The value furthest along the field over the one least far.
static fv_claim_cell ratio(const fv_claim_cell *cells, int n) {
    const fv_claim_cell *first = cells, *last = cells + n - 1;
    fv_claim_cell cell = {.seed = first->seed, .value = NAN};
    if (isnan(first->value) || first->value == 0 || n < 2) return cell;
    cell.beyond = isnan(last->value);
    cell.value = (cell.beyond ? last->end : last->value) / first->value;
    return cell;
}

int fv_claim_cells_fit(fv_fit how, fv_claim_cell *cells, int n) {
    int kept = 0;
    for (int i = 0, end; how != FV_FIT_NONE && i < n; i = end) {
        for (end = i; end < n && cells[end].seed == cells[i].seed; end++) {
        }
        fv_power_fit fit;
        fv_claim_cell cell = {.seed = cells[i].seed, .value = NAN};
        if (how == FV_FIT_RATIO)
            cell = ratio(cells + i, end - i);
        else if (fv_claim_cells_power(cells + i, end - i, &fit))
            cell.value = fit.exponent;
        cells[kept++] = cell;
    }
    return how == FV_FIT_NONE ? n : kept;
}
