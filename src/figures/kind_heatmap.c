// Heat maps: a measure of runs over two configuration fields, the phase diagrams of the lab. A cell
// stands for all seeds of one setting. Cells are equally large whatever their values, so that a
// geometric grid is a logarithmic axis by itself.
//
// A measure without a value (the plateau that is not left, the accuracy that is not reached, or was
// reached and lost again) is a result, not a gap: the median counts it as larger than everything,
// its cells are grey and "not by the end" of their runs, and only settings without any run stay
// white.
#include "figures/colour.h"
#include "figures/gnuplot.h"
#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const fv_figure_option options[] = {
    {"x", FV_OPTION_FIELD, true, NULL, "field along the x axis"},
    {"y", FV_OPTION_FIELD, true, NULL, "field along the y axis"},
    {"value", FV_OPTION_MEASURE, true, NULL, "what is measured of each run"},
    {"reduce", FV_OPTION_CHOICE, false, "median|mean|success",
     "how seeds become one value: median (a run without a value counts as larger than everything), "
     "mean of the runs that have a value, or the share of runs that have one other than 0"},
    {"contour", FV_OPTION_NUMBER, false, NULL,
     "draws the boundary between cells below this value and cells at or above it"},
    {"fill", FV_OPTION_BOOL, false, NULL,
     "settings without any run take the colour of the nearest one that has some: for adaptive and "
     "random sweeps"},
    {"label", FV_OPTION_TEXT, false, NULL, "name of the colour scale"},
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values; if not given, the fields that differ "
     "between the runs, but x and y"},
    {"zlog", FV_OPTION_BOOL, false, NULL, "logarithmic colour scale"},
    {"zmin", FV_OPTION_NUMBER, false, NULL, "lower end of the colour scale"},
    {"zmax", FV_OPTION_NUMBER, false, NULL, "upper end of the colour scale"},
    {"xlabel", FV_OPTION_TEXT, false, NULL, "name of the x axis"},
    {"ylabel", FV_OPTION_TEXT, false, NULL, "name of the y axis"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

// The values of one axis in increasing order.
typedef struct axis_values {
    fv_partition values;
    int *rank; // [values.n]: of group g
    int *run;  // [values.n]: a run of rank k
} axis_values;

typedef enum cell_state { EMPTY, MISSING, VALUE } cell_state;

typedef struct heat_cell {
    cell_state state;
    double value;
} heat_cell;

typedef struct map {
    fv_figure_view *view;
    axis_values x, y;
    fv_partition panels;
    double *measured; // [runs]
    heat_cell *cells; // [panels.n][y.values.n][x.values.n]
    fv_scale scale;
    fv_sheet sheet;
    bool any_missing;
} map;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a heat map");
}

static heat_cell *cell_at(const map *m, int panel, int x, int y) {
    return &m->cells[((size_t)panel * (size_t)m->y.values.n + (size_t)y) * (size_t)m->x.values.n +
                     (size_t)x];
}

// --- axes --------------------------------------------------------------------------------------

static fv_status rank_values(const fv_figure_view *view, axis_values *side, fv_error *error) {
    int n = side->values.n;
    const fv_field *field = side->values.fields[0];
    side->rank = fv_scratch_get(view->scratch, (size_t)n, sizeof *side->rank);
    side->run = fv_scratch_get(view->scratch, (size_t)n, sizeof *side->run);
    if (side->rank == NULL || side->run == NULL) return no_memory(error);
    for (int g = 0; g < n; g++) {
        double value = fv_config_number(view->runs.configs[side->values.first[g]], field);
        for (int other = 0; other < n; other++) {
            double against = fv_config_number(view->runs.configs[side->values.first[other]], field);
            side->rank[g] += against < value;
        }
        side->run[side->rank[g]] = side->values.first[g];
    }
    return FV_OK;
}

