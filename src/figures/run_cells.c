#include "figures/run_cells.h"

#include "probes/retrieval.h"

#include <math.h>
#include <string.h>

static bool is_measured(const fv_experiment *experiment) {
    for (int i = 0; i < experiment->n_probes; i++)
        if (strcmp(experiment->probes[i]->name, "needle_grid") == 0) return true;
    return false;
}

fv_status fv_run_cells_split(const fv_figure_view *view, const char *key, fv_partition *models,
                             fv_error *error) {
    if (!is_measured(view->experiment))
        return fv_figure_fail(view, "kind", error,
                              "the cells come from the probe needle_grid; list it under `probes`");
    fv_status status = fv_runs_split(view, key, false, NULL, 0, models, error);
    if (status == FV_OK)
        status = fv_runs_check_alike(view, (const fv_partition *const[]){models}, 1, error);
    if (status != FV_OK) return status;
    const fv_option *labels = fv_options_find(view->options, "labels");
    if (labels == NULL || labels->n_values == models->n) return FV_OK;
    return fv_figure_fail(view, "labels", error, "%d labels for %d models; each takes one",
                          labels->n_values, models->n);
}

static const char *label_of(const fv_figure_view *view, const fv_partition *models, int model) {
    const fv_option *labels = fv_options_find(view->options, "labels");
    if (labels != NULL) return labels->values[model];
    const char *label = fv_runs_label(view, models->first[model], models);
    return label != NULL ? label : "";
}

// Puts `cell` with `hits` more of FV_GRID_SAMPLES questions.
static fv_status count(fv_cells *cells, fv_cell cell, int hits, fv_error *error) {
    for (int i = 0; i < cells->n; i++) {
        const fv_cell *known = &cells->items[i];
        if (known->length != cell.length || known->depth != cell.depth ||
            strcmp(known->model, cell.model) != 0 || strcmp(known->task, cell.task) != 0)
            continue;
        cell = *known;
        break;
    }
    cell.n += FV_GRID_SAMPLES;
    cell.hits += hits;
    cell.counts[FV_ANSWER_FOUND] += hits;
    cell.counts[FV_ANSWER_WRONG] += FV_GRID_SAMPLES - hits;
    cell.score = (double)cell.hits / cell.n;
    return fv_cells_put(cells, &cell, error);
}

static fv_status add_run(const fv_record *record, const char *model, int one_length,
                         fv_cells *cells, fv_error *error) {
    const fv_task_config *task = &record->config.task;
    fv_cell cell = {.unit = "tokens", .trained_length = fv_training_longest(task)};
    snprintf(cell.model, sizeof cell.model, "%s", model);
    snprintf(cell.task, sizeof cell.task, "%s", fv_field_find("task.name")->choices[task->name]);
    int wanted = one_length == 0 ? cell.trained_length : one_length;
    fv_grid_plan plan;
    fv_grid_plan_make(task, &plan);
    for (int l = 0; l < plan.n_lengths; l++) {
        if (one_length != FV_ALL_LENGTHS && plan.lengths[l] != wanted) continue;
        for (int d = 0; d < FV_GRID_DEPTHS; d++) {
            char name[FV_GRID_NAME], series[64];
            fv_grid_name(plan.lengths[l], plan.depths[d], name);
            snprintf(series, sizeof series, "needle_grid.%s", name);
            const fv_series *s = fv_record_find(record, series);
            if (s == NULL || s->n == 0) continue; // a diverged run
            cell.length = plan.lengths[l];
            cell.depth = plan.depths[d];
            int hits = (int)lround((double)s->values[s->n - 1] * FV_GRID_SAMPLES);
            fv_status status = count(cells, cell, hits, error);
            if (status != FV_OK) return status;
        }
    }
    return FV_OK;
}

fv_status fv_run_cells(const fv_figure_view *view, const fv_partition *models, int one_length,
                       fv_cells *cells, fv_error *error) {
    *cells = (fv_cells){0};
    fv_status status = FV_OK;
    for (int m = 0; m < models->n && status == FV_OK; m++)
        for (int r = 0; r < view->runs.n && status == FV_OK; r++)
            if (models->group[r] == m)
                status = add_run(view->runs.records[r], label_of(view, models, m), one_length,
                                 cells, error);
    if (status == FV_OK && cells->n == 0)
        status = fv_figure_fail(view, "kind", error,
                                "no run has cells: the models' task hides nothing at a depth, or "
                                "none was measured at the length asked for");
    if (status != FV_OK) fv_cells_free(cells);
    return status;
}
