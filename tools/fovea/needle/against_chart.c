// differences.svg and .png: the difference of shares found in each cell, with its 95 % interval, over
// depth; a panel for each task, a colour for each length.
#include "needle/against.h"
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL = 64 };

// Room for the lines of all panels: each cell has a point and an upright line.
typedef struct canvas {
    int n_lines, n_panels, n_labels, n_numbers;
    fv_chart_panel *panels; // [n_cells]
    fv_chart_line *lines;   // [3 n_cells]
    double *x, *y;          // [5 n_cells]
    char (*labels)[LABEL];  // [n_cells]
} canvas;

static void canvas_free(canvas *c) {
    free(c->panels);
    free(c->lines);
    free(c->x);
    free(c->y);
    free(c->labels);
}

static bool canvas_make(canvas *c, int n_cells) {
    size_t n = (size_t)n_cells + 1;
    *c = (canvas){.panels = calloc(n, sizeof *c->panels),
                  .lines = calloc(3 * n, sizeof *c->lines),
                  .x = calloc(5 * n, sizeof *c->x),
                  .y = calloc(5 * n, sizeof *c->y),
                  .labels = calloc(n, sizeof *c->labels)};
    return c->panels && c->lines && c->x && c->y && c->labels;
}

static fv_chart_line *add_line(canvas *c, const char *label, fv_chart_style style) {
    fv_chart_line *line = &c->lines[c->n_lines++];
    *line = (fv_chart_line){
        .label = label, .style = style, .x = c->x + c->n_numbers, .y = c->y + c->n_numbers};
    return line;
}

static void add_point(canvas *c, fv_chart_line *line, double x, double y) {
    c->x[c->n_numbers] = x;
    c->y[c->n_numbers++] = 100 * y;
    line->n++;
}

static bool same_task(const fv_cell *a, const fv_cell *b) {
    return strcmp(a->task, b->task) == 0 && strcmp(a->settings, b->settings) == 0;
}

// Cells of one task and length, from deep to shallow: a line of points and their intervals, moved
// beside those of other lengths.
static void add_length(canvas *c, const fv_compared_cell *cells, int n, int place) {
    char *label = c->labels[c->n_labels++];
    double beside = 0.8 * place;
    snprintf(label, LABEL, "%d %s", cells[0].place.length, cells[0].place.unit);
    fv_chart_line *points = add_line(c, label, FV_CHART_POINTS);
    for (int i = n - 1; i >= 0; i--) {
        const fv_compared_cell *at = &cells[i];
        double depth = isnan(at->place.depth) ? 50 : at->place.depth;
        double n_pairs = at->counts.n;
        add_point(c, points, depth + beside,
                  n_pairs > 0 ? (at->counts.won - at->counts.lost) / n_pairs : NAN);
    }
    for (int i = 0; i < n; i++) {
        double depth = isnan(cells[i].place.depth) ? 50 : cells[i].place.depth;
        if (cells[i].counts.n == 0) continue;
        fv_chart_line *interval = add_line(c, label, FV_CHART_LINE);
        add_point(c, interval, depth + beside, cells[i].low);
        add_point(c, interval, depth + beside, cells[i].high);
    }
}

// A panel for the cells from `first` on that are of one task; returns where the next begins.
static int add_task(canvas *c, const fv_comparison *comparison, int first) {
    const fv_compared_cell *cells = comparison->cells;
    fv_chart_panel *panel = &c->panels[c->n_panels++];
    int n_before = c->n_lines, i = first, n_lengths = 0;
    while (i < comparison->n_cells && same_task(&cells[first].place, &cells[i].place)) {
        int end = i + 1;
        while (end < comparison->n_cells && same_task(&cells[i].place, &cells[end].place) &&
               cells[end].place.length == cells[i].place.length)
            end++;
        add_length(c, &cells[i], end - i, n_lengths++);
        i = end;
    }
    fv_chart_line *zero = add_line(c, NULL, FV_CHART_DASHED);
    add_point(c, zero, 0, 0);
    add_point(c, zero, 100, 0);
    *panel = (fv_chart_panel){.title = cells[first].place.task,
                              .xlabel = "depth, %",
                              .ylabel = "found more, %",
                              .lines = c->lines + n_before,
                              .n_lines = c->n_lines - n_before};
    return i;
}

fv_status against_draw(const char *folder, const char *const label[2], const fv_comparison *c,
                       fv_error *error) {
    canvas all;
    char title[256];
    fv_status status = FV_OK;
    if (!canvas_make(&all, c->n_cells)) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < c->n_cells && status == FV_OK;) i = add_task(&all, c, i);
    snprintf(title, sizeof title, "%.100s against %.100s", label[1], label[0]);
    const fv_chart chart = {.title = title,
                            .note = "the same prompts; lines: 95 % intervals (Tango)",
                            .panels = all.panels,
                            .n_panels = all.n_panels};
    if (status == FV_OK && all.n_panels > 0)
        status = tool_draw(&chart, folder, "differences", error);
    canvas_free(&all);
    return status;
}
