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

typedef enum figure_mark {
    FV_MARK_LINE,
    FV_MARK_DASHED,
    FV_MARK_DOTTED,
    FV_MARK_DASHDOT,
    FV_MARK_POINT,
    FV_MARK_CROSS,
    FV_MARK_SMALL_CROSS,
    FV_MARK_BOX,
    FV_MARK_NONE
} figure_mark;

// How gnuplot draws the cross of what diverged.
#define FV_CROSS       "pt 2 ps 0.9 lw 2"
#define FV_SMALL_CROSS "pt 2 ps 0.5 lw 1.5"

// The dash of line i, which tells it from the others that have its colour.
figure_mark dash_of(int i);

// gnuplot's words for the dash of a line.
const char *dash_text(figure_mark dash);

typedef struct legend_entry {
    const char *text;
    unsigned colour;
    figure_mark mark;
} legend_entry;

typedef struct figure_sheet {
    FILE *script;
    int n, columns; // panels; columns <= 0 lets sheet_plan choose
    double panel_width, panel_height;
    double pad_left, pad_right, pad_top, pad_bottom;
    const char *title, *note; // NULL for none
    bool plain;               // the title is of the usual font, not bold
    // Texts that need room in every panel; NULL for none. The longest title, the names of the axes.
    const char *panel_title, *xlabel, *ylabel, *y2label;
    double bar; // pixels for a colour bar beside the last column, and its name
    const char *bar_label;
    const legend_entry *legend;
    int n_legend, n_last;  // of which the last ones always have room
    const char *legend_of; // what the others are, for a line that counts those without room
    // Set by sheet_plan.
    int width, height; // of the whole
    int n_left_out;    // legend entries
    char more[96];     // counts them
    double top, legend_top;
    figure_fitted title_lines, note_lines;
} figure_sheet;

// Lays the sheet out, so that every text has room; fields that are 0 get their usual sizes.
void sheet_plan(figure_sheet *sheet);

// How the texts of a panel fit: its title, the name of the axis below, those that read upwards.
figure_fitted sheet_fit_title(const figure_sheet *sheet, const char *text);
figure_fitted sheet_fit_across(const figure_sheet *sheet, const char *text);
figure_fitted sheet_fit_upright(const figure_sheet *sheet, const char *text);

// Makes `title` the longest title of a panel where it is.
void sheet_room_for(figure_sheet *sheet, const char *title);

// Writes the n bytes of `text` at pixels of the sheet, centred on y. `how` are gnuplot's words for
// alignment, size and rotation.
void sheet_text(const figure_sheet *sheet, double x, double y, const char *how, unsigned colour,
                const char *text, size_t n, bool cut);

// Lines of text, centred on y, in a font of the family (empty: the usual).
void sheet_lines(const figure_sheet *sheet, const figure_fitted *lines, double x, double y,
                 const char *align, const char *family, unsigned colour);

// Writes a pixel of the sheet in gnuplot's screen coordinates.
void sheet_at(const figure_sheet *sheet, double x, double y);

// Everything but the panels; then each panel in turn; then the end.
void sheet_begin(const figure_sheet *sheet);
void sheet_end(const figure_sheet *sheet);

typedef struct figure_panel {
    const figure_sheet *sheet;
    FILE *script;
    double left, top; // of the plotting area, pixels from the sheet's top left
    double width, height;
    figure_scale x, y, y2;
    int n_blocks;
    char *clauses; // of the plot command
    size_t clauses_size;
    FILE *clauses_stream;
} figure_panel;

// Starts panel i; the caller then sets its scales and calls panel_axes.
fv_status panel_begin(figure_panel *panel, const figure_sheet *sheet, int i, const char *title);

// Writes the axes, with y2 as a second one on the right where `second` is set. A NULL label writes
// no label.
void panel_axes(figure_panel *panel, const char *x, const char *y, const char *y2, bool second);

// Data goes between begin and end; end says how gnuplot draws it ("using 1:2 with lines ...").
void panel_block_begin(figure_panel *panel);
void panel_block_end(figure_panel *panel, const char *format, ...) FV_PRINTF(2, 3);

// Text at pixels from the plotting area's top left; `x` is the left end, centre or right end for
// 'l', 'c', 'r'.
void panel_text(figure_panel *panel, double x, double y, char align, double size, unsigned colour,
                const char *text);

// The same on a white ground, for where data cannot be avoided.
void panel_boxed(figure_panel *panel, double x, double y, char align, double size, unsigned colour,
                 const char *text);

// Lines of at most `width` pixels on a white ground, the first at y.
void panel_wrapped(figure_panel *panel, double x, double y, char align, double size,
                   unsigned colour, double width, int most, const char *text);

// The name of an axis on the left ('l'), on the right ('r') or of the colour bar ('b'), which reads
// upwards along the outer edge of the panel's room.
void panel_upright(figure_panel *panel, char side, const char *text);

// The name of the axis below.
void panel_below(figure_panel *panel, const char *text);

// An arrow of a head alone, its tip at (x1, y1).
void panel_arrow(figure_panel *panel, double x0, double y0, double x1, double y1, unsigned colour);

// The bar to the right of a panel of the last column, in the room of sheet->bar: data at a share of
// `scale` have the colour of `colour`. Numbers stand at `tics`, NULL for those of the scale.
void panel_colour_bar(figure_panel *panel, const figure_scale *scale,
                      const struct figure_tics *tics, unsigned (*colour)(double share),
                      const char *label);

// Where values lie, in the pixels that panel_text takes.
double panel_x(const figure_panel *panel, double value);
double panel_y(const figure_panel *panel, double value);

// Draws the panel.
fv_status panel_end(figure_panel *panel);

// Forgets a panel that is not drawn to its end.
void panel_drop(figure_panel *panel);

#endif
