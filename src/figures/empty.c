#include "figures/empty.h"

#include "figures/colour.h"
#include "figures/diverged.h"

void fv_empty_panel(fv_empty *empty, fv_panel *panel, const char *reason) {
    if (reason == NULL) return;
    if (empty->n++ == 0) empty->reason = reason;
    double x = panel->width / 2, y = panel->height / 2;
    fv_panel_boxed(panel, x, y - 9, 'c', 12, FV_INK, "nothing has a value");
    fv_panel_wrapped(panel, x, y + 9, 'c', 10, FV_TICS, panel->width - 12, 3, reason);
}

const char *fv_empty_remark(const fv_empty *empty, fv_scratch *scratch, int n) {
    if (empty->n < n || n == 0) return NULL;
    return fv_scratch_text(scratch, "nothing has a value: %s", empty->reason);
}

const char *fv_outside_name(fv_scratch *scratch, const char *name) {
    const char *text = fv_scratch_text(scratch, "%s: outside the axes", name);
    return text != NULL ? text : name;
}

void fv_empty_figure(const fv_empty *empty, fv_figure_view *view, int n) {
    const char *text = fv_empty_remark(empty, view->scratch, n);
    if (text != NULL) text = fv_diverged_note(view, text);
    fv_figure_remark(view, text);
}
