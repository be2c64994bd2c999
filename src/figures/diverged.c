#include "figures/diverged.h"

#include "figures/colour.h"

bool fv_run_diverged(const fv_figure_view *view, int run) {
    return fv_record_diverged_at(view->runs.records[run]) >= 0;
}

static fv_divergence divergence_of(const fv_figure_view *view) {
    fv_divergence all = {0};
    for (int r = 0; r < view->runs.n; r++) fv_divergence_add(&all, view->runs.records[r]);
    return all;
}

int fv_runs_diverged(const fv_figure_view *view) {
    return divergence_of(view).n;
}

fv_legend_entry fv_diverged_entry(void) {
    return (fv_legend_entry){"diverged", FV_INK, FV_MARK_CROSS};
}

const char *fv_diverged_note(const fv_figure_view *view, const char *note) {
    char count[128];
    fv_divergence all = divergence_of(view);
    if (fv_divergence_text(&all, count, sizeof count) == 0) return note;
    const char *text =
        fv_scratch_text(view->scratch, "%s%s%s", note ? note : "", note ? "; " : "", count);
    return text != NULL ? text : note;
}
