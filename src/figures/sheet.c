#include "figures/sheet.h"

#include "figures/colour.h"
#include "figures/gnuplot.h"
#include "figures/legend.h"

#include <math.h>
#include <string.h>

enum {
    TITLE_SIZE = 15,
    NOTE_SIZE = 10,
    BORDER = FV_SHEET_BORDER,
};

// Bold letters are wider than those that fit.h measures.
static const double bold = 1.14;

void sheet_lines(const figure_sheet *sheet, const figure_fitted *lines, double x, double y,
                 const char *align, const char *family, unsigned colour) {
    char how[64];
    double step = lines->size * 1.3;
    snprintf(how, sizeof how, "%s font '%s,%.4g'", align, family, lines->size);
    for (int k = 0; k < lines->n; k++)
        sheet_text(sheet, x, y + (k - 0.5 * (lines->n - 1)) * step, how, colour,
                   lines->lines[k].start, lines->lines[k].n, lines->cut && k == lines->n - 1);
}

// --- the plan ----------------------------------------------------------------------------------

static double or_usual(double value, double usual) {
    return value > 0 ? value : usual;
}

// Up to four panels stand in one row; more in rows as even as they get.
static int usual_columns(int n) {
    if (n <= 4) return n;
    int rows = (n + 3) / 4;
    return (n + rows - 1) / rows;
}

// Room for the lines that a panel's own texts need beyond the first.
static void widen_pads(figure_sheet *sheet) {
    const struct {
        const char *text;
        figure_fitted (*fit)(const figure_sheet *sheet, const char *text);
        double *pad;
    } texts[] = {{sheet->panel_title, sheet_fit_title, &sheet->pad_top},
                 {sheet->xlabel, sheet_fit_across, &sheet->pad_bottom},
                 {sheet->ylabel, sheet_fit_upright, &sheet->pad_left},
                 {sheet->y2label, sheet_fit_upright, &sheet->pad_right},
                 {sheet->bar_label, sheet_fit_upright, &sheet->bar}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].text == NULL) continue;
        figure_fitted lines = texts[i].fit(sheet, texts[i].text);
        if (lines.n > 1) *texts[i].pad += fitted_height(&lines) - lines.size * 1.3;
    }
}

static figure_fitted fit_title(const char *title, double room) {
    figure_fitted lines = text_fit(title, TITLE_SIZE, TITLE_SIZE - 2, room / bold, 3);
    return lines.cut ? text_fit(title, 11, 10, room / bold, FV_MOST_LINES) : lines;
}

void sheet_room_for(figure_sheet *sheet, const char *title) {
    if (title == NULL) return;
    if (sheet->panel_title == NULL || text_width(title, 1) > text_width(sheet->panel_title, 1))
        sheet->panel_title = title;
}

void sheet_plan(figure_sheet *sheet) {
    if (sheet->columns <= 0) sheet->columns = usual_columns(sheet->n);
    if (sheet->columns > sheet->n) sheet->columns = sheet->n;
    sheet->panel_width = or_usual(sheet->panel_width, 310);
    sheet->panel_height = or_usual(sheet->panel_height, 230);
    sheet->pad_left = or_usual(sheet->pad_left, 58);
    sheet->pad_right = or_usual(sheet->pad_right, 14);
    sheet->pad_top = or_usual(sheet->pad_top, sheet->panel_title != NULL ? 28 : 14);
    sheet->pad_bottom = or_usual(sheet->pad_bottom, 46);
    int rows = (sheet->n + sheet->columns - 1) / sheet->columns;
    double pads = sheet->pad_left + sheet->pad_right;
    sheet->panel_width = fmax(sheet->panel_width, legend_widest(sheet) / sheet->columns - pads);
    widen_pads(sheet);
    double across = sheet->pad_left + sheet->panel_width + sheet->pad_right;
    double down = sheet->pad_top + sheet->panel_height + sheet->pad_bottom;
    sheet->width = (int)ceil(sheet->columns * across + sheet->bar + 2 * BORDER);
    sheet->top = BORDER;
    if (sheet->title != NULL && sheet->title[strspn(sheet->title, " \t\n")] == '\0')
        sheet->title = NULL;
    if (sheet->title != NULL) {
        sheet->title_lines = fit_title(sheet->title, sheet->width - 2 * BORDER - 8);
        sheet->top += fitted_height(&sheet->title_lines) + 14;
    }
    double height = sheet->top + rows * down;
    sheet->legend_top = height + 4;
    height += legend_plan(sheet);
    if (sheet->note != NULL) {
        sheet->note_lines =
            text_fit(sheet->note, NOTE_SIZE, NOTE_SIZE - 1, sheet->width - 2 * BORDER, 4);
        height += fitted_height(&sheet->note_lines) + 7;
    }
    sheet->height = (int)ceil(height + BORDER);
}

// --- writing -----------------------------------------------------------------------------------

void sheet_at(const figure_sheet *sheet, double x, double y) {
    fprintf(sheet->script, "screen %.6f, screen %.6f", x / sheet->width, 1 - y / sheet->height);
}

void sheet_text(const figure_sheet *sheet, double x, double y, const char *how, unsigned colour,
                const char *text, size_t n, bool cut) {
    fputs("set label ", sheet->script);
    gnuplot_text(sheet->script, text, n, cut ? "…" : "");
    fputs(" at ", sheet->script);
    sheet_at(sheet, x, y);
    fprintf(sheet->script, " front textcolor rgb '#%06x' %s\n", colour, how);
}

void sheet_begin(const figure_sheet *sheet) {
    fprintf(sheet->script,
            "set multiplot\n"
            "unset key\nunset label\nunset arrow\nunset object\n"
            "set style textbox opaque fillcolor rgb '#ffffff' noborder margins 1,0.5\n"
            "set datafile missing 'NaN'\n");
    if (sheet->title != NULL)
        sheet_lines(sheet, &sheet->title_lines, BORDER + 4,
                    BORDER + 0.5 * fitted_height(&sheet->title_lines), "left",
                    sheet->plain ? "" : "sans-serif Bold", FV_INK);
    legend_draw(sheet);
    if (sheet->note != NULL)
        sheet_lines(sheet, &sheet->note_lines, 0.5 * sheet->width,
                    sheet->height - BORDER - 0.5 * fitted_height(&sheet->note_lines), "center", "",
                    FV_TICS);
}

void sheet_end(const figure_sheet *sheet) {
    fputs("unset multiplot\n", sheet->script);
}
