#include "figures/sheet.h"

#include "figures/colour.h"
#include "figures/gnuplot.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
    TITLE_HEIGHT = 34,
    LEGEND_ROW = 20,
    LEGEND_MARK = 26, // width of a line sample
    LEGEND_GAP = 22,  // between entries
    NOTE_HEIGHT = 20,
    BORDER = 10,
};

double fv_text_width(const char *text, double size) {
    int characters = 0;
    for (const char *c = text; *c; c++) characters += (*c & 0xc0) != 0x80;
    return 0.58 * size * characters;
}

static double entry_width(const fv_legend_entry *entry) {
    return LEGEND_MARK + 6 + fv_text_width(entry->text, 12) + LEGEND_GAP;
}

// The entries [first, end) of one row; returns its width. What does not fit into one row is spread
// evenly over several.
static double legend_row(const fv_sheet *sheet, int first, int *end) {
    double room = sheet->width - 2 * BORDER, total = 0, width = 0;
    for (int i = 0; i < sheet->n_legend; i++) total += entry_width(&sheet->legend[i]);
    double share = total <= room ? room : total / ceil(total / room);
    *end = first;
    while (*end < sheet->n_legend) {
        double entry = entry_width(&sheet->legend[*end]);
        if (*end > first && (width + entry > room || width + 0.5 * entry > share)) break;
        width += entry;
        ++*end;
    }
    return width - LEGEND_GAP;
}

static double or_usual(double value, double usual) {
    return value > 0 ? value : usual;
}

// Up to four panels stand in one row; more in rows as even as they get.
static int usual_columns(int n) {
    if (n <= 4) return n;
    int rows = (n + 3) / 4;
    return (n + rows - 1) / rows;
}

// The longest entry needs room even in a row of its own: gnuplot leaves out what begins outside.
static double widest_entry(const fv_sheet *sheet) {
    double widest = 0;
    for (int i = 0; i < sheet->n_legend; i++)
        widest = fmax(widest, entry_width(&sheet->legend[i]) - LEGEND_GAP);
    return widest;
}

void fv_sheet_plan(fv_sheet *sheet) {
    if (sheet->columns <= 0) sheet->columns = usual_columns(sheet->n);
    if (sheet->columns > sheet->n) sheet->columns = sheet->n;
    sheet->panel_width = or_usual(sheet->panel_width, 310);
    sheet->panel_height = or_usual(sheet->panel_height, 230);
    sheet->pad_left = or_usual(sheet->pad_left, 58);
    sheet->pad_right = or_usual(sheet->pad_right, 14);
    sheet->pad_top = or_usual(sheet->pad_top, 26);
    sheet->pad_bottom = or_usual(sheet->pad_bottom, 46);
    int rows = (sheet->n + sheet->columns - 1) / sheet->columns;
    double pads = sheet->pad_left + sheet->pad_right;
    sheet->panel_width = fmax(sheet->panel_width, widest_entry(sheet) / sheet->columns - pads);
    double across = pads + sheet->panel_width;
    double down = sheet->pad_top + sheet->panel_height + sheet->pad_bottom;
    sheet->width = (int)ceil(sheet->columns * across + 2 * BORDER);
    double height = BORDER + (sheet->title ? TITLE_HEIGHT : 0) + rows * down;
    sheet->legend_top = height + 4;
    int end = 0;
    for (int i = 0; i < sheet->n_legend; i = end) {
        legend_row(sheet, i, &end);
        height += LEGEND_ROW;
    }
    if (sheet->note) height += NOTE_HEIGHT;
    sheet->height = (int)ceil(height + BORDER);
}

// gnuplot's screen coordinates of a pixel.
static void at(const fv_sheet *sheet, double x, double y) {
    fprintf(sheet->script, "screen %.6f, screen %.6f", x / sheet->width, 1 - y / sheet->height);
}

static void text_at(const fv_sheet *sheet, double x, double y, const char *how, unsigned colour,
                    const char *text) {
    fputs("set label ", sheet->script);
    fv_gnuplot_string(sheet->script, text);
    fputs(" at ", sheet->script);
    at(sheet, x, y);
    fprintf(sheet->script, " front textcolor rgb '#%06x' %s\n", colour, how);
}

