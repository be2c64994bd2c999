// Cells of depth and length (fovea/eval.h) out of the runs of an experiment that measured them with
// the probe needle_grid. The seeds of a setting share its cells: their sequences are counted
// together.
#ifndef FOVEA_FIGURES_RUN_CELLS_H
#define FOVEA_FIGURES_RUN_CELLS_H

#include "figures/depth_maps.h"
#include "figures/kind.h"
#include "figures/runs.h"

enum { FV_ALL_LENGTHS = -1 };

// Splits the runs by the fields of the option `key` into models, named by the option `labels` or by
// what differs. FV_USAGE where no run is measured by the probe, or where labels and models differ
// in number.
fv_status run_cells_split(const figure_view *view, const char *key, figure_partition *models,
                          fv_error *error);

// Whether a run will have cells, of the length that is asked for. FV_USAGE where the runs' tasks
// hide nothing or none is measured at that length.
fv_status run_cells_check(const figure_view *view, const char *key, int one_length,
                          fv_error *error);

// The cells of the runs, to be freed with fv_cells_free: of all lengths, of one, or with
// `one_length` 0 of each run's longest training length. FV_USAGE where there are none.
fv_status run_cells(const figure_view *view, const figure_partition *models, int one_length,
                    fv_cells *cells, fv_error *error);

// Draws the cells of the runs, split by `key`, as one of cells.h's figures.
fv_status run_cells_draw(figure_view *view, const char *key, int one_length,
                         fv_status (*draw)(cells_view *view, fv_error *error), fv_error *error);

#endif
