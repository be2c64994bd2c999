// Depth x length heat maps: the start of the prompt is the top row, so that a map reads as the
// context does. Cells are equally large whatever their lengths; grey ones have no answer that
// counts. Panels of one task have the same axes, so that models can be compared; those of another
// task, with lengths of its own, leave no gaps in them.
#include "figures/colour.h"
#include "figures/depth_maps.h"
#include "figures/diverged.h"
#include "figures/gnuplot.h"
#include "figures/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct axis {
    double *values; // increasing
    int n;
    int digits; // of its numbers
} axis;

typedef struct map {
    cells_view *view;
    cell_groups panels;
    axis lengths, depths; // of the panel that is drawn
} map;

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// The distinct values that cells of the panel's task take.
static void collect(const map *m, int panel, bool depth, axis *side) {
    const fv_cell *first = m->panels.first[panel];
    int n = 0;
    side->n = 0;
    for (int i = 0; i < m->view->cells->n; i++) {
        const fv_cell *cell = &m->view->cells->items[i];
        if (m->panels.group[i] >= 0 && strcmp(cell->task, first->task) == 0 &&
            strcmp(cell->unit, first->unit) == 0)
            side->values[n++] = depth ? cell->depth : cell->length;
    }
    qsort(side->values, (size_t)n, sizeof *side->values, by_value);
    for (int i = 0; i < n; i++)
        if (i == 0 || side->values[i] != side->values[side->n - 1])
            side->values[side->n++] = side->values[i];
}

static void tic_text(double value, int digits, char text[FV_NUMBER_TEXT]) {
    bool thousands = value >= 10000 && value < 1e6 && fmod(value, 100) == 0;
    if (value >= 1e6)
        number_in_units(value, (int)floor(log10(value)), 7, text);
    else
        number_text(thousands ? value / 1000 : value, digits, text);
    if (thousands) strcat(text, "k");
}

// The fewest digits, from three on, that tell neighbours apart: 33.3 for a third of a prompt.
static int digits_of(const axis *side) {
    char text[FV_NUMBER_TEXT], before[FV_NUMBER_TEXT];
    int digits = 3;
    for (int k = 1; k < side->n && digits < 15; k++) {
        tic_text(side->values[k - 1], digits, before);
        tic_text(side->values[k], digits, text);
        for (; strcmp(text, before) == 0 && digits < 15; digits++) {
            tic_text(side->values[k - 1], digits + 1, before);
            tic_text(side->values[k], digits + 1, text);
        }
    }
    return digits;
}

static void use_axes(map *m, int panel) {
    collect(m, panel, false, &m->lengths);
    collect(m, panel, true, &m->depths);
    m->lengths.digits = 6; // whole numbers
    m->depths.digits = digits_of(&m->depths);
}

static int rank(const axis *side, double value) {
    int k = 0;
    while (k < side->n - 1 && side->values[k] != value) k++;
    return k;
}

static void draw_cells(map *m, int i, figure_panel *panel) {
    const fv_cells *cells = m->view->cells;
    double width = panel->width / m->lengths.n, height = panel->height / m->depths.n;
    panel_block_begin(panel);
    for (int c = 0; c < cells->n; c++) {
        const fv_cell *cell = &cells->items[c];
        if (m->panels.group[c] != i) continue;
        int x = rank(&m->lengths, cell->length), y = rank(&m->depths, cell->depth);
        double rate = cell->n > 0 ? (double)cell->hits / cell->n : NAN;
        unsigned colour = cell->n > 0 ? colour_scale(rate) : FV_MISSING;
        fprintf(panel->script, "%d %d %g %g %g %g %u\n", x, y, x - 0.5, x + 0.5, y - 0.5, y + 0.5,
                colour);
        cells_spot(m->view, panel,
                   (figure_box){x * width, y * height, (x + 1) * width, (y + 1) * height},
                   cell_tip(m->view->scratch, cell));
    }
    panel_block_end(panel, "using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid noborder "
                           "lc rgb variable notitle");
}

// Crosses out the cells of models whose runs all diverged.
static void cross_models(const map *m, int i, figure_panel *panel) {
    const fv_cells *cells = m->view->cells;
    int n = 0;
    for (int c = 0; c < cells->n && m->view->crossed; c++) {
        const fv_cell *cell = &cells->items[c];
        if (m->panels.group[c] != i || cell->n > 0) continue;
        if (n++ == 0) panel_block_begin(panel);
        fprintf(panel->script, "%d %d\n", rank(&m->lengths, cell->length),
                rank(&m->depths, cell->depth));
    }
    if (n > 0)
        panel_block_end(panel, "using 1:2 with points " FV_CROSS " lc rgb '#%06x' notitle", FV_INK);
}

