// The share of answers found as a curve with a band, the 95 % interval: over depth, which shows
// what a model loses in the middle, or over length with all depths together. Models share a panel.
#include "figures/cells.h"
#include "figures/colour.h"

#include <math.h>
#include <stdlib.h>

typedef struct curves {
    fv_cells_view *view;
    fv_cell_groups panels, models;
    bool by_length; // x is the length, else the depth
} curves;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a curve of cells");
}

static double place(const curves *c, const fv_cell *cell) {
    return c->by_length ? cell->length : cell->depth;
}

// A line's points: cells of one panel and model, those of equal x together.
static int gather(const curves *c, int panel, int model, fv_cell *points) {
    int n = 0;
    for (int i = 0; i < c->view->cells->n; i++) {
        const fv_cell *cell = &c->view->cells->items[i];
        if (c->panels.group[i] != panel || c->models.group[i] != model || cell->n == 0) continue;
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

static void draw_line(curves *c, fv_panel *panel, const fv_cell *points, int n, int model) {
    unsigned colour = fv_colour_name(model);
    fv_panel_block_begin(panel);
    for (int i = 0; i < n; i++) {
        double low, high;
        fv_wilson(points[i].hits, points[i].n, FV_Z95, &low, &high);
        fprintf(panel->script, "%.7g %.7g %.7g %.7g\n", place(c, &points[i]), 100 * low, 100 * high,
                100.0 * points[i].hits / points[i].n);
        double x = fv_panel_x(panel, place(c, &points[i]));
        double y = fv_panel_y(panel, 100.0 * points[i].hits / points[i].n);
        fv_cells_spot(c->view, panel, (fv_box){x - 8, y - 8, x + 8, y + 8},
                      fv_cell_tip(c->view->scratch, &points[i]));
    }
    fv_panel_block_end(panel, "using 1:2:3 with filledcurves lc rgb '#d0%06x' notitle", colour);
    int block = panel->n_blocks - 1;
    fprintf(panel->clauses_stream,
            ", $d%d using 1:4 with linespoints lw 2 pt 7 ps 0.5 lc rgb "
            "'#%06x' notitle",
            block, colour);
}

static fv_status draw_panel(curves *c, int i, fv_cell *points, fv_error *error) {
    const fv_cell *first = c->panels.first[i];
    int keys = FV_CELL_TASK | (c->by_length ? 0 : FV_CELL_LENGTH);
    fv_panel panel;
    if (fv_panel_begin(&panel, &c->view->sheet, i, fv_cells_title(c->view, first, keys)) != FV_OK)
        return no_memory(error);
    fv_scale_init(&panel.x, c->by_length);
    for (int k = 0; k < c->view->cells->n; k++)
        if (c->panels.group[k] == i) fv_scale_add(&panel.x, place(c, &c->view->cells->items[k]));
    fv_scale_finish(&panel.x, c->by_length ? NAN : 0, c->by_length ? NAN : 100, 0.03);
    panel.y = (fv_scale){0, 100, false};
    const char *label =
        c->by_length ? fv_scratch_text(c->view->scratch, "length, %s", first->unit) : "depth, %";
    fv_panel_axes(&panel, label, i % c->view->sheet.columns == 0 ? "found, %" : NULL, NULL, false);
    for (int m = 0; m < c->models.n; m++) {
        int n = gather(c, i, m, points);
        if (n > 0) draw_line(c, &panel, points, n, m);
    }
    return fv_panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

static fv_status make_legend(curves *c, fv_error *error) {
    size_t n = (size_t)c->models.n;
    fv_legend_entry *legend = fv_scratch_get(c->view->scratch, n, sizeof *legend);
    if (legend == NULL) return no_memory(error);
    for (size_t m = 0; m < n; m++)
        legend[m] =
            (fv_legend_entry){c->models.first[m]->model, fv_colour_name((int)m), FV_MARK_LINE};
    c->view->sheet.legend = legend;
    c->view->sheet.n_legend = (int)n;
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

static fv_status draw(fv_cells_view *view, bool by_length, const char *title, fv_error *error) {
    curves c = {.view = view, .by_length = by_length};
    int keys = FV_CELL_TASK | (by_length ? 0 : FV_CELL_LENGTH);
    fv_status status = fv_cells_group(view, keys, !by_length, &c.panels, error);
    if (status == FV_OK) status = fv_cells_group(view, FV_CELL_MODEL, !by_length, &c.models, error);
    if (status != FV_OK || !worth_drawing(&c)) return status;
    fv_cell *points = fv_scratch_get(view->scratch, (size_t)view->cells->n, sizeof *points);
    if (points == NULL) return no_memory(error);
    view->sheet = (fv_sheet){.script = view->script,
                             .n = c.panels.n,
                             .columns = view->columns,
                             .title = view->title ? view->title : title,
                             .note = "bands: 95 % Wilson intervals"};
    status = make_legend(&c, error);
    if (status != FV_OK) return status;
    fv_sheet_plan(&view->sheet);
    fv_sheet_begin(&view->sheet);
    for (int i = 0; i < c.panels.n && status == FV_OK; i++)
        status = draw_panel(&c, i, points, error);
    fv_sheet_end(&view->sheet);
    return status;
}

fv_status fv_cells_draw_middle(fv_cells_view *view, fv_error *error) {
    return draw(view, false, "Found, by depth", error);
}

fv_status fv_cells_draw_lengths(fv_cells_view *view, fv_error *error) {
    return draw(view, true, "Found, by length", error);
}
