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

// What a map shows of its cells.
typedef struct quantity {
    const char *title, *label;            // of the figure, and of the colour bar
    double (*value)(const fv_cell *cell); // NAN: none
    bool share;                           // of answers, in percent; else a speed
} quantity;

typedef struct map {
    cells_view *view;
    const quantity *shows;
    double high; // the value at the end of the colour scale, which begins at 0
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
        double value = m->shows->value(cell);
        unsigned colour = isnan(value) ? FV_MISSING : colour_scale(value / m->high);
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
    for (int c = 0; c < cells->n && m->view->crossed && m->shows->share; c++) {
        const fv_cell *cell = &cells->items[c];
        if (m->panels.group[c] != i || cell->n > 0) continue;
        if (n++ == 0) panel_block_begin(panel);
        fprintf(panel->script, "%d %d\n", rank(&m->lengths, cell->length),
                rank(&m->depths, cell->depth));
    }
    if (n > 0)
        panel_block_end(panel, "using 1:2 with points " FV_CROSS " lc rgb '#%06x' notitle", FV_INK);
}

// The values, where the cells have room for them.
static void write_values(const map *m, int i, figure_panel *panel) {
    const fv_cells *cells = m->view->cells;
    double width = panel->width / m->lengths.n, height = panel->height / m->depths.n;
    if (width < 30 || height < 15) return;
    for (int c = 0; c < cells->n; c++) {
        const fv_cell *cell = &cells->items[c];
        double value = m->shows->value(cell);
        if (m->panels.group[c] != i || isnan(value)) continue;
        int x = rank(&m->lengths, cell->length), y = rank(&m->depths, cell->depth);
        char text[FV_NUMBER_TEXT + 1];
        number_text(value, 2, text);
        if (m->shows->share)
            snprintf(text, sizeof text, "%.0f%s", value, fv_cell_asked(cell) > cell->n ? "*" : "");
        panel_text(panel, (x + 0.5) * width, (y + 0.5) * height, 'c', 10,
                   value / m->high < 0.6 ? 0xffffff : FV_INK, text);
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

static bool has_values(const map *m) {
    for (int i = 0; i < m->view->cells->n; i++)
        if (m->panels.group[i] >= 0 && !isnan(m->shows->value(&m->view->cells->items[i])))
            return true;
    return false;
}

static fv_status draw_panel(map *m, int i, fv_error *error) {
    const figure_sheet *sheet = &m->view->sheet;
    const fv_cell *first = m->panels.first[i];
    const figure_scale scale = {.low = 0, .high = m->high};
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
    write_values(m, i, &panel);
    cross_models(m, i, &panel);
    draw_training(m, i, &panel);
    if (m->shows->share) empty_panel(&m->view->empty, &panel, cells_reason(m->view, &m->panels, i));
    if (has_values(m) && (i % sheet->columns == sheet->columns - 1 || i == sheet->n - 1))
        panel_colour_bar(&panel, &scale, NULL, colour_scale, m->shows->label);
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

// What the rates of a map are from. Cells say it each where they differ.
static const char *timed_by(const map *m) {
    const char *by = NULL;
    for (int c = 0; c < m->view->cells->n; c++) {
        const fv_speed *speed = &m->view->cells->items[c].speed;
        if (m->panels.group[c] < 0 || *speed->by == '\0') continue;
        if (by != NULL && strcmp(by, speed->by) != 0)
            return "medians; by llama.cpp's timings or by streaming, as each cell says";
        by = speed->by;
    }
    if (by == NULL) return "medians";
    return strcmp(by, "timings") == 0  ? "medians; by llama.cpp's timings"
           : strcmp(by, "stream") == 0 ? "medians; measured by streaming"
                                       : "medians; by llama.cpp's timings and by streaming";
}

static const char *note_of(map *m) {
    const cells_view *view = m->view;
    const char *line = any_training(m) ? "white line: the longest length trained on" : NULL;
    const char *star = m->shows->share && any_unanswered(m)
                           ? "*: of those answered, not of all that were asked"
                           : NULL;
    const char *timed = m->shows->share ? NULL : timed_by(m);
    const char *parts[] = {line, star, timed, view->note}, *note = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
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
        any_grey |= m->panels.group[c] >= 0 && isnan(m->shows->value(&view->cells->items[c]));
    legend_entry *legend = scratch_get(view->scratch, 1, sizeof *legend);
    if (!any_grey || legend == NULL) return;
    const char *missing = m->shows->share ? "no answer that counts" : "not known";
    legend[0] = view->crossed && m->shows->share ? diverged_entry()
                                                 : (legend_entry){missing, FV_MISSING, FV_MARK_BOX};
    view->sheet.legend = legend;
    view->sheet.n_legend = 1;
}

// The end of the scale of speeds, the largest; false where there are none.
static bool choose_scale(map *m) {
    m->high = 0;
    for (int c = 0; c < m->view->cells->n; c++) {
        double value = m->shows->value(&m->view->cells->items[c]);
        if (m->panels.group[c] >= 0 && value > m->high) m->high = value;
    }
    return m->high > 0;
}

static double panel_length(int cells, double cell, double least) {
    return fmin(fmax(cell * cells, least), 520);
}

static fv_status draw_map(cells_view *view, const quantity *shows, fv_error *error) {
    map m = {.view = view, .shows = shows, .high = 100};
    fv_status status = cells_group(view, FV_CELL_TASK | FV_CELL_MODEL, true, &m.panels, error);
    if (status != FV_OK || m.panels.n == 0) return status;
    if (!shows->share && !choose_scale(&m)) return FV_OK;
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
                                 .bar = has_values(&m) ? FV_SHEET_BAR + 24 : 0,
                                 .pad_bottom = 52,
                                 .title = view->title ? view->title : shows->title,
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

// --- what maps show ----------------------------------------------------------------------------

static double found(const fv_cell *cell) {
    return cell->n > 0 ? 100.0 * cell->hits / cell->n : NAN;
}

static double known(double speed) {
    return speed > 0 ? speed : NAN;
}

static double first_token(const fv_cell *cell) {
    return known(cell->speed.first_token);
}

static double prefill(const fv_cell *cell) {
    return known(cell->speed.prefill);
}

static double decode(const fv_cell *cell) {
    return known(cell->speed.decode);
}

fv_status cells_draw_map(cells_view *view, fv_error *error) {
    static const quantity shows = {"Found, by depth and length", "found, %", found, true};
    return draw_map(view, &shows, error);
}

fv_status cells_draw_first_token(cells_view *view, fv_error *error) {
    static const quantity shows = {"Time to the first token", "seconds", first_token, false};
    return draw_map(view, &shows, error);
}

fv_status cells_draw_prefill(cells_view *view, fv_error *error) {
    static const quantity shows = {"Prefill", "tokens a second", prefill, false};
    return draw_map(view, &shows, error);
}

fv_status cells_draw_decode(cells_view *view, fv_error *error) {
    static const quantity shows = {"Decode", "tokens a second", decode, false};
    return draw_map(view, &shows, error);
}