// The rates in percent, where the cells have room for them.
static void write_rates(const map *m, int i, figure_panel *panel) {
    const fv_cells *cells = m->view->cells;
    double width = panel->width / m->lengths.n, height = panel->height / m->depths.n;
    if (width < 30 || height < 15) return;
    for (int c = 0; c < cells->n; c++) {
        const fv_cell *cell = &cells->items[c];
        if (m->panels.group[c] != i || cell->n == 0) continue;
        int x = rank(&m->lengths, cell->length), y = rank(&m->depths, cell->depth);
        double rate = (double)cell->hits / cell->n;
        char text[16];
        snprintf(text, sizeof text, "%.0f%s", 100 * rate, fv_cell_asked(cell) > cell->n ? "*" : "");
        panel_text(panel, (x + 0.5) * width, (y + 0.5) * height, 'c', 10,
                   rate < 0.6 ? 0xffffff : FV_INK, text);
    }
}

// How many lengths of the panel the model was trained on, 0 where not some of them are beyond.
static int n_trained(const map *m, int i) {
    int trained = m->panels.first[i]->trained_length, k = 0;
    while (k < m->lengths.n && m->lengths.values[k] <= trained) k++;
    return trained == 0 || k == m->lengths.n ? 0 : k;
}

// A line behind the longest length that the model was trained on.
static void draw_training(const map *m, int i, figure_panel *panel) {
    int k = n_trained(m, i);
    if (k == 0) return;
    panel_block_begin(panel);
    fprintf(panel->script, "%g -0.5\n%g %g\n", k - 0.5, k - 0.5, m->depths.n - 0.5);
    panel_block_end(panel, "using 1:2 with lines lw 2.5 lc rgb '#ffffff' notitle");
}

static bool any_training(map *m) {
    for (int i = 0; i < m->panels.n; i++) {
        use_axes(m, i);
        if (n_trained(m, i) > 0) return true;
    }
    return false;
}

static double widest_tic(const axis *side) {
    double widest = 0;
    for (int k = 0; k < side->n; k++) {
        char text[FV_NUMBER_TEXT];
        tic_text(side->values[k], side->digits, text);
        widest = fmax(widest, text_width(text, FV_TIC_SIZE));
    }
    return widest;
}

static void write_tics(const axis *side, const char *name, double length, FILE *script) {
    double needed = *name == 'x' ? widest_tic(side) + 8 : 14;
    int every = (int)ceil(needed * side->n / length);
    scale_write_tics(script, name);
    bool down = *name == 'y';
    fprintf(script, "set %srange [%g:%g]\nset %stics (", name, down ? side->n - 0.5 : -0.5,
            down ? -0.5 : side->n - 0.5, name);
    for (int k = 0; k < side->n; k += every) {
        char text[FV_NUMBER_TEXT];
        tic_text(side->values[k], side->digits, text);
        fputs(k > 0 ? ", " : "", script);
        gnuplot_string(script, text);
        fprintf(script, " %d", k);
    }
    fputs(")\n", script);
}

static const char *panel_title(const map *m, int i) {
    return cells_title(m->view, m->panels.first[i], FV_CELL_TASK | FV_CELL_MODEL);
}

static bool has_answers(const cells_view *view) {
    for (int i = 0; i < view->cells->n; i++)
        if (view->cells->items[i].n > 0) return true;
    return false;
}

