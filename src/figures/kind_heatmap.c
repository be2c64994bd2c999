// Heat maps: a measure of runs over two configuration fields, the phase diagrams of the lab. A cell
// stands for all seeds of one setting. Cells are equally large whatever their values, so that a
// geometric grid is a logarithmic axis by itself.
//
// A measure without a value (the plateau that is not left, the accuracy that is not reached, or was
// reached and lost again) is a result, not a gap: the median counts it as larger than everything,
// its cells are grey and "not by the end" of their runs, and only settings without any run stay
// white. A run that diverged is no result: a cell that has no value because of such runs is crossed
// out, and one that has a value in spite of some bears a small cross in its corner. A value of
// 0 or below has no colour on a logarithmic scale: such cells are of another grey.
#include "config/as_written.h"
#include "figures/colour.h"
#include "figures/diverged.h"
#include "figures/gnuplot.h"
#include "figures/heat.h"
#include "figures/tics.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_DIGITS = 3, MOST_DIGITS = 7 }; // of the numbers in cells

// The share of the colour scale that is seen as another colour.
#define COLOUR_STEP 0.02

static const figure_option options[] = {
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

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a heat map");
}

static fv_status check(const figure_view *view, fv_error *error) {
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "y" : "x";
        const fv_field *field = fv_field_find(fv_options_text(view->options, key, ""));
        if (field_is_list(field) || field_is_written(field) || field->type == FV_TYPE_TEXT)
            return figure_fail(view, key, error,
                               "%s is a list, which has no order on an axis; choose a number",
                               field->key);
    }
    const char *x = fv_options_text(view->options, "x", "");
    if (strcmp(x, fv_options_text(view->options, "y", "")) == 0)
        return figure_fail(view, "y", error, "both axes are %s; choose two fields", x);
    fv_status status = runs_check_swept(view, "x", error);
    if (status == FV_OK) status = runs_check_swept(view, "y", error);
    if (status != FV_OK) return status;
    figure_heat m = {.view = (figure_view *)view};
    return heat_split(&m, error);
}

// --- drawing -----------------------------------------------------------------------------------

static unsigned cell_colour(const figure_heat *m, const heat_cell *cell) {
    if (cell->state == FV_HEAT_UNSHOWN) return FV_UNSHOWN;
    if (cell->state != FV_HEAT_VALUE) return FV_MISSING;
    return colour_scale(scale_place(&m->scale, cell->value));
}

static void draw_cells(const figure_heat *m, int i, figure_panel *panel) {
    panel_block_begin(panel);
    for (int y = 0; y < m->y.values.n; y++)
        for (int x = 0; x < m->x.values.n; x++) {
            const heat_cell *cell = heat_at(m, i, x, y);
            if (cell->state == FV_HEAT_EMPTY) continue;
            fprintf(panel->script, "%d %d %g %g %g %g %u\n", x, y, x - 0.5, x + 0.5, y - 0.5,
                    y + 0.5, cell_colour(m, cell));
        }
    panel_block_end(panel, "using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid noborder "
                           "lc rgb variable notitle");
}

// Crosses out cells without a value, and puts a small cross into the corner of the others.
static void cross_cells(const figure_heat *m, int i, figure_panel *panel) {
    int n = 0;
    for (int y = 0; y < m->y.values.n; y++)
        for (int x = 0; x < m->x.values.n; x++) {
            const heat_cell *cell = heat_at(m, i, x, y);
            if (cell->state == FV_HEAT_EMPTY || cell->n_diverged == 0) continue;
            double wide = cell->state == FV_HEAT_DIVERGED ? 0.36 : 0.08;
            double high = cell->state == FV_HEAT_DIVERGED
                              ? 0.36
                              : 0.08 * panel->width / panel->height * m->y.values.n / m->x.values.n;
            double mx = cell->state == FV_HEAT_DIVERGED ? x : x + 0.5 - 2 * wide;
            double my = cell->state == FV_HEAT_DIVERGED ? y : y + 0.5 - 2 * high;
            if (n++ == 0) panel_block_begin(panel);
            fprintf(panel->script, "%g %g\n%g %g\n\n%g %g\n%g %g\n\n", mx - wide, my - high,
                    mx + wide, my + high, mx - wide, my + high, mx + wide, my - high);
        }
    if (n == 0) return;
    int block = panel->n_blocks;
    panel_block_end(panel, "using 1:2 with lines lw 3.2 lc rgb '#ffffff' notitle");
    fprintf(panel->clauses_stream, ", $d%d using 1:2 with lines lw 1.5 lc rgb '#%06x' notitle",
            block, FV_INK);
}

