#include "figures/slots.h"

#include "figures/runs.h"
#include "measures/measure.h"

#include <fnmatch.h>
#include <string.h>

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

static bool has(const figure_slots *slots, const char *series, bool second) {
    for (int s = 0; s < slots->n; s++)
        if (slots->items[s].second == second && strcmp(slots->items[s].series, series) == 0)
            return true;
    return false;
}

// A whole name, a pattern, or a short name as measures have them ("effective_rank.W_Q").
static bool matches(const fv_record *record, const char *pattern, const fv_series *series) {
    if (strcmp(series->name, pattern) == 0) return true;
    if (strpbrk(pattern, "*?") != NULL) return fnmatch(pattern, series->name, 0) == 0;
    return series_called(record, pattern) == series;
}

bool slots_match(const fv_record *record, const char *pattern) {
    for (int i = 0; i < record->n_series; i++)
        if (matches(record, pattern, &record->series[i])) return true;
    return false;
}

static fv_status fail_unknown(const figure_view *view, const char *key, const char *pattern,
                              fv_error *error) {
    char list[400] = "";
    const fv_record *record = view->runs.records[0];
    for (int i = 0; i < record->n_series; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", record->series[i].name);
    }
    return figure_fail(view, key, error, "no run has a series \"%s\"; they have %s", pattern,
                       *list ? list : "none");
}

static fv_status add(const figure_view *view, const char *series, bool second, figure_slots *slots,
                     fv_error *error) {
    if (has(slots, series, second)) return FV_OK;
    figure_slot *grown = scratch_get(view->scratch, (size_t)slots->n + 1, sizeof *grown);
    if (grown == NULL) return no_memory(error);
    if (slots->n > 0) memcpy(grown, slots->items, (size_t)slots->n * sizeof *grown);
    grown[slots->n++] = (figure_slot){.series = series, .second = second};
    slots->items = grown;
    return FV_OK;
}

static fv_status add_matching(const figure_view *view, const char *key, const char *pattern,
                              bool second, figure_slots *slots, fv_error *error) {
    bool found = false;
    for (int i = 0; i < view->runs.n; i++) {
        const fv_record *record = view->runs.records[i];
        for (int s = 0; s < record->n_series; s++) {
            if (!matches(record, pattern, &record->series[s])) continue;
            found = true;
            fv_status status = add(view, record->series[s].name, second, slots, error);
            if (status != FV_OK) return status;
        }
    }
    if (found) return FV_OK;
    // Runs that diverged at once have no series to find: an empty figure says that they did.
    for (int i = 0; i < view->runs.n; i++)
        if (view->runs.records[i]->outcome != FV_OUTCOME_DIVERGED)
            return fail_unknown(view, key, pattern, error);
    return add(view, pattern, second, slots, error);
}

fv_status slots_read(const figure_view *view, figure_slots *slots, fv_error *error) {
    static const char *const keys[] = {"y", "y2"};
    *slots = (figure_slots){0};
    for (int k = 0; k < 2; k++) {
        const fv_option *option = fv_options_find(view->options, keys[k]);
        for (int v = 0; option != NULL && v < option->n_values; v++) {
            fv_status status = add_matching(view, keys[k], option->values[v], k == 1, slots, error);
            if (status != FV_OK) return status;
            slots->any_second |= k == 1;
        }
    }
    const fv_option *labels = fv_options_find(view->options, "labels");
    for (int s = 0; s < slots->n; s++) {
        figure_slot *slot = &slots->items[s];
        slot->label = labels != NULL && s < labels->n_values
                          ? labels->values[s]
                          : series_label(view->scratch, slot->series);
        if (slot->label == NULL) return no_memory(error);
    }
    return FV_OK;
}