static fv_status split(map *m, fv_error *error) {
    const fv_figure_view *view = m->view;
    const fv_partition *const all[] = {&m->x.values, &m->y.values, &m->panels};
    fv_status status = fv_runs_split(view, "x", true, NULL, 0, &m->x.values, error);
    if (status == FV_OK) status = fv_runs_split(view, "y", true, NULL, 0, &m->y.values, error);
    if (status == FV_OK) status = fv_runs_split(view, "panel", false, all, 2, &m->panels, error);
    if (status == FV_OK) status = fv_runs_check_alike(view, all, 3, error);
    if (status == FV_OK) status = rank_values(view, &m->x, error);
    if (status == FV_OK) status = rank_values(view, &m->y, error);
    return status;
}

static fv_status check(const fv_figure_view *view, fv_error *error) {
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "y" : "x";
        const fv_field *field = fv_field_find(fv_options_text(view->options, key, ""));
        if (field->type == FV_TYPE_INTS || field->type == FV_TYPE_LAYERS)
            return fv_figure_fail(view, key, error,
                                  "%s is a list, which has no order on an axis; choose a number",
                                  field->key);
    }
    const char *x = fv_options_text(view->options, "x", "");
    if (strcmp(x, fv_options_text(view->options, "y", "")) == 0)
        return fv_figure_fail(view, "y", error, "both axes are %s; choose two fields", x);
    fv_status status = fv_runs_check_swept(view, "x", error);
    if (status == FV_OK) status = fv_runs_check_swept(view, "y", error);
    if (status != FV_OK) return status;
    map m = {.view = (fv_figure_view *)view};
    return split(&m, error);
}

// --- cells -------------------------------------------------------------------------------------

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// What the values of one setting's seeds come to; NAN among them: not by the end of the run.
static heat_cell reduce(double *values, int n, const char *how) {
    int n_finite = 0, n_true = 0;
    double sum = 0;
    if (n == 0) return (heat_cell){EMPTY, NAN};
    for (int i = 0; i < n; i++) {
        bool finite = isfinite(values[i]);
        n_finite += finite;
        n_true += finite && values[i] != 0;
        sum += finite ? values[i] : 0;
        if (isnan(values[i])) values[i] = INFINITY;
    }
    if (strcmp(how, "success") == 0) return (heat_cell){VALUE, (double)n_true / n};
    double value = sum / n_finite;
    if (strcmp(how, "median") == 0) {
        qsort(values, (size_t)n, sizeof *values, by_value);
        value = n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
    }
    return isfinite(value) ? (heat_cell){VALUE, value} : (heat_cell){MISSING, INFINITY};
}

static fv_status fill_cells(map *m, fv_error *error) {
    const fv_runs *runs = &m->view->runs;
    const char *how = fv_options_text(m->view->options, "reduce", "median");
    const char *measure = fv_options_text(m->view->options, "value", "");
    size_t n_cells = (size_t)m->panels.n * (size_t)m->x.values.n * (size_t)m->y.values.n;
    m->cells = fv_scratch_get(m->view->scratch, n_cells, sizeof *m->cells);
    m->measured = fv_scratch_get(m->view->scratch, (size_t)runs->n, sizeof(double));
    double *values = fv_scratch_get(m->view->scratch, (size_t)runs->n, sizeof *values);
    if (m->cells == NULL || m->measured == NULL || values == NULL) return no_memory(error);
    for (int r = 0; r < runs->n; r++) {
        fv_status status = fv_measure(measure, runs->records[r], &m->measured[r], error);
        if (status != FV_OK) return status;
    }
    fv_scale_init(&m->scale, fv_figure_flag(m->view->options, "zlog", false));
    for (size_t c = 0; c < n_cells; c++) {
        int panel = (int)(c / ((size_t)m->x.values.n * (size_t)m->y.values.n));
        int y = (int)(c / (size_t)m->x.values.n) % m->y.values.n;
        int x = (int)(c % (size_t)m->x.values.n), n = 0;
        for (int r = 0; r < runs->n; r++)
            if (m->panels.group[r] == panel && m->x.rank[m->x.values.group[r]] == x &&
                m->y.rank[m->y.values.group[r]] == y)
                values[n++] = m->measured[r];
        m->cells[c] = reduce(values, n, how);
        if (m->cells[c].state == VALUE) fv_scale_add(&m->scale, m->cells[c].value);
        m->any_missing |= m->cells[c].state == MISSING;
    }
    bool share = strcmp(how, "success") == 0;
    double low = fv_options_number(m->view->options, "zmin", share ? 0 : NAN);
    double high = fv_options_number(m->view->options, "zmax", share ? 1 : NAN);
    fv_scale_finish(&m->scale, low, high, 0);
    return FV_OK;
}

