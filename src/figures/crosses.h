// The crosses of runs that diverged, of all colours of a panel. Many diverge at the same step with
// the same loss, or stand at the same place of an axis: where crosses of several colours would lie
// on each other, all but the first move beside it.
#ifndef FOVEA_FIGURES_CROSSES_H
#define FOVEA_FIGURES_CROSSES_H

typedef struct figure_cross {
    double x, y;       // where it belongs, pixels from the panel's top left
    int line;          // the caller's; crosses of one line may lie on each other
    double at_x, at_y; // where it is drawn, set by crosses_spread
} figure_cross;

// Finds places inside a panel of width x height pixels. A cross that belongs outside stays there,
// and one that finds no free place near its own stays on the others.
void crosses_spread(figure_cross *crosses, int n, double width, double height);

#endif
