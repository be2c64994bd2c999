#include "figures/sheet.h"

#include "figures/colour.h"
#include "figures/gnuplot.h"
#include "figures/tics.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_SIZE = 12, LEAST_SIZE = 9, MOST_ROWS = 3, LINE = 16 };

// --- texts and their room ----------------------------------------------------------------------

// Titles may reach over the pads on both sides.
figure_fitted sheet_fit_title(const figure_sheet *sheet, const char *text) {
    double reach = fmin(sheet->pad_left, sheet->pad_right);
    return text_fit(text, LABEL_SIZE, 10, sheet->panel_width + 2 * reach - 8, MOST_ROWS);
}

figure_fitted sheet_fit_across(const figure_sheet *sheet, const char *text) {
    return text_fit(text, LABEL_SIZE, LEAST_SIZE, sheet->panel_width + 28, MOST_ROWS);
}

figure_fitted sheet_fit_upright(const figure_sheet *sheet, const char *text) {
    return text_fit(text, LABEL_SIZE, LEAST_SIZE,
                    sheet->panel_height + sheet->pad_top + sheet->pad_bottom - 12, MOST_ROWS);
}

// Lines centred on (x, y), which lie below each other, or where they read upwards beside each
// other.
static void write_lines(figure_panel *panel, const figure_fitted *lines, double x, double y,
                        char align, bool upright, unsigned colour, const char *more) {
    char how[64];
    snprintf(how, sizeof how, "%s%s font ',%.4g'%s",
             align == 'l'   ? "left"
             : align == 'r' ? "right"
                            : "center",
             upright ? " rotate by 90" : "", lines->size, more);
    for (int k = 0; k < lines->n; k++) {
        double shift = (k - 0.5 * (lines->n - 1)) * lines->size * 1.3;
        sheet_text(panel->sheet, panel->left + x + (upright ? shift : 0),
                   panel->top + y + (upright ? 0 : shift), how, colour, lines->lines[k].start,
                   lines->lines[k].n, lines->cut && k == lines->n - 1);
    }
}

static void write_text(figure_panel *panel, double x, double y, char align, double size,
                       unsigned colour, const char *text, const char *more) {
    char how[64];
    snprintf(how, sizeof how, "%s font ',%.4g'%s",
             align == 'l'   ? "left"
             : align == 'r' ? "right"
                            : "center",
             size, more);
    sheet_text(panel->sheet, panel->left + x, panel->top + y, how, colour, text, strlen(text),
               false);
}

void panel_text(figure_panel *panel, double x, double y, char align, double size, unsigned colour,
                const char *text) {
    write_text(panel, x, y, align, size, colour, text, "");
}

void panel_boxed(figure_panel *panel, double x, double y, char align, double size, unsigned colour,
                 const char *text) {
    write_text(panel, x, y, align, size, colour, text, " boxed");
}

void panel_wrapped(figure_panel *panel, double x, double y, char align, double size,
                   unsigned colour, double width, int most, const char *text) {
    figure_fitted lines = text_fit(text, size, size, width, most);
    write_lines(panel, &lines, x, y + 0.5 * (lines.n - 1) * lines.size * 1.3, align, false, colour,
                " boxed");
}

void panel_upright(figure_panel *panel, char side, const char *text) {
    figure_fitted lines = sheet_fit_upright(panel->sheet, text);
    const figure_sheet *sheet = panel->sheet;
    double inwards = 4 + 0.5 * fitted_height(&lines);
    double right = panel->width + sheet->pad_right + (side == 'b' ? sheet->bar : 0);
    write_lines(panel, &lines, side == 'l' ? inwards - sheet->pad_left : right - inwards - 2,
                0.5 * panel->height +
                    0.5 * (sheet->pad_bottom - sheet->pad_top) * (lines.width > panel->height),
                'c', true, FV_INK, "");
}

void panel_below(figure_panel *panel, const char *text) {
    figure_fitted lines = sheet_fit_across(panel->sheet, text);
    write_lines(panel, &lines, 0.5 * panel->width, panel->height + 26 + 0.5 * fitted_height(&lines),
                'c', false, FV_INK, "");
}

// --- the panel ---------------------------------------------------------------------------------

fv_status panel_begin(figure_panel *panel, const figure_sheet *sheet, int i, const char *title) {
    int row = i / sheet->columns, column = i % sheet->columns;
    FILE *script = sheet->script;
    *panel = (figure_panel){.sheet = sheet, .script = script};
    panel->clauses_stream = open_memstream(&panel->clauses, &panel->clauses_size);
    if (panel->clauses_stream == NULL) return FV_NO_MEMORY;
    panel->width = sheet->panel_width;
    panel->height = sheet->panel_height;
    panel->left = FV_SHEET_BORDER +
                  column * (sheet->pad_left + sheet->panel_width + sheet->pad_right) +
                  sheet->pad_left;
    panel->top = sheet->top + sheet->pad_top +
                 row * (sheet->pad_top + sheet->panel_height + sheet->pad_bottom);
    if (i > 0) fputs("unset label\nunset arrow\nunset object\nundefine $*\n", script);
    fprintf(script,
            "set lmargin at screen %.6f\nset rmargin at screen %.6f\n"
            "set tmargin at screen %.6f\nset bmargin at screen %.6f\n",
            panel->left / sheet->width, (panel->left + panel->width) / sheet->width,
            1 - panel->top / sheet->height, 1 - (panel->top + panel->height) / sheet->height);
    fputs("unset logscale\nunset xtics\nunset ytics\nunset y2tics\n", script);
    if (title != NULL) {
        figure_fitted lines = sheet_fit_title(sheet, title);
        write_lines(panel, &lines, 0.5 * panel->width, -6 - 0.5 * fitted_height(&lines), 'c', false,
                    FV_INK, "");
    }
    return FV_OK;
}

