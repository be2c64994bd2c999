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
typedef struct cells_view {
    const fv_cells *cells;
    figure_scratch *scratch;
    FILE *script;
    const char *title; // NULL: the figure's usual one
    int columns;       // of panels; 0: as many as fit
    const char *note;  // to stand below beside the figure's own; NULL for none
    bool crossed;      // cells without an answer are those of diverged runs
    figure_sheet sheet;
    hot_spots spots; // one of each drawn cell
    figure_empty empty;
    const char *remark; // what the caller should tell; NULL for nothing
} cells_view;

// The cells split by some of their properties: groups in the order in which they appear.
typedef enum cell_key {
    FV_CELL_MODEL = 1,
    FV_CELL_TASK = 2, // with the unit of length
    FV_CELL_LENGTH = 4
} cell_key;
typedef struct cell_groups {
    int n;
    int *group;            // [cells.n]; -1 for cells left out
    const fv_cell **first; // [n]
} cell_groups;
fv_status cells_group(const cells_view *view, int keys, bool with_depth, cell_groups *groups,
                      fv_error *error);

// "niah_single_1, 8000 tokens, llama": the named properties, those that all cells share left out.
const char *cells_title(const cells_view *view, const fv_cell *cell, int keys);

// "9 of 10 found, 60 to 98 %; distractor 1", and where.
const char *cell_tip(figure_scratch *scratch, const fv_cell *cell);

// Why the cells of group g have nothing to draw, or NULL where one has an answer.
const char *cells_reason(const cells_view *view, const cell_groups *groups, int g);

// Adds a hot spot at pixels of the panel's plotting area; without memory there is none.
void cells_spot(cells_view *view, const figure_panel *panel, figure_box box, const char *text);

// The figures. Each writes the whole script; sheet.width stays 0 where there is nothing to draw.
fv_status cells_draw_map(cells_view *view, fv_error *error);
fv_status cells_draw_first_token(cells_view *view, fv_error *error);
fv_status cells_draw_prefill(cells_view *view, fv_error *error);
fv_status cells_draw_decode(cells_view *view, fv_error *error);
fv_status cells_draw_middle(cells_view *view, fv_error *error);
fv_status cells_draw_together(cells_view *view, fv_error *error);
fv_status cells_draw_lengths(cells_view *view, fv_error *error);

#endif
