#include "figures/run_cells.h"

#include "figures/diverged.h"

#include "probes/retrieval.h"

#include <fovea/config.h>
#include <math.h>
#include <string.h>

static bool is_measured(const fv_experiment *experiment) {
    for (int i = 0; i < experiment->n_probes; i++)
        if (strcmp(experiment->probes[i]->name, "needle_grid") == 0) return true;
    return false;
}

static bool has_one_length(const fv_task_config *task) {
    return training_shortest(task) == task->context_length;
}

// Runs of one length each may differ in it and be one model all the same: their cells stand side by
// side. A second partition by length says so; runs over ranges of lengths are all in one group.
static fv_status split_lengths(const figure_view *view, figure_partition *lengths,
                               fv_error *error) {
    int n = view->runs.n;
    *lengths = (figure_partition){.n_fields = 1, .n = 0};
    lengths->fields = scratch_get(view->scratch, 1, sizeof *lengths->fields);
    lengths->group = scratch_get(view->scratch, (size_t)n, sizeof *lengths->group);
    lengths->first = scratch_get(view->scratch, (size_t)n, sizeof *lengths->first);
    if (lengths->fields == NULL || lengths->group == NULL || lengths->first == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure of %d runs", n);
    lengths->fields[0] = fv_field_find("task.context_length");
    for (int r = 0; r < n; r++) {
        const fv_task_config *task = &view->runs.configs[r]->task;
        int g = 0;
        for (; g < lengths->n; g++) {
            const fv_task_config *other = &view->runs.configs[lengths->first[g]]->task;
            bool both = has_one_length(task) && has_one_length(other);
            if (!both || task->context_length == other->context_length) break;
        }
        if (g == lengths->n) lengths->first[lengths->n++] = r;
        lengths->group[r] = g;
    }
    return FV_OK;
}

fv_status run_cells_split(const figure_view *view, const char *key, figure_partition *models,
                          fv_error *error) {
    if (!is_measured(view->experiment))
        return figure_fail(view, "kind", error,
                           "the cells come from the probe needle_grid; list it under `probes`");
    figure_partition lengths;
    const figure_partition *const both[] = {models, &lengths};
    fv_status status = split_lengths(view, &lengths, error);
    if (status == FV_OK)
        status = runs_split(view, key, false, both + 1, lengths.n > 1, models, error);
    if (status == FV_OK) status = runs_check_alike(view, both, 2, error);
    if (status != FV_OK) return status;
    const fv_option *labels = fv_options_find(view->options, "labels");
    if (labels == NULL || labels->n_values == models->n) return FV_OK;
    return figure_fail(view, "labels", error, "%d labels for %d models; each takes one",
                       labels->n_values, models->n);
}

// --- before training ----------------------------------------------------------------------------

// The length that a run is asked for: FV_ALL_LENGTHS, or that of `one_length`, 0 its longest of
// training, which steps of length_step may not bring to length_max.
static int wanted_length(const grid_plan *plan, int one_length) {
    return one_length == 0 ? plan->lengths[plan->n_trained - 1] : one_length;
}

static bool measures_length(const grid_plan *plan, int wanted) {
    bool found = wanted == FV_ALL_LENGTHS;
    for (int l = 0; l < plan->n_lengths; l++) found |= plan->lengths[l] == wanted;
    return found;
}

static fv_status refuse_length(const figure_view *view, const grid_plan *plan, int length,
                               fv_error *error) {
    char list[128] = "";
    for (int l = 0; l < plan->n_lengths; l++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%d", l > 0 ? ", " : "", plan->lengths[l]);
    }
    return figure_fail(view, "length", error,
                       "no run is measured at %d tokens; needle_grid takes the lengths %s", length,
                       list);
}

fv_status run_cells_check(const figure_view *view, const char *key, int one_length,
                          fv_error *error) {
    figure_partition models;
    fv_status status = run_cells_split(view, key, &models, error);
    grid_plan plan, hides = {0}; // of the first run that hides something
    fv_error cause, first;
    for (int r = 0; r < view->runs.n && status == FV_OK; r++) {
        const fv_config *config = view->runs.configs[r];
        grid_plan_make(&config->task, &plan);
        bool can = retrieval_check(config, plan.lengths[0], 0, &cause) == FV_OK;
        if (can && measures_length(&plan, wanted_length(&plan, one_length))) return FV_OK;
        if (can && hides.n_lengths == 0) hides = plan;
        if (!can && r == 0) first = cause;
    }
    if (status != FV_OK) return status;
    if (hides.n_lengths > 0) return refuse_length(view, &hides, one_length, error);
    return figure_fail(view, "kind", error, "no run has cells: %s", first.text);
}

// --- after it -----------------------------------------------------------------------------------

static const char *label_of(const figure_view *view, const figure_partition *models, int model) {
    const fv_option *labels = fv_options_find(view->options, "labels");
    if (labels != NULL) return labels->values[model];
    const char *label = runs_label(view, models->first[model], models);
    return label != NULL ? label : "";
}

// Puts `cell` with `hits` more of FV_GRID_SAMPLES questions, or with NAN none: the cell of a run
// that diverged has no answer, whatever it was before, but has a place.
static fv_status count(fv_cells *cells, fv_cell cell, double hits_found, fv_error *error) {
    const fv_cell *known = fv_cells_find(cells, &cell);
    if (known != NULL) cell = *known;
    if (isnan(hits_found)) return fv_cells_put(cells, &cell, error);
    int hits = (int)lround(hits_found);
    cell.n += FV_GRID_SAMPLES;
    cell.hits += hits;
    cell.counts[FV_ANSWER_FOUND] += hits;
    cell.counts[FV_ANSWER_WRONG] += FV_GRID_SAMPLES - hits;
    cell.score = (double)cell.hits / cell.n;
    return fv_cells_put(cells, &cell, error);
}

static fv_status add_run(const fv_record *record, const char *model, int one_length,
                         fv_cells *cells, fv_error *error) {
    const fv_task_config *task = &record->config->task;
    fv_cell cell = {.unit = "tokens"};
    // A run of one length has no training range whose end a map could show.
    if (!has_one_length(task)) cell.trained_length = training_longest(task);
    snprintf(cell.model, sizeof cell.model, "%s", model);
    snprintf(cell.task, sizeof cell.task, "%s", fv_field_find("task.name")->choices[task->name]);
    grid_plan plan;
    grid_plan_make(task, &plan);
    int wanted = wanted_length(&plan, one_length);
    for (int l = 0; l < plan.n_lengths; l++) {
        if (wanted != FV_ALL_LENGTHS && plan.lengths[l] != wanted) continue;
        for (int d = 0; d < FV_GRID_DEPTHS; d++) {
            char name[FV_GRID_NAME], series[64];
            grid_name(plan.lengths[l], plan.depths[d], name);
            snprintf(series, sizeof series, "needle_grid.%s", name);
            const fv_series *s = fv_record_find(record, series);
            bool diverged = record->outcome == FV_OUTCOME_DIVERGED;
            if (!diverged && (s == NULL || s->n == 0)) continue; // nothing to find
            cell.length = plan.lengths[l];
            cell.depth = plan.depths[d];
            double hits = diverged ? NAN : (double)s->values[s->n - 1] * FV_GRID_SAMPLES;
            fv_status status = count(cells, cell, hits, error);
            if (status != FV_OK) return status;
        }
    }
    return FV_OK;
}

fv_status run_cells(const figure_view *view, const figure_partition *models, int one_length,
                    fv_cells *cells, fv_error *error) {
    *cells = (fv_cells){0};
    fv_status status = FV_OK;
    for (int m = 0; m < models->n && status == FV_OK; m++)
        for (int r = 0; r < view->runs.n && status == FV_OK; r++)
            if (models->group[r] == m)
                status = add_run(view->runs.records[r], label_of(view, models, m), one_length,
                                 cells, error);
    if (status == FV_OK && cells->n == 0)
        status = figure_fail(view, "kind", error, "no run has cells");
    if (status != FV_OK) fv_cells_free(cells);
    return status;
}

fv_status run_cells_draw(figure_view *view, const char *key, int one_length,
                         fv_status (*draw)(cells_view *view, fv_error *error), fv_error *error) {
    figure_partition models;
    fv_cells cells;
    fv_status status = run_cells_split(view, key, &models, error);
    if (status == FV_OK) status = run_cells(view, &models, one_length, &cells, error);
    if (status != FV_OK) return status;
    cells_view figure = {.cells = &cells,
                         .scratch = view->scratch,
                         .script = view->script,
                         .title = fv_options_text(view->options, "title", NULL),
                         .columns = (int)fv_options_number(view->options, "columns", 0)};
    figure.note = diverged_note(view, NULL);
    figure.crossed = runs_diverged(view) > 0;
    status = draw(&figure, error);
    if (status == FV_OK) empty_figure(&figure.empty, view, figure.sheet.n);
    view->width = figure.sheet.width;
    view->height = figure.sheet.height;
    view->spots = figure.spots;
    fv_cells_free(&cells);
    return status;
}