static void write_axis(figure_panel *panel, const figure_scale *scale, const char *axis,
                       double length) {
    figure_tics tics;
    tics_find(scale, length, *axis == 'x', &tics);
    scale_write(scale, &tics, panel->script, axis);
}

void panel_axes(figure_panel *panel, const char *x, const char *y, const char *y2, bool second) {
    FILE *script = panel->script;
    fprintf(script, "set border %d linewidth 1 linecolor rgb '#%06x'\n", second ? 11 : 3, FV_QUIET);
    fprintf(script, "set grid xtics ytics back linetype 1 linewidth 0.8 linecolor rgb '#%06x'\n",
            FV_GRID);
    write_axis(panel, &panel->x, "x", panel->width);
    write_axis(panel, &panel->y, "y", panel->height);
    if (second) write_axis(panel, &panel->y2, "y2", panel->height);
    if (x != NULL) panel_below(panel, x);
    if (y != NULL) panel_upright(panel, 'l', y);
    if (y2 != NULL) panel_upright(panel, 'r', y2);
}

void panel_block_begin(figure_panel *panel) {
    fprintf(panel->script, "$d%d << EOD\n", panel->n_blocks);
}

void panel_block_end(figure_panel *panel, const char *format, ...) {
    fputs("EOD\n", panel->script);
    fprintf(panel->clauses_stream, "%s$d%d ", panel->n_blocks ? ", " : "", panel->n_blocks);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(panel->clauses_stream, format, arguments);
    va_end(arguments);
    panel->n_blocks++;
}

void panel_arrow(figure_panel *panel, double x0, double y0, double x1, double y1, unsigned colour) {
    const figure_sheet *sheet = panel->sheet;
    fputs("set arrow from ", panel->script);
    sheet_at(sheet, panel->left + x0, panel->top + y0);
    fputs(" to ", panel->script);
    sheet_at(sheet, panel->left + x1, panel->top + y1);
    fprintf(panel->script,
            " head filled front size screen %.5f,20,60 fixed linewidth 1.5 linecolor rgb "
            "'#%06x'\n",
            13.0 / sheet->width, colour);
}

void panel_colour_bar(figure_panel *panel, const figure_scale *scale, const figure_tics *tics,
                      unsigned (*colour)(double share), const char *label) {
    FILE *script = panel->script;
    const figure_sheet *sheet = panel->sheet;
    double left = panel->left + panel->width + sheet->pad_right;
    figure_tics own;
    if (tics == NULL) {
        tics_find(scale, panel->height, false, &own);
        tics = &own;
    }
    fputs("set palette defined (", script);
    for (int k = 0; k <= 32; k++)
        fprintf(script, "%s%d '#%06x'", k ? ", " : "", k, colour(k / 32.0));
    fputs(")\n", script);
    scale_write(scale, tics, script, "cb");
    fprintf(script,
            "set colorbox vertical user origin screen %.6f, screen %.6f size screen %.6f, screen "
            "%.6f noborder\n",
            left / sheet->width, 1 - (panel->top + panel->height) / sheet->height,
            12.0 / sheet->width, panel->height / sheet->height);
    panel_upright(panel, 'b', label);
    panel_block_begin(panel); // what gnuplot draws a colour box for
    fputs("NaN NaN 0\n", script);
    panel_block_end(panel, "using 1:2:3 with points palette notitle");
}

double panel_x(const figure_panel *panel, double value) {
    return panel->width * scale_place(&panel->x, value);
}

double panel_y(const figure_panel *panel, double value) {
    return panel->height * (1 - scale_place(&panel->y, value));
}

fv_status panel_end(figure_panel *panel) {
    bool failed = ferror(panel->clauses_stream);
    failed |= fclose(panel->clauses_stream) != 0;
    panel->clauses_stream = NULL;
    if (!failed)
        fprintf(panel->script, "plot %s\n", panel->n_blocks ? panel->clauses : "NaN notitle");
    free(panel->clauses);
    panel->clauses = NULL;
    return failed ? FV_NO_MEMORY : FV_OK;
}

void panel_drop(figure_panel *panel) {
    if (panel->clauses_stream != NULL) fclose(panel->clauses_stream);
    free(panel->clauses);
    panel->clauses_stream = NULL;
    panel->clauses = NULL;
}