// An edge between cells as a thin rectangle from (x0, y0) to (x1, y1), longer at both ends by what
// it is wide: lines would not meet in corners.
static int write_edge(FILE *script, double x0, double y0, double x1, double y1, double wide,
                      double high) {
    return fprintf(script, "%g %g %g %g %g %g\n", 0.5 * (x0 + x1), 0.5 * (y0 + y1), x0 - wide,
                   x1 + wide, y0 - high, y1 + high);
}

static bool parts(const heat_cell *a, const heat_cell *b, double level) {
    return a->state != FV_HEAT_EMPTY && b->state != FV_HEAT_EMPTY &&
           (a->value >= level) != (b->value >= level);
}

// The boundary runs along the edges between cells: between two grid points nothing was measured.
static void draw_boundary(const figure_heat *m, int i, double level, figure_panel *panel) {
    int nx = m->x.values.n, ny = m->y.values.n;
    for (int pass = 0; pass < 2; pass++) { // white, and ink above it
        double half = pass ? 0.9 : 2, wide = half * nx / panel->width;
        double high = half * ny / panel->height;
        int n = 0;
        panel_block_begin(panel);
        for (int y = 0; y < ny; y++)
            for (int x = 0; x < nx; x++) {
                const heat_cell *here = heat_at(m, i, x, y);
                if (x + 1 < nx && parts(here, heat_at(m, i, x + 1, y), level))
                    n += write_edge(panel->script, x + 0.5, y - 0.5, x + 0.5, y + 0.5, wide, high);
                if (y + 1 < ny && parts(here, heat_at(m, i, x, y + 1), level))
                    n += write_edge(panel->script, x - 0.5, y + 0.5, x + 0.5, y + 0.5, wide, high);
            }
        if (n == 0) fputs("NaN NaN NaN NaN NaN NaN\n", panel->script);
        panel_block_end(panel,
                        "using 1:2:3:4:5:6 with boxxyerror fillstyle solid noborder lc rgb "
                        "'#%06x' notitle",
                        pass ? FV_INK : 0xffffffu);
    }
}

static void cell_text(double value, int digits, char text[FV_NUMBER_TEXT]) {
    bool large = fabs(value) >= 1000 && fabs(value) < 1e6;
    double unit = pow(10, LEAST_DIGITS - digits); // of large numbers, which are written in full
    number_text(large ? round(value / unit) * unit : value, large ? 12 : digits, text);
}