static void draw_mark(const fv_sheet *sheet, const fv_legend_entry *entry, double x, double y) {
    FILE *script = sheet->script;
    if (entry->mark == FV_MARK_POINT) {
        fputs("set label '' at ", script);
        at(sheet, x + LEGEND_MARK / 2.0, y);
        fprintf(script, " front point pt 7 ps 0.9 lc rgb '#%06x'\n", entry->colour);
    } else if (entry->mark == FV_MARK_BOX) {
        fputs("set object rectangle from ", script);
        at(sheet, x + 8, y + 6);
        fputs(" to ", script);
        at(sheet, x + LEGEND_MARK, y - 6);
        fprintf(script, " front fillcolor rgb '#%06x' fillstyle solid noborder\n", entry->colour);
    } else {
        static const char *const dashes[] = {"solid", "(9,5)", "(2,4)"};
        fputs("set arrow from ", script);
        at(sheet, x, y);
        fputs(" to ", script);
        at(sheet, x + LEGEND_MARK, y);
        fprintf(script, " nohead front linewidth 2.2 dashtype %s linecolor rgb '#%06x'\n",
                dashes[entry->mark], entry->colour);
    }
}

void fv_sheet_begin(const fv_sheet *sheet) {
    fprintf(sheet->script, "set multiplot\n"
                           "unset key\nunset label\nunset arrow\nunset object\n"
                           "set datafile missing 'NaN'\n");
    if (sheet->title)
        text_at(sheet, BORDER + 4, BORDER + 10, "left font ':bold,15'", FV_INK, sheet->title);
    double y = sheet->legend_top + 0.5 * LEGEND_ROW;
    int end = 0;
    for (int i = 0; i < sheet->n_legend; i = end, y += LEGEND_ROW) {
        double x = 0.5 * (sheet->width - legend_row(sheet, i, &end));
        for (int e = i; e < end; e++) {
            draw_mark(sheet, &sheet->legend[e], x, y);
            text_at(sheet, x + LEGEND_MARK + 6, y, "left font ',12'", FV_INK,
                    sheet->legend[e].text);
            x += entry_width(&sheet->legend[e]);
        }
    }
    if (sheet->note)
        text_at(sheet, 0.5 * sheet->width, sheet->height - BORDER - 6, "center font ',10'",
                FV_QUIET, sheet->note);
}

void fv_sheet_end(const fv_sheet *sheet) {
    fputs("unset multiplot\n", sheet->script);
}

fv_status fv_panel_begin(fv_panel *panel, const fv_sheet *sheet, int i, const char *title) {
    int row = i / sheet->columns, column = i % sheet->columns;
    FILE *script = sheet->script;
    *panel = (fv_panel){.sheet = sheet, .script = script};
    panel->clauses_stream = open_memstream(&panel->clauses, &panel->clauses_size);
    if (panel->clauses_stream == NULL) return FV_NO_MEMORY;
    panel->width = sheet->panel_width;
    panel->height = sheet->panel_height;
    panel->left = BORDER + column * (sheet->pad_left + sheet->panel_width + sheet->pad_right) +
                  sheet->pad_left;
    panel->top = BORDER + (sheet->title ? TITLE_HEIGHT : 0) + sheet->pad_top +
                 row * (sheet->pad_top + sheet->panel_height + sheet->pad_bottom);
    if (i > 0) fputs("unset label\nunset arrow\nunset object\nundefine $*\n", script);
    fprintf(script,
            "set lmargin at screen %.6f\nset rmargin at screen %.6f\n"
            "set tmargin at screen %.6f\nset bmargin at screen %.6f\n",
            panel->left / sheet->width, (panel->left + panel->width) / sheet->width,
            1 - panel->top / sheet->height, 1 - (panel->top + panel->height) / sheet->height);
    fputs("unset logscale\nunset xtics\nunset ytics\nunset y2tics\n", script);
    if (title != NULL) fv_panel_text(panel, 0.5 * panel->width, -12, 'c', 12, FV_INK, title);
    return FV_OK;
}

void fv_panel_axes(fv_panel *panel, const char *x, const char *y, const char *y2, bool second) {
    FILE *script = panel->script;
    fprintf(script, "set border %d linewidth 1 linecolor rgb '#%06x'\n", second ? 11 : 3, FV_QUIET);
    fprintf(script, "set grid xtics ytics back linetype 1 linewidth 0.8 linecolor rgb '#%06x'\n",
            FV_GRID);
    fv_scale_write(&panel->x, script, "x", panel->width);
    fv_scale_write(&panel->y, script, "y", panel->height);
    if (second) fv_scale_write(&panel->y2, script, "y2", panel->height);
    if (x != NULL) fv_panel_text(panel, 0.5 * panel->width, panel->height + 34, 'c', 12, FV_INK, x);
    if (y != NULL) fv_panel_upright(panel, -46, 0.5 * panel->height, y);
    if (y2 != NULL) fv_panel_upright(panel, panel->width + 44, 0.5 * panel->height, y2);
}

void fv_panel_block_begin(fv_panel *panel) {
    fprintf(panel->script, "$d%d << EOD\n", panel->n_blocks);
}