// The nearest cell with runs; of several the one with the smallest y, then x.
static const heat_cell *nearest_cell(const map *m, const bool *measured, int panel, int x, int y) {
    const heat_cell *nearest = cell_at(m, panel, x, y);
    long best = LONG_MAX;
    for (int v = 0; v < m->y.values.n; v++)
        for (int u = 0; u < m->x.values.n; u++) {
            const heat_cell *cell = cell_at(m, panel, u, v);
            long distance = (long)(u - x) * (u - x) + (long)(v - y) * (v - y);
            if (!measured[cell - m->cells] || distance >= best) continue;
            best = distance;
            nearest = cell;
        }
    return nearest;
}

static fv_status fill_gaps(map *m, fv_error *error) {
    size_t n = (size_t)m->panels.n * (size_t)m->x.values.n * (size_t)m->y.values.n;
    bool *measured = fv_scratch_get(m->view->scratch, n, sizeof *measured);
    if (measured == NULL) return no_memory(error);
    for (size_t c = 0; c < n; c++) measured[c] = m->cells[c].state != EMPTY;
    for (int p = 0; p < m->panels.n; p++)
        for (int y = 0; y < m->y.values.n; y++)
            for (int x = 0; x < m->x.values.n; x++) {
                heat_cell *cell = cell_at(m, p, x, y);
                if (!measured[cell - m->cells]) *cell = *nearest_cell(m, measured, p, x, y);
            }
    return FV_OK;
}

// --- drawing -----------------------------------------------------------------------------------

static unsigned cell_colour(const map *m, const heat_cell *cell) {
    if (cell->state != VALUE) return FV_MISSING;
    return fv_colour_scale(fv_scale_place(&m->scale, cell->value));
}

static void draw_cells(const map *m, int i, fv_panel *panel) {
    fv_panel_block_begin(panel);
    for (int y = 0; y < m->y.values.n; y++)
        for (int x = 0; x < m->x.values.n; x++) {
            const heat_cell *cell = cell_at(m, i, x, y);
            if (cell->state == EMPTY) continue;
            fprintf(panel->script, "%d %d %g %g %g %g %u\n", x, y, x - 0.5, x + 0.5, y - 0.5,
                    y + 0.5, cell_colour(m, cell));
        }
    fv_panel_block_end(panel, "using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid noborder "
                              "lc rgb variable notitle");
}

// The boundary runs along the edges between cells: between two grid points nothing was measured.
static void draw_boundary(const map *m, int i, double level, fv_panel *panel) {
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        fv_panel_block_begin(panel);
        for (int y = 0; y < m->y.values.n; y++)
            for (int x = 0; x < m->x.values.n; x++) {
                const heat_cell *here = cell_at(m, i, x, y);
                if (here->state == EMPTY) continue;
                bool above = here->value >= level;
                const heat_cell *right = x + 1 < m->x.values.n ? cell_at(m, i, x + 1, y) : here;
                const heat_cell *up = y + 1 < m->y.values.n ? cell_at(m, i, x, y + 1) : here;
                if (right->state != EMPTY && (right->value >= level) != above)
                    n += fprintf(panel->script, "%g %g\n%g %g\n\n", x + 0.5, y - 0.5, x + 0.5,
                                 y + 0.5);
                if (up->state != EMPTY && (up->value >= level) != above)
                    n += fprintf(panel->script, "%g %g\n%g %g\n\n", x - 0.5, y + 0.5, x + 0.5,
                                 y + 0.5);
            }
        if (n == 0) fputs("NaN NaN\n", panel->script);
        fv_panel_block_end(panel, "using 1:2 with lines lw %g lc rgb '#%06x' notitle",
                           pass ? 1.8 : 4.0, pass ? FV_INK : 0xffffffu);
    }
}

