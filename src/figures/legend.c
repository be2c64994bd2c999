#include "figures/legend.h"

#include "figures/colour.h"

#include <math.h>

enum {
    SIZE = 12,
    MARK = 26,         // width of a line sample
    GAP = 22,          // between entries
    MOST_WIDTH = 460,  // of an entry's text, longer ones have several lines
    MOST_HEIGHT = 124, // of all rows: six of a line each
    BORDER = FV_SHEET_BORDER,
};

// --- the entries -------------------------------------------------------------------------------

// How many entries stand there, with the one that counts the others.
static int n_shown(const figure_sheet *sheet) {
    return sheet->n_legend - sheet->n_left_out + (sheet->n_left_out > 0);
}

// Entry i of those that stand there. Left out are the last of the ordinary ones, before those that
// always stay.
static legend_entry entry_at(const figure_sheet *sheet, int i) {
    int n_ordinary = sheet->n_legend - sheet->n_last, end = n_ordinary - sheet->n_left_out;
    if (i < end || sheet->n_left_out == 0) return sheet->legend[i];
    if (i == end) return (legend_entry){sheet->more, FV_TICS, FV_MARK_NONE};
    return sheet->legend[n_ordinary + i - end - 1];
}

static figure_fitted lines_of(const legend_entry *entry) {
    return text_fit(entry->text, SIZE, SIZE - 2, MOST_WIDTH, FV_MOST_LINES);
}

static double width_of(const figure_sheet *sheet, int i) {
    legend_entry entry = entry_at(sheet, i);
    double mark = entry.mark == FV_MARK_NONE ? 0 : MARK + 6;
    return mark + lines_of(&entry).width + GAP;
}

double legend_widest(const figure_sheet *sheet) {
    double widest = 0;
    for (int i = 0; i < n_shown(sheet); i++) widest = fmax(widest, width_of(sheet, i) - GAP);
    return widest;
}

// --- rows --------------------------------------------------------------------------------------

// The entries [first, end) of one row; returns its width. What does not fit into one row is spread
// evenly over several.
static double row_of(const figure_sheet *sheet, double total, int first, int *end, double *height) {
    double room = sheet->width - 2 * BORDER, width = 0;
    double share = total <= room ? room : total / ceil(total / room);
    *end = first;
    *height = 0;
    while (*end < n_shown(sheet)) {
        legend_entry entry = entry_at(sheet, *end);
        figure_fitted lines = lines_of(&entry);
        double wide = width_of(sheet, *end);
        if (*end > first && (width + wide > room || width + 0.5 * wide > share)) break;
        width += wide;
        *height = fmax(*height, fitted_height(&lines) + 4.4);
        ++*end;
    }
    return width - GAP;
}

static double total_width(const figure_sheet *sheet) {
    double total = 0;
    for (int i = 0; i < n_shown(sheet); i++) total += width_of(sheet, i);
    return total;
}

static double height_of(const figure_sheet *sheet) {
    double total = total_width(sheet), all = 0, height;
    for (int i = 0, end; i < n_shown(sheet); i = end, all += height)
        row_of(sheet, total, i, &end, &height);
    return all;
}

static void leave_out(figure_sheet *sheet, int n) {
    sheet->n_left_out = n;
    snprintf(sheet->more, sizeof sheet->more, "and %d more %s", n,
             sheet->legend_of != NULL ? sheet->legend_of : "of them");
}

double legend_plan(figure_sheet *sheet) {
    int least = 0, most = sheet->n_legend - sheet->n_last - 1;
    sheet->n_left_out = 0;
    double height = height_of(sheet);
    if (height <= MOST_HEIGHT || most < 2) return height;
    while (least + 1 < most) { // the fewest that leave the others room
        int middle = (least + most) / 2;
        leave_out(sheet, middle);
        if (height_of(sheet) <= MOST_HEIGHT)
            most = middle;
        else
            least = middle;
    }
    leave_out(sheet, most);
    return height_of(sheet);
}

// --- lines -------------------------------------------------------------------------------------

figure_mark dash_of(int i) {
    return (figure_mark)(i / FV_DISTINCT % 4);
}

const char *dash_text(figure_mark dash) {
    static const char *const dashes[] = {"solid", "(9,5)", "(2,4)", "(9,4,2,4)"};
    return dashes[dash];
}

// --- drawing -----------------------------------------------------------------------------------

static void draw_point(const figure_sheet *sheet, const legend_entry *entry, double x, double y) {
    fputs("set label '' at ", sheet->script);
    sheet_at(sheet, x + MARK / 2.0, y);
    fprintf(sheet->script, " front point %s lc rgb '#%06x'\n",
            entry->mark == FV_MARK_POINT   ? "pt 7 ps 0.9"
            : entry->mark == FV_MARK_CROSS ? FV_CROSS
                                           : FV_SMALL_CROSS,
            entry->colour);
}

static void draw_box(const figure_sheet *sheet, const legend_entry *entry, double x, double y) {
    fputs("set object rectangle from ", sheet->script);
    sheet_at(sheet, x + 8, y + 6);
    fputs(" to ", sheet->script);
    sheet_at(sheet, x + MARK, y - 6);
    fprintf(sheet->script, " front fillcolor rgb '#%06x' fillstyle solid noborder\n",
            entry->colour);
}

static void draw_mark(const figure_sheet *sheet, const legend_entry *entry, double x, double y) {
    if (entry->mark == FV_MARK_NONE) return;
    if (entry->mark == FV_MARK_BOX) {
        draw_box(sheet, entry, x, y);
    } else if (entry->mark > FV_MARK_DASHDOT) {
        draw_point(sheet, entry, x, y);
    } else {
        fputs("set arrow from ", sheet->script);
        sheet_at(sheet, x, y);
        fputs(" to ", sheet->script);
        sheet_at(sheet, x + MARK, y);
        fprintf(sheet->script, " nohead front linewidth 2.2 dashtype %s linecolor rgb '#%06x'\n",
                dash_text(entry->mark), entry->colour);
    }
}

void legend_draw(const figure_sheet *sheet) {
    double top = sheet->legend_top, total = total_width(sheet), height;
    for (int i = 0, end; i < n_shown(sheet); i = end, top += height) {
        double x = 0.5 * (sheet->width - row_of(sheet, total, i, &end, &height));
        for (int e = i; e < end; e++) {
            legend_entry entry = entry_at(sheet, e);
            figure_fitted lines = lines_of(&entry);
            double wide = width_of(sheet, e);
            draw_mark(sheet, &entry, x, top + 0.5 * height);
            sheet_lines(sheet, &lines, x + wide - GAP - lines.width, top + 0.5 * height, "left", "",
                        entry.mark == FV_MARK_NONE ? entry.colour : FV_INK);
            x += wide;
        }
    }
}
