// Cells of depth and length (fovea/eval.h) out of the runs of an experiment that measured them with
// the probe needle_grid. The seeds of a setting share its cells: their sequences are counted
// together.
#ifndef FOVEA_FIGURES_RUN_CELLS_H
#define FOVEA_FIGURES_RUN_CELLS_H

#include "figures/kind.h"
#include "figures/runs.h"

#include <fovea/eval.h>

// Splits the runs by the fields of the option `key` into models, named by the option `labels` or by
// what differs. FV_USAGE where no run is measured by the probe, or where labels and models differ
// in number.
fv_status fv_run_cells_split(const fv_figure_view *view, const char *key, fv_partition *models,
                             fv_error *error);

// All cells of all runs; with `one_length` those of that length, or (0) of each run's longest
// training length. Freed with fv_cells_free.
enum { FV_ALL_LENGTHS = -1 };
fv_status fv_run_cells(const fv_figure_view *view, const fv_partition *models, int one_length,
                       fv_cells *cells, fv_error *error);

#endif
