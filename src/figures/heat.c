#include "figures/heat.h"

#include "figures/diverged.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a heat map");
}

heat_cell *heat_at(const figure_heat *m, int panel, int x, int y) {
    return &m->cells[((size_t)panel * (size_t)m->y.values.n + (size_t)y) * (size_t)m->x.values.n +
                     (size_t)x];
}

// --- axes --------------------------------------------------------------------------------------

static fv_status rank_values(const figure_view *view, heat_axis *side, fv_error *error) {
    int n = side->values.n;
    const fv_field *field = side->values.fields[0];
    side->rank = scratch_get(view->scratch, (size_t)n, sizeof *side->rank);
    side->run = scratch_get(view->scratch, (size_t)n, sizeof *side->run);
    if (side->rank == NULL || side->run == NULL) return no_memory(error);
    for (int g = 0; g < n; g++) {
        double value = fv_config_number(view->runs.configs[side->values.first[g]], field);
        for (int other = 0; other < n; other++) {
            double against = fv_config_number(view->runs.configs[side->values.first[other]], field);
            side->rank[g] += against < value;
        }
        side->run[side->rank[g]] = side->values.first[g];
    }
    return FV_OK;
}

fv_status heat_split(figure_heat *m, fv_error *error) {
    const figure_view *view = m->view;
    const figure_partition *const all[] = {&m->x.values, &m->y.values, &m->panels};
    fv_status status = runs_split(view, "x", true, NULL, 0, &m->x.values, error);
    if (status == FV_OK) status = runs_split(view, "y", true, NULL, 0, &m->y.values, error);
    if (status == FV_OK) status = runs_split(view, "panel", false, all, 2, &m->panels, error);
    if (status == FV_OK) status = runs_check_alike(view, all, 3, error);
    if (status == FV_OK) status = rank_values(view, &m->x, error);
    if (status == FV_OK) status = rank_values(view, &m->y, error);
    return status;
}

// --- cells -------------------------------------------------------------------------------------

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// One value for the seeds of a setting; a NAN among them means: not by the end of the run.
static heat_cell reduce(double *values, int n, int n_diverged, const char *how) {
    int n_finite = 0, n_true = 0;
    double sum = 0;
    heat_cell cell = {FV_HEAT_EMPTY, NAN, n, n_diverged};
    if (n == 0) return cell;
    for (int i = 0; i < n; i++) {
        bool finite = isfinite(values[i]);
        n_finite += finite;
        n_true += finite && values[i] != 0;
        sum += finite ? values[i] : 0;
        if (isnan(values[i])) values[i] = INFINITY;
    }
    bool share = strcmp(how, "success") == 0;
    cell.value = share ? (double)n_true / n : sum / n_finite;
    if (strcmp(how, "median") == 0) {
        qsort(values, (size_t)n, sizeof *values, by_value);
        cell.value = n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
    }
    cell.state = isfinite(cell.value) && !(n_finite == 0 && n_diverged == n) ? FV_HEAT_VALUE
                 : 2 * n_diverged >= n                                       ? FV_HEAT_DIVERGED
                                                                             : FV_HEAT_MISSING;
    if (cell.state != FV_HEAT_VALUE) cell.value = INFINITY;
    return cell;
}

// Fills the cell from the runs that belong to it; `values` has room for all runs.
static void fill_cell(figure_heat *m, int panel, int x, int y, const double *measured,
                      double *values) {
    int n = 0, n_diverged = 0;
    for (int r = 0; r < m->view->runs.n; r++) {
        if (m->panels.group[r] != panel || m->x.rank[m->x.values.group[r]] != x ||
            m->y.rank[m->y.values.group[r]] != y)
            continue;
        values[n++] = measured[r];
        n_diverged += run_diverged(m->view, r);
    }
    heat_cell *cell = heat_at(m, panel, x, y);
    *cell = reduce(values, n, n_diverged, fv_options_text(m->view->options, "reduce", "median"));
    if (cell->state == FV_HEAT_VALUE && !scale_shows(&m->scale, cell->value))
        cell->state = FV_HEAT_UNSHOWN;
    if (cell->state == FV_HEAT_VALUE) scale_add(&m->scale, cell->value);
    m->any_missing |= cell->state == FV_HEAT_MISSING;
    m->any_diverged |= cell->state == FV_HEAT_DIVERGED;
    m->any_value |= cell->state == FV_HEAT_VALUE;
    m->n_unshown += cell->state == FV_HEAT_UNSHOWN;
    bool corner = n_diverged > 0 && cell->state != FV_HEAT_DIVERGED;
    m->some_diverged |= corner && n_diverged < n;
    m->all_diverged |= corner && n_diverged == n;
}

