// The share of answers found as a curve with a band, the 95 % interval: over depth, which shows
// what a model loses in the middle, or over length with all depths together. Models share a panel
// where they were asked the same; models of the lab and served ones, whose tasks and lengths
// differ, share one over depth, each at one length of its own.
#include "figures/colour.h"
#include "figures/depth_maps.h"
#include "figures/tics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct curves {
    cells_view *view;
    cell_groups panels, lines;
    int panel_keys, line_keys; // what tells panels, and lines, apart
    bool by_length;            // x is the length, else the depth
} curves;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a curve of cells");
}

static double place(const curves *c, const fv_cell *cell) {
    return c->by_length ? cell->length : cell->depth;
}

// A line's points: cells of one panel and model, those of equal x together.
static int gather(const curves *c, int panel, int line, fv_cell *points) {
    int n = 0;
    for (int i = 0; i < c->view->cells->n; i++) {
        const fv_cell *cell = &c->view->cells->items[i];
        if (c->panels.group[i] != panel || c->lines.group[i] != line || cell->n == 0) continue;
        int k = 0;
        while (k < n && place(c, &points[k]) != place(c, cell)) k++;
        if (k < n) {
            points[k].n += cell->n;
            points[k].hits += cell->hits;
            points[k].depth = NAN;
            for (int a = 0; a < FV_N_ANSWERS; a++) points[k].counts[a] += cell->counts[a];
            continue;
        }
        while (k > 0 && place(c, &points[k - 1]) > place(c, cell)) {
            points[k] = points[k - 1];
            k--;
        }
        points[k] = *cell;
        n++;
    }
    return n;
}

