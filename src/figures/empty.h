// Panels in which nothing is drawn say why. A figure that has only such panels also says so to its
// caller.
#ifndef FOVEA_FIGURES_EMPTY_H
#define FOVEA_FIGURES_EMPTY_H

#include "figures/kind.h"
#include "figures/sheet.h"

// The reason where points have values, but none inside the axes.
#define FV_OUTSIDE "every point lies outside the ends that the axes are given"

typedef struct figure_empty {
    int n;              // panels without a value
    const char *reason; // of the first of them
} figure_empty;         // starts as {0}

// With a `reason` writes into the panel that nothing has a value and why; NULL: the panel has some.
void empty_panel(figure_empty *empty, figure_panel *panel, const char *reason);

// "nothing has a value: ..." where all of n panels are empty, else NULL.
const char *empty_remark(const figure_empty *empty, figure_scratch *scratch, int n);

// "V = 4: outside the axes", the legend's name of a line of which no point is inside; `name`
// without memory.
const char *outside_name(figure_scratch *scratch, const char *name);

// After the last of n panels: where all are empty, view->remark says so.
void empty_figure(const figure_empty *empty, figure_view *view, int n);

#endif
