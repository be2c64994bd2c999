#include "figures/diverged.h"

#include "figures/colour.h"

bool fv_run_diverged(const fv_figure_view *view, int run) {
    return view->runs.records[run]->outcome == FV_OUTCOME_DIVERGED;
}

int fv_runs_diverged(const fv_figure_view *view) {
    int n = 0;
    for (int r = 0; r < view->runs.n; r++) n += fv_run_diverged(view, r);
    return n;
}

// `steps` counts the one that failed too.
int fv_diverged_at(const fv_record *record) {
    return record->steps > 0 ? record->steps - 1 : 0;
}

fv_legend_entry fv_diverged_entry(void) {
    return (fv_legend_entry){"diverged", FV_INK, FV_MARK_CROSS};
}

const char *fv_diverged_note(const fv_figure_view *view, const char *note) {
    int n = fv_runs_diverged(view), first = INT32_MAX, last = 0;
    if (n == 0) return note;
    for (int r = 0; r < view->runs.n; r++) {
        if (!fv_run_diverged(view, r)) continue;
        int step = fv_diverged_at(view->runs.records[r]);
        if (step < first) first = step;
        if (step > last) last = step;
    }
    const char *separator = note != NULL ? "; " : "", *before = note != NULL ? note : "";
    const char *text =
        first == last
            ? fv_scratch_text(view->scratch, "%s%s%d of %d run%s diverged, at step %d", before,
                              separator, n, view->runs.n, view->runs.n == 1 ? "" : "s", first)
            : fv_scratch_text(view->scratch, "%s%s%d of %d runs diverged, at steps %d to %d",
                              before, separator, n, view->runs.n, first, last);
    return text != NULL ? text : note;
}