static void draw_line(curves *c, figure_panel *panel, const fv_cell *points, int n, int line) {
    unsigned colour = colour_name(line);
    panel_block_begin(panel);
    for (int i = 0; i < n; i++) {
        double low, high;
        fv_wilson(points[i].hits, points[i].n, FV_Z95, &low, &high);
        fprintf(panel->script, "%.7g %.7g %.7g %.7g\n", place(c, &points[i]), 100 * low, 100 * high,
                100.0 * points[i].hits / points[i].n);
        double x = panel_x(panel, place(c, &points[i]));
        double y = panel_y(panel, 100.0 * points[i].hits / points[i].n);
        cells_spot(c->view, panel, (figure_box){x - 8, y - 8, x + 8, y + 8},
                   cell_tip(c->view->scratch, &points[i]));
    }
    panel_block_end(panel, "using 1:2:3 with filledcurves lc rgb '#d0%06x' notitle", colour);
    int block = panel->n_blocks - 1;
    fprintf(panel->clauses_stream,
            ", $d%d using 1:4 with linespoints lw 2 dt %s pt 7 ps 0.5 lc rgb "
            "'#%06x' notitle",
            block, dash_text(dash_of(line)), colour);
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// The axis of lengths is labelled where models were asked, unless most such numbers would have no
// room, and without memory.
static void write_lengths(const curves *c, int i, figure_panel *panel) {
    const fv_cells *cells = c->view->cells;
    double *lengths = scratch_get(c->view->scratch, (size_t)cells->n, sizeof *lengths);
    int n = 0, n_distinct = 0;
    for (int k = 0; k < cells->n && lengths != NULL; k++)
        if (c->panels.group[k] == i) lengths[n++] = cells->items[k].length;
    if (n == 0) return;
    qsort(lengths, (size_t)n, sizeof *lengths, by_value);
    for (int k = 0; k < n; k++)
        if (k == 0 || lengths[k] != lengths[n_distinct - 1]) lengths[n_distinct++] = lengths[k];
    figure_tics tics;
    if (2 * tics_at(&panel->x, panel->width, true, lengths, n_distinct, &tics) >= tics.n)
        scale_write(&panel->x, &tics, panel->script, "x");
}

static fv_status draw_panel(curves *c, int i, fv_cell *points, fv_error *error) {
    const fv_cell *first = c->panels.first[i];
    const char *title = cells_title(c->view, first, c->panel_keys);
    figure_panel panel;
    if (panel_begin(&panel, &c->view->sheet, i, title) != FV_OK) return no_memory(error);
    scale_init(&panel.x, c->by_length);
    panel.x.whole = c->by_length;
    for (int k = 0; k < c->view->cells->n; k++)
        if (c->panels.group[k] == i) scale_add(&panel.x, place(c, &c->view->cells->items[k]));
    scale_finish(&panel.x, c->by_length ? NAN : 0, c->by_length ? NAN : 100, 0.03);
    panel.y = (figure_scale){.low = -2.5, .high = 102.5}; // points at the ends are whole
    const char *label =
        c->by_length ? scratch_text(c->view->scratch, "length, %s", first->unit) : "depth, %";
    panel_axes(&panel, label, i % c->view->sheet.columns == 0 ? "found, %" : NULL, NULL, false);
    if (c->by_length) write_lengths(c, i, &panel);
    for (int k = 0; k < c->lines.n; k++) {
        int n = gather(c, i, k, points);
        if (n > 0) draw_line(c, &panel, points, n, k);
    }
    empty_panel(&c->view->empty, &panel, cells_reason(c->view, &c->panels, i));
    return panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

// "llama", or where its task and length are its own "llama, kv, 300 pairs".
static const char *line_name(const curves *c, const fv_cell *cell) {
    const char *rest = cells_title(c->view, cell, c->line_keys & ~FV_CELL_MODEL);
    const char *name = scratch_text(c->view->scratch, "%s%s%s", cell->model,
                                    *cell->model != '\0' && *rest != '\0' ? ", " : "", rest);
    return name != NULL ? name : cell->model;
}

// "llama: diverged" where the line has no point.
static const char *legend_name(const curves *c, int line) {
    const char *name = line_name(c, c->lines.first[line]);
    const char *reason = cells_reason(c->view, &c->lines, line);
    if (reason == NULL) return name;
    const char *both = scratch_text(c->view->scratch, "%s%s%s", name, *name ? ": " : "", reason);
    return both != NULL ? both : name;
}

static fv_status make_legend(curves *c, fv_error *error) {
    size_t n = (size_t)c->lines.n;
    legend_entry *legend = scratch_get(c->view->scratch, n, sizeof *legend);
    if (legend == NULL) return no_memory(error);
    int kept = 0; // a single line may have no name
    for (size_t k = 0; k < n; k++) {
        const char *name = legend_name(c, (int)k);
        if (*name != '\0')
            legend[kept++] = (legend_entry){name, colour_name((int)k), dash_of((int)k)};
    }
    c->view->sheet.legend = legend;
    c->view->sheet.n_legend = kept;
    c->view->sheet.legend_of = "models";
    return FV_OK;
}

// Curves need two points: whether any panel has cells at different x.
static bool worth_drawing(const curves *c) {
    const fv_cells *cells = c->view->cells;
    for (int i = 0; i < cells->n; i++) {
        int g = c->panels.group[i];
        if (g >= 0 && place(c, &cells->items[i]) != place(c, c->panels.first[g])) return true;
    }
    return false;
}

static const char *note_of(const cells_view *view) {
    static const char bands[] = "bands: 95 % Wilson intervals";
    const char *both =
        view->note == NULL ? bands : scratch_text(view->scratch, "%s; %s", bands, view->note);
    return both != NULL ? both : bands;
}

static fv_status draw(curves *c, const char *title, fv_error *error) {
    cells_view *view = c->view;
    fv_cell *points = scratch_get(view->scratch, (size_t)view->cells->n, sizeof *points);
    if (points == NULL) return no_memory(error);
    view->sheet = (figure_sheet){.script = view->script,
                                 .n = c->panels.n,
                                 .columns = view->columns,
                                 .title = view->title ? view->title : title,
                                 .note = note_of(view)};
    fv_status status = make_legend(c, error);
    if (status != FV_OK) return status;
    for (int i = 0; i < c->panels.n; i++)
        sheet_room_for(&view->sheet, cells_title(view, c->panels.first[i], c->panel_keys));
    sheet_plan(&view->sheet);
    sheet_begin(&view->sheet);
    for (int i = 0; i < c->panels.n && status == FV_OK; i++)
        status = draw_panel(c, i, points, error);
    sheet_end(&view->sheet);
    view->remark = empty_remark(&view->empty, view->scratch, c->panels.n);
    return status;
}

// --- models that were asked the same -----------------------------------------------------------

static fv_status draw_models(cells_view *view, bool by_length, const char *title, fv_error *error) {
    curves c = {.view = view,
                .by_length = by_length,
                .panel_keys = FV_CELL_TASK | (by_length ? 0 : FV_CELL_LENGTH),
                .line_keys = FV_CELL_MODEL};
    fv_status status = cells_group(view, c.panel_keys, !by_length, &c.panels, error);
    if (status == FV_OK) status = cells_group(view, c.line_keys, !by_length, &c.lines, error);
    if (status != FV_OK || !worth_drawing(&c)) return status;
    return draw(&c, title, error);
}

fv_status cells_draw_middle(cells_view *view, fv_error *error) {
    return draw_models(view, false, "Found, by depth", error);
}

fv_status cells_draw_lengths(cells_view *view, fv_error *error) {
    return draw_models(view, true, "Found, by length", error);
}

// --- models that were not ----------------------------------------------------------------------

// The length at which a model of a task stands in one panel with others: the longest that it was
// trained on, or where that is not known the longest that it was asked at.
static int own_length(const curves *c, int line) {
    int longest = 0, trained = 0;
    for (int i = 0; i < c->view->cells->n; i++) {
        const fv_cell *cell = &c->view->cells->items[i];
        if (c->lines.group[i] != line || cell->n == 0) continue;
        if (cell->length > longest) longest = cell->length;
        if (cell->length <= cell->trained_length && cell->length > trained) trained = cell->length;
    }
    return trained > 0 ? trained : longest;
}

// Leaves a line the cells of one length and gives it the number `kept`; its first cell, or NULL.
static const fv_cell *keep_length(curves *c, int line, int length, int kept) {
    const fv_cell *first = NULL;
    for (int i = 0; i < c->view->cells->n; i++) {
        const fv_cell *cell = &c->view->cells->items[i];
        if (c->lines.group[i] != line) continue;
        if (cell->length != length || cell->n == 0) {
            c->panels.group[i] = -1;
            continue;
        }
        c->lines.group[i] = kept;
        if (first == NULL) first = cell;
    }
    return first;
}

// Leaves each line its own length. Whether lines are left that no other panel has together.
static bool choose_lengths(curves *c) {
    bool differ = false;
    int kept = 0;
    for (int k = 0; k < c->lines.n; k++) {
        const fv_cell *first = keep_length(c, k, own_length(c, k), kept);
        if (first == NULL) continue; // questions that all failed
        c->lines.first[kept++] = first;
        const fv_cell *other = c->lines.first[0];
        differ |= first->length != other->length || strcmp(first->task, other->task) != 0 ||
                  strcmp(first->unit, other->unit) != 0;
    }
    c->lines.n = kept;
    return differ;
}

fv_status cells_draw_together(cells_view *view, fv_error *error) {
    curves c = {.view = view, .line_keys = FV_CELL_MODEL | FV_CELL_TASK | FV_CELL_LENGTH};
    fv_status status = cells_group(view, 0, true, &c.panels, error);
    if (status == FV_OK)
        status = cells_group(view, FV_CELL_MODEL | FV_CELL_TASK, true, &c.lines, error);
    if (status != FV_OK || c.panels.n == 0 || !choose_lengths(&c) || !worth_drawing(&c))
        return status;
    return draw(&c, "Found, by depth, each model at a length of its own", error);
}
