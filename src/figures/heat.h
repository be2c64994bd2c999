// The numbers behind a heat map: the values of its axes in order, and the value of each cell.
#ifndef FOVEA_FIGURES_HEAT_H
#define FOVEA_FIGURES_HEAT_H

#include "figures/empty.h"
#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"

// The values of one axis in increasing order.
typedef struct heat_axis {
    figure_partition values;
    int *rank; // [values.n]: of group g
    int *run;  // [values.n]: a run of rank k
} heat_axis;

typedef enum heat_state {
    FV_HEAT_EMPTY,    // no run
    FV_HEAT_MISSING,  // not by the end of the runs
    FV_HEAT_DIVERGED, // no value, and half of the runs or more diverged
    FV_HEAT_UNSHOWN,  // a value of 0 or below, which a logarithmic scale has no colour for
    FV_HEAT_VALUE
} heat_state;

typedef struct heat_cell {
    heat_state state;
    double value; // INFINITY for MISSING and DIVERGED
    int n_runs, n_diverged;
} heat_cell;

typedef struct figure_heat {
    figure_view *view;
    heat_axis x, y;
    figure_partition panels;
    heat_cell *cells; // [panels.n][y.values.n][x.values.n]
    figure_scale scale;
    figure_sheet sheet;
    figure_empty empty;
    bool any_missing, any_diverged, any_value;
    int n_unshown;
    bool some_diverged, all_diverged; // of the runs of a cell that is not DIVERGED
} figure_heat;

heat_cell *heat_at(const figure_heat *m, int panel, int x, int y);

// Splits the runs by the axes and into panels.
fv_status heat_split(figure_heat *m, fv_error *error);

// Measures every run and fills the cells and the scale.
fv_status heat_fill(figure_heat *m, fv_error *error);

#endif
