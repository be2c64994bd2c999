#include "figures/empty.h"

#include "figures/colour.h"
#include "figures/diverged.h"

void empty_panel(figure_empty *empty, figure_panel *panel, const char *reason) {
    if (reason == NULL) return;
    if (empty->n++ == 0) empty->reason = reason;
    double x = panel->width / 2, y = panel->height / 2;
    panel_boxed(panel, x, y - 9, 'c', 12, FV_INK, "nothing has a value");
    panel_wrapped(panel, x, y + 9, 'c', 10, FV_TICS, panel->width - 12, 3, reason);
}

const char *empty_remark(const figure_empty *empty, figure_scratch *scratch, int n) {
    if (empty->n < n || n == 0) return NULL;
    return scratch_text(scratch, "nothing has a value: %s", empty->reason);
}

const char *outside_name(figure_scratch *scratch, const char *name) {
    const char *text = scratch_text(scratch, "%s: outside the axes", name);
    return text != NULL ? text : name;
}

void empty_figure(const figure_empty *empty, figure_view *view, int n) {
    const char *text = empty_remark(empty, view->scratch, n);
    if (text != NULL) text = diverged_note(view, text);
    figure_remark(view, text);
}
