// A sheet: panels of equal size in a grid, with a title above them and a legend and a note below.
// Everything is placed in pixels by ourselves (gnuplot only draws), so that labels can avoid data
// and the picture is the same in every format.
//
//   title
//   +-- panel title --+   +-- panel title --+
//   |                 |   |                 |     around each panel: pad_left, pad_right,
//   +-----------------+   +-----------------+     pad_top, pad_bottom
//          -- a   -- b   -- c                     legend, in as many rows as it needs
//          note
#ifndef FOVEA_FIGURES_SHEET_H
#define FOVEA_FIGURES_SHEET_H

#include "figures/fit.h"
#include "figures/obstacles.h"
#include "figures/scale.h"

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    FV_SHEET_BORDER = 10, // pixels around everything
    FV_SHEET_BESIDE = 30, // of a pad beside a panel, for tics and the name of the axis
    FV_SHEET_BAR = 46     // for a colour bar, but for its numbers
};

typedef enum fv_mark {
    FV_MARK_LINE,
    FV_MARK_DASHED,
    FV_MARK_DOTTED,
    FV_MARK_DASHDOT,
    FV_MARK_POINT,
    FV_MARK_CROSS,
    FV_MARK_SMALL_CROSS,
    FV_MARK_BOX,
    FV_MARK_NONE
} fv_mark;

// How gnuplot draws the cross of what diverged.
#define FV_CROSS       "pt 2 ps 0.9 lw 2"
#define FV_SMALL_CROSS "pt 2 ps 0.5 lw 1.5"

// The dash of line i, which tells it from the others that have its colour.
fv_mark fv_dash_of(int i);

// gnuplot's words for the dash of a line.
const char *fv_dash_text(fv_mark dash);

typedef struct fv_legend_entry {
    const char *text;
    unsigned colour;
    fv_mark mark;
} fv_legend_entry;

typedef struct fv_sheet {
    FILE *script;
    int n, columns; // panels; columns <= 0 lets fv_sheet_plan choose
    double panel_width, panel_height;
    double pad_left, pad_right, pad_top, pad_bottom;
    const char *title, *note; // NULL for none
    bool plain;               // the title is of the usual font, not bold
    // Texts that need room in every panel; NULL for none. The longest title, the names of the axes.
    const char *panel_title, *xlabel, *ylabel, *y2label;
    double bar; // pixels for a colour bar beside the last column, and its name
    const char *bar_label;
    const fv_legend_entry *legend;
    int n_legend, n_last;  // of which the last ones always have room
    const char *legend_of; // what the others are, for a line that counts those without room
    // Set by fv_sheet_plan.
    int width, height; // of the whole
    int n_left_out;    // legend entries
    char more[96];     // counts them
    double top, legend_top;
    fv_fitted title_lines, note_lines;
} fv_sheet;

// Lays the sheet out, so that every text has room; fields that are 0 get their usual sizes.
void fv_sheet_plan(fv_sheet *sheet);

// How the texts of a panel fit: its title, the name of the axis below, those that read upwards.
fv_fitted fv_sheet_fit_title(const fv_sheet *sheet, const char *text);
fv_fitted fv_sheet_fit_across(const fv_sheet *sheet, const char *text);
fv_fitted fv_sheet_fit_upright(const fv_sheet *sheet, const char *text);

// Makes `title` the longest title of a panel where it is.
void fv_sheet_room_for(fv_sheet *sheet, const char *title);

// Writes the n bytes of `text` at pixels of the sheet, centred on y. `how` are gnuplot's words for
// alignment, size and rotation.
void fv_sheet_text(const fv_sheet *sheet, double x, double y, const char *how, unsigned colour,
                   const char *text, size_t n, bool cut);

// Lines of text, centred on y, in a font of the family (empty: the usual).
void fv_sheet_lines(const fv_sheet *sheet, const fv_fitted *lines, double x, double y,
                    const char *align, const char *family, unsigned colour);

// Writes a pixel of the sheet in gnuplot's screen coordinates.
void fv_sheet_at(const fv_sheet *sheet, double x, double y);

// Everything but the panels; then each panel in turn; then the end.
void fv_sheet_begin(const fv_sheet *sheet);
void fv_sheet_end(const fv_sheet *sheet);

typedef struct fv_panel {
    const fv_sheet *sheet;
    FILE *script;
    double left, top; // of the plotting area, pixels from the sheet's top left
    double width, height;
    fv_scale x, y, y2;
    int n_blocks;
    char *clauses; // of the plot command
    size_t clauses_size;
    FILE *clauses_stream;
} fv_panel;

// Starts panel i; the caller then sets its scales and calls fv_panel_axes.
fv_status fv_panel_begin(fv_panel *panel, const fv_sheet *sheet, int i, const char *title);

// Writes the axes, with y2 as a second one on the right where `second` is set. A NULL label writes
// no label.
void fv_panel_axes(fv_panel *panel, const char *x, const char *y, const char *y2, bool second);

// Data goes between begin and end; end says how gnuplot draws it ("using 1:2 with lines ...").
void fv_panel_block_begin(fv_panel *panel);
void fv_panel_block_end(fv_panel *panel, const char *format, ...) FV_PRINTF(2, 3);

// Text at pixels from the plotting area's top left; `x` is the left end, centre or right end for
// 'l', 'c', 'r'.
void fv_panel_text(fv_panel *panel, double x, double y, char align, double size, unsigned colour,
                   const char *text);

// The same on a white ground, for where data cannot be avoided.
void fv_panel_boxed(fv_panel *panel, double x, double y, char align, double size, unsigned colour,
                    const char *text);

// Lines of at most `width` pixels on a white ground, the first at y.
void fv_panel_wrapped(fv_panel *panel, double x, double y, char align, double size, unsigned colour,
                      double width, int most, const char *text);

// The name of an axis on the left ('l'), on the right ('r') or of the colour bar ('b'), which reads
// upwards along the outer edge of the panel's room.
void fv_panel_upright(fv_panel *panel, char side, const char *text);

// The name of the axis below.
void fv_panel_below(fv_panel *panel, const char *text);

// An arrow of a head alone, its tip at (x1, y1).
void fv_panel_arrow(fv_panel *panel, double x0, double y0, double x1, double y1, unsigned colour);

// The bar to the right of a panel of the last column, in the room of sheet->bar: data at a share of
// `scale` have the colour of `colour`. Numbers stand at `tics`, NULL for those of the scale.
void fv_panel_colour_bar(fv_panel *panel, const fv_scale *scale, const struct fv_tics *tics,
                         unsigned (*colour)(double share), const char *label);

// Where values lie, in the pixels that fv_panel_text takes.
double fv_panel_x(const fv_panel *panel, double value);
double fv_panel_y(const fv_panel *panel, double value);

// Draws the panel.
fv_status fv_panel_end(fv_panel *panel);

// Forgets a panel that is not drawn to its end.
void fv_panel_drop(fv_panel *panel);

#endif