static void cell_text(const heat_cell *cell, char text[24]) {
    *text = '\0';
    if (cell->state == VALUE)
        snprintf(text, 24, fabs(cell->value) >= 1000 ? "%.0f" : "%.3g", cell->value);
}

// Either every cell has room for its value, or none is written.
static bool values_fit(const map *m, double cell_width, double cell_height) {
    size_t n = (size_t)m->panels.n * (size_t)m->x.values.n * (size_t)m->y.values.n;
    char text[24];
    for (size_t c = 0; c < n; c++) {
        cell_text(&m->cells[c], text);
        if (fv_text_width(text, 10) > cell_width - 10) return false;
    }
    return cell_height >= 16;
}

static void write_values(const map *m, int i, fv_panel *panel) {
    double cell_width = panel->width / m->x.values.n, cell_height = panel->height / m->y.values.n;
    if (!values_fit(m, cell_width, cell_height)) return;
    for (int y = 0; y < m->y.values.n; y++)
        for (int x = 0; x < m->x.values.n; x++) {
            const heat_cell *cell = cell_at(m, i, x, y);
            char text[24];
            cell_text(cell, text);
            bool dark = fv_scale_place(&m->scale, cell->value) < 0.6;
            fv_panel_text(panel, (x + 0.5) * cell_width, panel->height - (y + 0.5) * cell_height,
                          'c', 10, dark ? 0xffffff : FV_INK, text);
        }
}

// The label of value k. Reals that a range has made are rounded: a reader places them, and finds
// their digits in the report.
static void tic_text(const map *m, const axis_values *side, int k, int digits, char text[64]) {
    const fv_config *config = m->view->runs.configs[side->run[k]];
    const fv_field *field = side->values.fields[0];
    if (field->type == FV_TYPE_REAL)
        snprintf(text, 64, "%.*g", digits, fv_config_number(config, field));
    else
        fv_config_get(config, field, text, 64);
}

// The fewest digits, from two on, that tell neighbouring values apart.
static int tic_digits(const map *m, const axis_values *side) {
    char text[64], previous[64] = "";
    int digits = 2;
    for (int k = 0; k < side->values.n && digits < 17;) {
        tic_text(m, side, k, digits, text);
        if (strcmp(text, previous) == 0) {
            digits++;
            k = 0;
            previous[0] = '\0';
            continue;
        }
        strcpy(previous, text);
        k++;
    }
    return digits;
}

static double longest_tic(const map *m, const axis_values *side) {
    double longest = 0;
    char text[64];
    int digits = tic_digits(m, side);
    for (int k = 0; k < side->values.n; k++) {
        tic_text(m, side, k, digits, text);
        longest = fmax(longest, fv_text_width(text, 10.5));
    }
    return longest;
}

// Labels of an axis: every value, or every second, third ... where they would touch.
static void write_tics(const map *m, const axis_values *side, const char *axis, double length,
                       bool across) {
    double room = across ? fmax(14, longest_tic(m, side) + 8) : 14;
    char text[64];
    FILE *script = m->view->script;
    int digits = tic_digits(m, side), every = (int)ceil(room * side->values.n / length);
    fv_scale_write_tics(script, axis);
    fprintf(script, "set %srange [-0.5:%g]\nset %stics (", axis, side->values.n - 0.5, axis);
    for (int k = 0; k < side->values.n; k += every) {
        tic_text(m, side, k, digits, text);
        fputs(k ? ", " : "", script);
        fv_gnuplot_string(script, text);
        fprintf(script, " %d", k);
    }
    fputs(")\n", script);
}

static void draw_colour_scale(const map *m, fv_panel *panel) {
    const char *how = fv_options_text(m->view->options, "reduce", "median");
    const char *value =
        fv_expression_short(m->view->scratch, fv_options_text(m->view->options, "value", ""));
    const char *usual = value ? fv_scratch_text(m->view->scratch, "%s%s", value,
                                                strcmp(how, "success") ? "" : ", share of seeds")
                              : NULL;
    fv_panel_colour_bar(panel, &m->scale, 86,
                        fv_options_text(m->view->options, "label", usual ? usual : ""));
}