static fv_status fill_cells(figure_heat *m, fv_error *error) {
    const figure_runs *runs = &m->view->runs;
    const char *measure = fv_options_text(m->view->options, "value", "");
    size_t n_cells = (size_t)m->panels.n * (size_t)m->x.values.n * (size_t)m->y.values.n;
    m->cells = scratch_get(m->view->scratch, n_cells, sizeof *m->cells);
    double *measured = scratch_get(m->view->scratch, (size_t)runs->n, sizeof *measured);
    double *values = scratch_get(m->view->scratch, (size_t)runs->n, sizeof *values);
    if (m->cells == NULL || measured == NULL || values == NULL) return no_memory(error);
    for (int r = 0; r < runs->n; r++) {
        fv_status status = fv_measure(measure, runs->records[r], &measured[r], error);
        if (status != FV_OK) return status;
    }
    scale_init(&m->scale, figure_flag(m->view->options, "zlog", false));
    for (int p = 0; p < m->panels.n; p++)
        for (int y = 0; y < m->y.values.n; y++)
            for (int x = 0; x < m->x.values.n; x++) fill_cell(m, p, x, y, measured, values);
    bool share = strcmp(fv_options_text(m->view->options, "reduce", "median"), "success") == 0;
    double low = fv_options_number(m->view->options, "zmin", share ? 0 : NAN);
    double high = fv_options_number(m->view->options, "zmax", share ? 1 : NAN);
    scale_finish(&m->scale, low, high, 0);
    return FV_OK;
}

// The nearest cell with runs; of several the one with the smallest y, then x.
static const heat_cell *nearest_cell(const figure_heat *m, const bool *measured, int panel, int x,
                                     int y) {
    const heat_cell *nearest = heat_at(m, panel, x, y);
    long best = LONG_MAX;
    for (int v = 0; v < m->y.values.n; v++)
        for (int u = 0; u < m->x.values.n; u++) {
            const heat_cell *cell = heat_at(m, panel, u, v);
            long distance = (long)(u - x) * (u - x) + (long)(v - y) * (v - y);
            if (!measured[cell - m->cells] || distance >= best) continue;
            best = distance;
            nearest = cell;
        }
    return nearest;
}

static fv_status fill_gaps(figure_heat *m, fv_error *error) {
    size_t n = (size_t)m->panels.n * (size_t)m->x.values.n * (size_t)m->y.values.n;
    bool *measured = scratch_get(m->view->scratch, n, sizeof *measured);
    if (measured == NULL) return no_memory(error);
    for (size_t c = 0; c < n; c++) measured[c] = m->cells[c].state != FV_HEAT_EMPTY;
    for (int p = 0; p < m->panels.n; p++)
        for (int y = 0; y < m->y.values.n; y++)
            for (int x = 0; x < m->x.values.n; x++) {
                heat_cell *cell = heat_at(m, p, x, y);
                if (!measured[cell - m->cells]) *cell = *nearest_cell(m, measured, p, x, y);
            }
    return FV_OK;
}

fv_status heat_fill(figure_heat *m, fv_error *error) {
    fv_status status = fill_cells(m, error);
    if (status == FV_OK && figure_flag(m->view->options, "fill", false))
        status = fill_gaps(m, error);
    return status;
}