static fv_status draw_panel(map *m, int i, fv_error *error) {
    const figure_sheet *sheet = &m->view->sheet;
    const fv_cell *first = m->panels.first[i];
    const figure_scale percent = {.low = 0, .high = 100};
    figure_panel panel;
    use_axes(m, i);
    if (panel_begin(&panel, sheet, i, panel_title(m, i)) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a heat map");
    fprintf(panel.script, "unset grid\nunset colorbox\nset border 0 linecolor rgb '#%06x'\n",
            FV_QUIET);
    write_tics(&m->lengths, "x", panel.width, panel.script);
    write_tics(&m->depths, "y", panel.height, panel.script);
    const char *label = scratch_text(m->view->scratch, "length, %s", first->unit);
    panel_below(&panel, label ? label : "length");
    if (i % sheet->columns == 0) panel_upright(&panel, 'l', "depth, %");
    draw_cells(m, i, &panel);
    write_rates(m, i, &panel);
    cross_models(m, i, &panel);
    draw_training(m, i, &panel);
    empty_panel(&m->view->empty, &panel, cells_reason(m->view, &m->panels, i));
    if (has_answers(m->view) && (i % sheet->columns == sheet->columns - 1 || i == sheet->n - 1))
        panel_colour_bar(&panel, &percent, NULL, colour_scale, "found, %");
    if (panel_end(&panel) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a heat map");
    return FV_OK;
}

static bool any_unanswered(const map *m) {
    const fv_cells *cells = m->view->cells;
    for (int c = 0; c < cells->n; c++)
        if (m->panels.group[c] >= 0 && cells->items[c].n > 0 &&
            fv_cell_asked(&cells->items[c]) > cells->items[c].n)
            return true;
    return false;
}

static const char *note_of(map *m) {
    const cells_view *view = m->view;
    const char *line = any_training(m) ? "white line: the longest length trained on" : NULL;
    const char *star =
        any_unanswered(m) ? "*: of those answered, not of all that were asked" : NULL;
    const char *parts[] = {line, star, view->note}, *note = NULL;
    for (int i = 0; i < 3; i++) {
        if (parts[i] == NULL) continue;
        note = note == NULL ? parts[i] : scratch_text(view->scratch, "%s; %s", note, parts[i]);
    }
    return note;
}

// Says what grey cells are; without memory nothing does.
static void add_key(map *m) {
    cells_view *view = m->view;
    bool any_grey = false;
    for (int c = 0; c < view->cells->n; c++)
        any_grey |= m->panels.group[c] >= 0 && view->cells->items[c].n == 0;
    legend_entry *legend = scratch_get(view->scratch, 1, sizeof *legend);
    if (!any_grey || legend == NULL) return;
    legend[0] = view->crossed ? diverged_entry()
                              : (legend_entry){"no answer that counts", FV_MISSING, FV_MARK_BOX};
    view->sheet.legend = legend;
    view->sheet.n_legend = 1;
}

static double panel_length(int cells, double cell, double least) {
    return fmin(fmax(cell * cells, least), 520);
}

fv_status cells_draw_map(cells_view *view, fv_error *error) {
    map m = {.view = view};
    fv_status status = cells_group(view, FV_CELL_TASK | FV_CELL_MODEL, true, &m.panels, error);
    if (status != FV_OK || m.panels.n == 0) return status;
    size_t n = (size_t)view->cells->n;
    m.lengths.values = scratch_get(view->scratch, n, sizeof *m.lengths.values);
    m.depths.values = scratch_get(view->scratch, n, sizeof *m.depths.values);
    if (m.lengths.values == NULL || m.depths.values == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a heat map");
    int most_lengths = 0, most_depths = 0;
    double cell = 34;
    double left = 58;    // of the panels
    double widest = 200; // titles may reach over the gaps on both sides
    for (int i = 0; i < m.panels.n; i++) {
        use_axes(&m, i);
        if (m.lengths.n > most_lengths) most_lengths = m.lengths.n;
        if (m.depths.n > most_depths) most_depths = m.depths.n;
        cell = fmax(cell, widest_tic(&m.lengths) + 8);
        left = fmax(left, widest_tic(&m.depths) + FV_SHEET_BESIDE);
        widest = fmax(widest, text_width(panel_title(&m, i), 12) - 26);
    }
    view->sheet = (figure_sheet){.script = view->script,
                                 .n = m.panels.n,
                                 .columns = view->columns,
                                 .panel_width = fmax(panel_length(most_lengths, cell, 200), widest),
                                 .panel_height = panel_length(most_depths, 34, 160),
                                 .pad_left = left,
                                 .pad_right = 18,
                                 .bar = has_answers(view) ? FV_SHEET_BAR + 24 : 0,
                                 .pad_bottom = 52,
                                 .title = view->title ? view->title : "Found, by depth and length",
                                 .note = note_of(&m),
                                 .ylabel = "depth, %"};
    for (int i = 0; i < m.panels.n; i++) sheet_room_for(&view->sheet, panel_title(&m, i));
    add_key(&m);
    sheet_plan(&view->sheet);
    sheet_begin(&view->sheet);
    for (int i = 0; i < m.panels.n && status == FV_OK; i++) status = draw_panel(&m, i, error);
    sheet_end(&view->sheet);
    view->remark = empty_remark(&view->empty, view->scratch, m.panels.n);
    return status;
}