static fv_status draw_panel(map *m, int i, fv_error *error) {
    fv_panel panel;
    const fv_options *o = m->view->options;
    double contour = fv_figure_number(o, "contour");
    const char *title = m->panels.n > 1 || m->panels.n_fields > 0
                            ? fv_runs_label(m->view, m->panels.first[i], &m->panels)
                            : NULL;
    if (fv_panel_begin(&panel, &m->sheet, i, title) != FV_OK) return no_memory(error);
    FILE *script = panel.script;
    int column = i % m->sheet.columns;
    bool last = column == m->sheet.columns - 1 || i == m->panels.n - 1;
    fprintf(script, "unset grid\nunset colorbox\nset border 0 linecolor rgb '#%06x'\n", FV_QUIET);
    write_tics(m, &m->x, "x", panel.width, true);
    write_tics(m, &m->y, "y", panel.height, false);
    fv_panel_text(
        &panel, 0.5 * panel.width, panel.height + 34, 'c', 12, FV_INK,
        fv_options_text(o, "xlabel", fv_field_label(m->view->scratch, m->x.values.fields[0])));
    if (column == 0)
        fv_panel_upright(
            &panel, 12 - m->sheet.pad_left, panel.height / 2,
            fv_options_text(o, "ylabel", fv_field_label(m->view->scratch, m->y.values.fields[0])));
    draw_cells(m, i, &panel);
    if (!isnan(contour)) draw_boundary(m, i, contour, &panel);
    write_values(m, i, &panel);
    if (last) draw_colour_scale(m, &panel);
    return fv_panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

static fv_status make_legend(map *m, fv_error *error) {
    double contour = fv_figure_number(m->view->options, "contour");
    fv_legend_entry *legend = fv_scratch_get(m->view->scratch, 2, sizeof *legend);
    char *boundary = fv_scratch_text(m->view->scratch, "boundary at %g", contour);
    if (legend == NULL || boundary == NULL) return no_memory(error);
    if (!isnan(contour))
        legend[m->sheet.n_legend++] = (fv_legend_entry){boundary, FV_INK, FV_MARK_LINE};
    if (m->any_missing)
        legend[m->sheet.n_legend++] = (fv_legend_entry){"not by the end", FV_MISSING, FV_MARK_BOX};
    m->sheet.legend = legend;
    return FV_OK;
}

static double panel_length(int cells) {
    return fmin(fmax(26.0 * cells, 240), 520);
}

static fv_status draw(fv_figure_view *view, fv_error *error) {
    map m = {.view = view};
    fv_status status = split(&m, error);
    if (status == FV_OK) status = fill_cells(&m, error);
    if (status == FV_OK && fv_figure_flag(view->options, "fill", false))
        status = fill_gaps(&m, error);
    if (status == FV_OK) status = make_legend(&m, error);
    if (status != FV_OK) return status;
    m.sheet.script = view->script;
    m.sheet.n = m.panels.n;
    m.sheet.columns = (int)fv_options_number(view->options, "columns", 0);
    m.sheet.panel_width = panel_length(m.x.values.n);
    m.sheet.panel_height = panel_length(m.y.values.n);
    m.sheet.pad_left = fmax(58, longest_tic(&m, &m.y) + 34);
    m.sheet.pad_right = 104;
    m.sheet.title = fv_options_text(view->options, "title", NULL);
    fv_sheet_plan(&m.sheet);
    fv_sheet_begin(&m.sheet);
    for (int i = 0; status == FV_OK && i < m.panels.n; i++) status = draw_panel(&m, i, error);
    fv_sheet_end(&m.sheet);
    view->width = m.sheet.width;
    view->height = m.sheet.height;
    return status;
}

const fv_figure_kind fv_figure_heatmap = {
    .name = "heatmap",
    .help = "a measure over two fields: a phase diagram",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: heatmap, x: task.context_length, y: model.n_embd, value: "
               "plateau_length(perplexity), contour: 100}",
    .check = check,
    .draw = draw,
};
