#include "figures/diverged.h"

#include "figures/colour.h"

bool run_diverged(const figure_view *view, int run) {
    return fv_record_diverged_at(view->runs.records[run]) >= 0;
}

static fv_divergence divergence_of(const figure_view *view) {
    fv_divergence all = {0};
    for (int r = 0; r < view->runs.n; r++) fv_divergence_add(&all, view->runs.records[r]);
    return all;
}

int runs_diverged(const figure_view *view) {
    return divergence_of(view).n;
}

legend_entry diverged_entry(void) {
    return (legend_entry){"diverged", FV_INK, FV_MARK_CROSS};
}

const char *diverged_note(const figure_view *view, const char *note) {
    char count[128];
    fv_divergence all = divergence_of(view);
    if (fv_divergence_text(&all, count, sizeof count) == 0) return note;
    const char *text =
        scratch_text(view->scratch, "%s%s%s", note ? note : "", note ? "; " : "", count);
    return text != NULL ? text : note;
}