void fv_panel_block_end(fv_panel *panel, const char *format, ...) {
    fputs("EOD\n", panel->script);
    fprintf(panel->clauses_stream, "%s$d%d ", panel->n_blocks ? ", " : "", panel->n_blocks);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(panel->clauses_stream, format, arguments);
    va_end(arguments);
    panel->n_blocks++;
}

void fv_panel_text(fv_panel *panel, double x, double y, char align, double size, unsigned colour,
                   const char *text) {
    char how[64];
    snprintf(how, sizeof how, "%s font ',%g'",
             align == 'l'   ? "left"
             : align == 'r' ? "right"
                            : "center",
             size);
    text_at(panel->sheet, panel->left + x, panel->top + y, how, colour, text);
}

void fv_panel_upright(fv_panel *panel, double x, double y, const char *text) {
    text_at(panel->sheet, panel->left + x, panel->top + y, "center rotate by 90 font ',12'", FV_INK,
            text);
}

void fv_panel_arrow(fv_panel *panel, double x0, double y0, double x1, double y1, unsigned colour) {
    const fv_sheet *sheet = panel->sheet;
    fputs("set arrow from ", panel->script);
    at(sheet, panel->left + x0, panel->top + y0);
    fputs(" to ", panel->script);
    at(sheet, panel->left + x1, panel->top + y1);
    fprintf(panel->script,
            " head filled front size screen %.5f,20,60 fixed linewidth 1.5 linecolor rgb "
            "'#%06x'\n",
            13.0 / sheet->width, colour);
}

void fv_panel_colour_bar(fv_panel *panel, const fv_scale *scale, double label_at,
                         const char *label) {
    FILE *script = panel->script;
    const fv_sheet *sheet = panel->sheet;
    fputs("set palette defined (", script);
    for (int k = 0; k <= 32; k++)
        fprintf(script, "%s%d '#%06x'", k ? ", " : "", k, fv_colour_scale(k / 32.0));
    fputs(")\n", script);
    fv_scale_write(scale, script, "cb", panel->height);
    fprintf(script,
            "set colorbox vertical user origin screen %.6f, screen %.6f size screen %.6f, screen "
            "%.6f noborder\n",
            (panel->left + panel->width + 16) / sheet->width,
            1 - (panel->top + panel->height) / sheet->height, 12.0 / sheet->width,
            panel->height / sheet->height);
    fv_panel_upright(panel, panel->width + label_at, panel->height / 2, label);
    fv_panel_block_begin(panel); // what gnuplot draws a colour box for
    fputs("NaN NaN 0\n", script);
    fv_panel_block_end(panel, "using 1:2:3 with points palette notitle");
}

double fv_panel_x(const fv_panel *panel, double value) {
    return panel->width * fv_scale_place(&panel->x, value);
}

double fv_panel_y(const fv_panel *panel, double value) {
    return panel->height * (1 - fv_scale_place(&panel->y, value));
}

fv_status fv_panel_end(fv_panel *panel) {
    bool failed = ferror(panel->clauses_stream);
    failed |= fclose(panel->clauses_stream) != 0;
    panel->clauses_stream = NULL;
    if (!failed)
        fprintf(panel->script, "plot %s\n", panel->n_blocks ? panel->clauses : "NaN notitle");
    free(panel->clauses);
    panel->clauses = NULL;
    return failed ? FV_NO_MEMORY : FV_OK;
}

void fv_panel_drop(fv_panel *panel) {
    if (panel->clauses_stream != NULL) fclose(panel->clauses_stream);
    free(panel->clauses);
    panel->clauses_stream = NULL;
    panel->clauses = NULL;
}

void fv_obstacles_add(fv_obstacles *obstacles, fv_box box) {
    if (obstacles->n < obstacles->capacity) obstacles->boxes[obstacles->n++] = box;
}

// A slanted line is a string of small boxes: its own bounding box would claim far more.
void fv_obstacles_add_segment(fv_obstacles *obstacles, double x0, double y0, double x1, double y1) {
    double length = hypot(x1 - x0, y1 - y0);
    if (!isfinite(length)) return;
    int n = (int)fmin(1 + length / 6, 400);
    for (int i = 0; i <= n; i++) {
        double x = x0 + (x1 - x0) * i / n, y = y0 + (y1 - y0) * i / n;
        fv_obstacles_add(obstacles, (fv_box){x - 1.5, y - 1.5, x + 1.5, y + 1.5});
    }
}

int fv_obstacles_hits(const fv_obstacles *obstacles, fv_box box) {
    int hits = 0;
    for (int i = 0; i < obstacles->n; i++) {
        const fv_box *other = &obstacles->boxes[i];
        hits += box.left < other->right && other->left < box.right && box.top < other->bottom &&
                other->top < box.bottom;
    }
    return hits;
}
