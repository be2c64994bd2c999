// Figures of a table of cells (fovea/eval.h). Each is drawn by gnuplot like every other figure; the
// interval and the classes of a cell are tool tips over it.
#ifndef FOVEA_FIGURES_DEPTH_MAPS_H
#define FOVEA_FIGURES_DEPTH_MAPS_H

#include "figures/empty.h"
#include "figures/scratch.h"
#include "figures/spots.h"

#include <fovea/eval.h>
#include <fovea/figure.h>

// One figure of cells on its way.
typedef struct fv_cells_view {
    const fv_cells *cells;
    fv_scratch *scratch;
    FILE *script;
    const char *title; // NULL: the figure's usual one
    int columns;       // of panels; 0: as many as fit
    const char *note;  // to stand below beside the figure's own; NULL for none
    bool crossed;      // cells without an answer are those of diverged runs
    fv_sheet sheet;
    fv_hot_spots spots; // one of each drawn cell
    fv_empty empty;
    const char *remark; // what the caller should tell; NULL for nothing
} fv_cells_view;

// The cells split by some of their properties: groups in the order in which they appear.
typedef enum fv_cell_key {
    FV_CELL_MODEL = 1,
    FV_CELL_TASK = 2, // with the unit of length
    FV_CELL_LENGTH = 4
} fv_cell_key;
typedef struct fv_cell_groups {
    int n;
    int *group;            // [cells.n]; -1 for cells left out
    const fv_cell **first; // [n]
} fv_cell_groups;
fv_status fv_cells_group(const fv_cells_view *view, int keys, bool with_depth,
                         fv_cell_groups *groups, fv_error *error);

// "niah_single_1, 8000 tokens, llama": the named properties, those that all cells share left out.
const char *fv_cells_title(const fv_cells_view *view, const fv_cell *cell, int keys);

// "9 of 10 found, 60 to 98 %; distractor 1", and where.
const char *fv_cell_tip(fv_scratch *scratch, const fv_cell *cell);

// Why the cells of group g have nothing to draw, or NULL where one has an answer.
const char *fv_cells_reason(const fv_cells_view *view, const fv_cell_groups *groups, int g);

// Adds a hot spot at pixels of the panel's plotting area; without memory there is none.
void fv_cells_spot(fv_cells_view *view, const fv_panel *panel, fv_box box, const char *text);

// The figures. Each writes the whole script; sheet.width stays 0 where there is nothing to draw.
fv_status fv_cells_draw_map(fv_cells_view *view, fv_error *error);
fv_status fv_cells_draw_middle(fv_cells_view *view, fv_error *error);
fv_status fv_cells_draw_together(fv_cells_view *view, fv_error *error);
fv_status fv_cells_draw_lengths(fv_cells_view *view, fv_error *error);

#endif