static size_t n_cells(const figure_heat *m) {
    return (size_t)m->panels.n * (size_t)m->x.values.n * (size_t)m->y.values.n;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// Whether of n values in increasing order those that colours tell apart have different texts.
static bool digits_separate(const figure_heat *m, const double *values, int n, int digits) {
    char text[FV_NUMBER_TEXT], first[FV_NUMBER_TEXT] = "";
    double place = 0; // of the first value that is written as `first`
    for (int k = 0; k < n; k++) {
        double here = fmin(fmax(scale_place(&m->scale, values[k]), 0), 1);
        cell_text(values[k], digits, text);
        bool same = strcmp(text, first) == 0;
        if (same && here - place > COLOUR_STEP) return false;
        if (same) continue;
        strcpy(first, text);
        place = here;
    }
    return true;
}

// The fewest digits that tell the cells apart; 0 where none do, and without memory.
static int cell_digits(const figure_heat *m) {
    double *values = scratch_get(m->view->scratch, n_cells(m), sizeof *values);
    int n = 0;
    for (size_t c = 0; c < n_cells(m) && values != NULL; c++)
        if (m->cells[c].state == FV_HEAT_VALUE) values[n++] = m->cells[c].value;
    if (n == 0) return 0;
    qsort(values, (size_t)n, sizeof *values, by_value);
    for (int digits = LEAST_DIGITS; digits <= MOST_DIGITS; digits++)
        if (digits_separate(m, values, n, digits)) return digits;
    return 0;
}

// Either every cell has room for its value, or none is written.
static bool values_fit(const figure_heat *m, int digits, double cell_width, double cell_height) {
    char text[FV_NUMBER_TEXT];
    for (size_t c = 0; c < n_cells(m); c++) {
        if (m->cells[c].state != FV_HEAT_VALUE) continue;
        cell_text(m->cells[c].value, digits, text);
        if (text_width(text, 10) > cell_width - 10) return false;
    }
    return digits > 0 && cell_height >= 16;
}

static void write_values(const figure_heat *m, int i, figure_panel *panel) {
    double cell_width = panel->width / m->x.values.n, cell_height = panel->height / m->y.values.n;
    int digits = cell_digits(m);
    if (!values_fit(m, digits, cell_width, cell_height)) return;
    for (int y = 0; y < m->y.values.n; y++)
        for (int x = 0; x < m->x.values.n; x++) {
            const heat_cell *cell = heat_at(m, i, x, y);
            char text[FV_NUMBER_TEXT];
            if (cell->state != FV_HEAT_VALUE) continue;
            cell_text(cell->value, digits, text);
            bool dark = scale_place(&m->scale, cell->value) < 0.6;
            panel_text(panel, (x + 0.5) * cell_width, panel->height - (y + 0.5) * cell_height, 'c',
                       10, dark ? 0xffffff : FV_INK, text);
        }
}

// The label of value k. Reals that a range has made are rounded: a reader places them, and finds
// their digits in the report.
static void tic_text(const figure_heat *m, const heat_axis *side, int k, int digits,
                     char text[64]) {
    const fv_config *config = m->view->runs.configs[side->run[k]];
    const fv_field *field = side->values.fields[0];
    if (field->type == FV_TYPE_REAL)
        number_text(fv_config_number(config, field), digits, text);
    else
        fv_config_get(config, field, text, 64);
}

// The fewest digits, from two on, that tell neighbouring values apart.
static int tic_digits(const figure_heat *m, const heat_axis *side) {
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

static double longest_tic(const figure_heat *m, const heat_axis *side) {
    double longest = 0;
    char text[64];
    int digits = tic_digits(m, side);
    for (int k = 0; k < side->values.n; k++) {
        tic_text(m, side, k, digits, text);
        longest = fmax(longest, text_width(text, 10.5));
    }
    return longest;
}

// Labels of an axis: every value, or every second, third ... where they would touch.
static void write_tics(const figure_heat *m, const heat_axis *side, const char *axis, double length,
                       bool across) {
    double room = across ? fmax(14, longest_tic(m, side) + 8) : 14;
    char text[64];
    FILE *script = m->view->script;
    int digits = tic_digits(m, side), every = (int)ceil(room * side->values.n / length);
    scale_write_tics(script, axis);
    fprintf(script, "set %srange [-0.5:%g]\nset %stics (", axis, side->values.n - 0.5, axis);
    for (int k = 0; k < side->values.n; k += every) {
        tic_text(m, side, k, digits, text);
        fputs(k ? ", " : "", script);
        gnuplot_string(script, text);
        fprintf(script, " %d", k);
    }
    fputs(")\n", script);
}

static const char *scale_label(const figure_heat *m) {
    const char *how = fv_options_text(m->view->options, "reduce", "median");
    const char *value =
        expression_short(m->view->scratch, fv_options_text(m->view->options, "value", ""));
    const char *usual = value ? scratch_text(m->view->scratch, "%s%s", value,
                                             strcmp(how, "success") ? "" : ", share of seeds")
                              : NULL;
    return fv_options_text(m->view->options, "label", usual ? usual : "");
}

// Why the panel has no cell with a value, or NULL where it has one.
static const char *reason_of(const figure_heat *m, int i) {
    bool any_diverged = false, any_unshown = false;
    for (int y = 0; y < m->y.values.n; y++)
        for (int x = 0; x < m->x.values.n; x++) {
            const heat_cell *cell = heat_at(m, i, x, y);
            if (cell->state == FV_HEAT_VALUE) return NULL;
            any_diverged |= cell->state == FV_HEAT_DIVERGED;
            any_unshown |= cell->state == FV_HEAT_UNSHOWN;
        }
    if (any_unshown) return "a logarithmic colour scale shows nothing that is 0 or negative";
    return scratch_text(m->view->scratch, "%s is NULL %s", scale_label(m),
                        any_diverged ? "where runs diverged" : "by the end of every run");
}

static const char *panel_title(const figure_heat *m, int i) {
    return m->panels.n > 1 || m->panels.n_fields > 0
               ? runs_label(m->view, m->panels.first[i], &m->panels)
               : NULL;
}

static fv_status draw_panel(figure_heat *m, int i, fv_error *error) {
    figure_panel panel;
    double contour = figure_number(m->view->options, "contour");
    if (panel_begin(&panel, &m->sheet, i, panel_title(m, i)) != FV_OK) return no_memory(error);
    FILE *script = panel.script;
    int column = i % m->sheet.columns;
    bool last = column == m->sheet.columns - 1 || i == m->panels.n - 1;
    fprintf(script, "unset grid\nunset colorbox\nset border 0 linecolor rgb '#%06x'\n", FV_QUIET);
    write_tics(m, &m->x, "x", panel.width, true);
    write_tics(m, &m->y, "y", panel.height, false);
    panel_below(&panel, m->sheet.xlabel);
    if (column == 0) panel_upright(&panel, 'l', m->sheet.ylabel);
    draw_cells(m, i, &panel);
    if (!isnan(contour)) draw_boundary(m, i, contour, &panel);
    write_values(m, i, &panel);
    cross_cells(m, i, &panel);
    empty_panel(&m->empty, &panel, reason_of(m, i));
    if (last && m->any_value)
        panel_colour_bar(&panel, &m->scale, NULL, colour_scale, m->sheet.bar_label);
    return panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

// What the small crosses in corners say.
static const char *corner_text(const figure_heat *m) {
    return !m->all_diverged    ? "some seeds diverged"
           : !m->some_diverged ? "all seeds diverged"
                               : "some or all seeds diverged";
}

static fv_status make_legend(figure_heat *m, fv_error *error) {
    double contour = figure_number(m->view->options, "contour");
    legend_entry *legend = scratch_get(m->view->scratch, 5, sizeof *legend);
    char level[FV_NUMBER_TEXT];
    number_text(contour, 6, level);
    char *boundary = scratch_text(m->view->scratch, "boundary at %s", level);
    if (legend == NULL || boundary == NULL) return no_memory(error);
    int n = 0;
    if (!isnan(contour)) legend[n++] = (legend_entry){boundary, FV_INK, FV_MARK_LINE};
    if (m->any_missing) legend[n++] = (legend_entry){"not by the end", FV_MISSING, FV_MARK_BOX};
    if (m->n_unshown > 0)
        legend[n++] = (legend_entry){"0 or below, not on the scale", FV_UNSHOWN, FV_MARK_BOX};
    if (m->any_diverged) legend[n++] = diverged_entry();
    if (m->some_diverged || m->all_diverged)
        legend[n++] = (legend_entry){corner_text(m), FV_INK, FV_MARK_SMALL_CROSS};
    m->sheet.legend = legend;
    m->sheet.n_legend = n;
    return FV_OK;
}

static double panel_length(int cells) {
    return fmin(fmax(26.0 * cells, 240), 520);
}

static void plan_sheet(figure_heat *m) {
    const fv_options *o = m->view->options;
    figure_scratch *scratch = m->view->scratch;
    m->sheet.script = m->view->script;
    m->sheet.n = m->panels.n;
    m->sheet.columns = (int)fv_options_number(o, "columns", 0);
    m->sheet.panel_width = panel_length(m->x.values.n);
    m->sheet.panel_height = panel_length(m->y.values.n);
    m->sheet.pad_left = fmax(58, longest_tic(m, &m->y) + 34);
    m->sheet.pad_right = 18;
    if (m->any_value)
        m->sheet.bar = FV_SHEET_BAR + fmax(26, tics_width(&m->scale, panel_length(m->y.values.n)));
    m->sheet.title = fv_options_text(o, "title", NULL);
    m->sheet.xlabel = fv_options_text(o, "xlabel", field_label(scratch, m->x.values.fields[0]));
    m->sheet.ylabel = fv_options_text(o, "ylabel", field_label(scratch, m->y.values.fields[0]));
    m->sheet.bar_label = m->any_value ? scale_label(m) : NULL;
    m->sheet.note = diverged_note(m->view, NULL);
    for (int i = 0; i < m->panels.n; i++) sheet_room_for(&m->sheet, panel_title(m, i));
    sheet_plan(&m->sheet);
}

// Says what the colours of a figure that is not empty do not show.
static void remark(const figure_heat *m) {
    int n = 0, n_inside = 0;
    for (size_t c = 0; c < n_cells(m); c++) {
        const heat_cell *cell = &m->cells[c];
        n += cell->state != FV_HEAT_EMPTY;
        n_inside += cell->state == FV_HEAT_VALUE && scale_holds(&m->scale, cell->value);
    }
    if (m->any_value && m->n_unshown > 0)
        figure_remark(m->view, scratch_text(m->view->scratch,
                                            "%d of %d cells are 0 or negative, which a logarithmic "
                                            "colour scale does not show",
                                            m->n_unshown, n));
    if (m->any_value && n_inside == 0)
        figure_remark(m->view, "every value lies outside the ends that the colour scale is given");
}

static fv_status draw(figure_view *view, fv_error *error) {
    figure_heat m = {.view = view};
    fv_status status = heat_split(&m, error);
    if (status == FV_OK) status = heat_fill(&m, error);
    if (status == FV_OK) status = make_legend(&m, error);
    if (status != FV_OK) return status;
    plan_sheet(&m);
    sheet_begin(&m.sheet);
    for (int i = 0; status == FV_OK && i < m.panels.n; i++) status = draw_panel(&m, i, error);
    sheet_end(&m.sheet);
    empty_figure(&m.empty, view, m.panels.n);
    remark(&m);
    view->width = m.sheet.width;
    view->height = m.sheet.height;
    return status;
}

const figure_kind figure_heatmap = {
    .name = "heatmap",
    .help = "a measure over two fields: a phase diagram",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: heatmap, x: task.context_length, y: model.n_embd, value: "
               "plateau_length(perplexity), contour: 100}",
    .needs = "train: {steps: 500}\nsweep: {task.context_length: [2, 4], model.n_embd: [2, 4]}",
    .check = check,
    .draw = draw,
};
