// Curves: series over training steps, one panel a setting, one line a series (or a value of the
// field `color`). A line with several seeds shows each of them faintly and their median strongly,
// because a single seed of a model this small proves little.
#include "figures/colour.h"
#include "figures/curve.h"
#include "figures/gnuplot.h"
#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"
#include "figures/slots.h"

#include <math.h>
#include <string.h>

enum { MOST_POINTS = 1200, MOST_FAINT_POINTS = 400, MOST_BOXES = 60000 };

static const fv_figure_option options[] = {
    {"y", FV_OPTION_SERIES, true, NULL, "series drawn against the left axis"},
    {"y2", FV_OPTION_SERIES, false, NULL, "series drawn against a second axis on the right"},
    {"x", FV_OPTION_ONE_SERIES, false, NULL, "`step`, or a series"},
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values; `none` for a single panel; if not "
     "given, the fields that differ between the runs"},
    {"color", FV_OPTION_FIELDS, false, NULL, "lines within a panel are coloured by these fields"},
    {"lines", FV_OPTION_MEASURES, false, NULL,
     "horizontal reference lines, each a measure of the panel's first run: task.vocab_size / 2"},
    {"line_labels", FV_OPTION_TEXTS, false, NULL,
     "names of the reference lines; the measures themselves if not given"},
    {"labels", FV_OPTION_TEXTS, false, NULL, "names of the series in the legend, first y, then y2"},
    {"minus", FV_OPTION_MEASURE, false, NULL, "subtracted from every value of y"},
    {"over", FV_OPTION_MEASURE, false, NULL,
     "divides every value of y, after `minus`: task.vocab_size"},
    {"center", FV_OPTION_CHOICE, false, "median|typical",
     "what stands for several seeds: their median at each step, or the one seed that lies in the "
     "middle of the others, which keeps plateaus that end at different steps"},
    {"spread", FV_OPTION_CHOICE, false, "lines|band|none",
     "how several seeds show beside their median: each as a faint line, as the band from lowest to "
     "highest, or not at all"},
    {"xlog", FV_OPTION_BOOL, false, NULL, "logarithmic x axis"},
    {"ylog", FV_OPTION_BOOL, false, NULL, "logarithmic y axis"},
    {"y2log", FV_OPTION_BOOL, false, NULL, "logarithmic second axis"},
    {"xmin", FV_OPTION_NUMBER, false, NULL, "left end of the x axis"},
    {"xmax", FV_OPTION_NUMBER, false, NULL, "right end of the x axis"},
    {"ymin", FV_OPTION_NUMBER, false, NULL, "lower end of the y axis"},
    {"ymax", FV_OPTION_NUMBER, false, NULL, "upper end of the y axis"},
    {"y2min", FV_OPTION_NUMBER, false, NULL, "lower end of the second axis"},
    {"y2max", FV_OPTION_NUMBER, false, NULL, "upper end of the second axis"},
    {"xlabel", FV_OPTION_TEXT, false, NULL, "name of the x axis"},
    {"ylabel", FV_OPTION_TEXT, false, NULL, "name of the y axis"},
    {"y2label", FV_OPTION_TEXT, false, NULL, "name of the second axis"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

// One line of a panel: a series of all runs of one colour.
typedef struct curve_line {
    fv_curve *runs;
    int n_runs;
    fv_curve strong;
    bool second;
    unsigned colour;
    fv_mark mark;
} curve_line;

typedef struct curves_plan {
    fv_figure_view *view;
    fv_partition panels, colours;
    fv_slots slots;
    const char *x; // NULL for the step
    const char *xlabel, *ylabel, *y2label;
    fv_sheet sheet;
    fv_obstacles obstacles;
    curve_line *lines; // of the current panel
    int n_lines;
} curves_plan;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

// --- names of the axes -------------------------------------------------------------------------

// "(perplexity - 1) / V"
static const char *transformed(const curves_plan *p, const char *label) {
    fv_scratch *scratch = p->view->scratch;
    const char *minus = fv_options_text(p->view->options, "minus", NULL);
    const char *over = fv_options_text(p->view->options, "over", NULL);
    if (minus != NULL && label != NULL)
        label = fv_scratch_text(scratch, over ? "(%s − %s)" : "%s − %s", label,
                                fv_expression_short(scratch, minus));
    if (over != NULL && label != NULL)
        label = fv_scratch_text(scratch, "%s / %s", label, fv_expression_short(scratch, over));
    return label;
}

// An axis with one series bears its name; the legend tells several apart.
static const char *axis_label(const curves_plan *p, bool second) {
    const char *label = NULL;
    int n = 0;
    for (int s = 0; s < p->slots.n; s++) {
        if (p->slots.items[s].second != second) continue;
        label = p->slots.items[s].label;
        n++;
    }
    if (n != 1) return NULL;
    return second ? label : transformed(p, label);
}

static void name_axes(curves_plan *p) {
    const fv_options *o = p->view->options;
    const char *x = p->x ? fv_series_label(p->view->scratch, p->x) : "training step";
    p->xlabel = fv_options_text(o, "xlabel", x);
    p->ylabel = fv_options_text(o, "ylabel", axis_label(p, false));
    p->y2label = fv_options_text(o, "y2label", axis_label(p, true));
}

// --- colours and legend ------------------------------------------------------------------------

// Series have distinct colours; beside a second axis the first one is black, as the quantity that
// the others explain. Values of a numeric field lie on the colour scale.
static unsigned slot_colour(const curves_plan *p, int s) {
    if (!p->slots.any_second) return fv_colour_name(s);
    return s == 0 ? FV_INK : fv_colour_name(s - 1);
}

static unsigned group_colour(const curves_plan *p, int group) {
    const fv_partition *colours = &p->colours;
    bool numeric = colours->n_fields == 1 && (colours->fields[0]->type == FV_TYPE_INT ||
                                              colours->fields[0]->type == FV_TYPE_REAL);
    if (colours->n <= 2 || !numeric) return fv_colour_name(group);
    return fv_colour_line((double)group / (colours->n - 1));
}

static fv_status make_legend(curves_plan *p, fv_error *error) {
    bool by_group = p->colours.n > 1, by_slot = p->slots.n > 1;
    int n = (by_group ? p->colours.n : 0) + (by_slot ? p->slots.n : 0), k = 0;
    fv_legend_entry *legend = fv_scratch_get(p->view->scratch, (size_t)n, sizeof *legend);
    if (legend == NULL) return no_memory(error);
    for (int c = 0; by_group && c < p->colours.n; c++) {
        const char *text = fv_runs_label(p->view, p->colours.first[c], &p->colours);
        if (text == NULL) return no_memory(error);
        legend[k++] = (fv_legend_entry){text, group_colour(p, c), FV_MARK_LINE};
    }
    for (int s = 0; by_slot && s < p->slots.n; s++)
        legend[k++] =
            (fv_legend_entry){p->slots.items[s].label, by_group ? FV_INK : slot_colour(p, s),
                              by_group ? (fv_mark)(s % 3) : FV_MARK_LINE};
    p->sheet.legend = legend;
    p->sheet.n_legend = n;
    return FV_OK;
}

// --- one panel ---------------------------------------------------------------------------------

static fv_status transform_of(const curves_plan *p, int run, double *minus, double *over,
                              fv_error *error) {
    const struct {
        const char *key;
        double *value, otherwise;
    } both[] = {{"minus", minus, 0}, {"over", over, 1}};
    for (int i = 0; i < 2; i++) {
        const char *expression = fv_options_text(p->view->options, both[i].key, NULL);
        *both[i].value = both[i].otherwise;
        if (expression == NULL) continue;
        fv_status status = fv_measure(expression, p->view->runs.records[run], both[i].value, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static bool typical(const curves_plan *p) {
    return strcmp(fv_options_text(p->view->options, "center", "median"), "typical") == 0;
}

// Reads the line of slot s and colour c in panel i; one without any run stays empty.
static fv_status read_line(curves_plan *p, int i, int s, int c, curve_line *out, fv_error *error) {
    const fv_runs *runs = &p->view->runs;
    const fv_slot *slot = &p->slots.items[s];
    *out = (curve_line){.second = slot->second,
                        .colour = p->colours.n > 1 ? group_colour(p, c) : slot_colour(p, s),
                        .mark = p->colours.n > 1 ? (fv_mark)(s % 3) : FV_MARK_LINE};
    out->runs = fv_scratch_get(p->view->scratch, (size_t)runs->n, sizeof *out->runs);
    if (out->runs == NULL) return no_memory(error);
    for (int r = 0; r < runs->n; r++) {
        if (p->panels.group[r] != i || p->colours.group[r] != c) continue;
        double minus = 0, over = 1;
        fv_status status = FV_OK;
        if (!slot->second) status = transform_of(p, r, &minus, &over, error);
        if (status == FV_OK)
            status = fv_curve_read(p->view->scratch, runs->records[r], p->x, slot->series, minus,
                                   over, &out->runs[out->n_runs], error);
        if (status != FV_OK) return status;
        if (out->runs[out->n_runs].n > 0) out->n_runs++;
    }
    if (out->n_runs > 1 && typical(p))
        return fv_curve_copy(p->view->scratch, &out->runs[fv_curve_typical(out->runs, out->n_runs)],
                             &out->strong, error);
    if (out->n_runs > 1 && p->x == NULL)
        return fv_curve_median(p->view->scratch, out->runs, out->n_runs, &out->strong, error);
    return FV_OK;
}

static fv_status read_panel(curves_plan *p, int i, fv_error *error) {
    p->n_lines = 0;
    for (int s = 0; s < p->slots.n; s++)
        for (int c = 0; c < p->colours.n; c++) {
            fv_status status = read_line(p, i, s, c, &p->lines[p->n_lines], error);
            if (status != FV_OK) return status;
            p->n_lines += p->lines[p->n_lines].n_runs > 0;
        }
    return FV_OK;
}

static bool shows(const fv_curve *curve, int i, double left, double right) {
    return !(curve->x[i] < left) && !(curve->x[i] > right);
}

static void add_to_scales(fv_panel *panel, const curve_line *line, double left, double right) {
    fv_scale *y = line->second ? &panel->y2 : &panel->y;
    for (int r = 0; r < line->n_runs; r++) {
        const fv_curve *curve = &line->runs[r];
        for (int i = 0; i < curve->n; i++) {
            if (!shows(curve, i, left, right)) continue;
            fv_scale_add(&panel->x, curve->x[i]);
            fv_scale_add(y, curve->y[i]);
        }
    }
}

static fv_status set_scales(const curves_plan *p, int run, fv_panel *panel, fv_error *error) {
    const fv_options *o = p->view->options;
    double left = fv_figure_number(o, "xmin"), right = fv_figure_number(o, "xmax");
    fv_scale_init(&panel->x, fv_figure_flag(o, "xlog", false));
    fv_scale_init(&panel->y, fv_figure_flag(o, "ylog", false));
    fv_scale_init(&panel->y2, fv_figure_flag(o, "y2log", false));
    for (int l = 0; l < p->n_lines; l++) add_to_scales(panel, &p->lines[l], left, right);
    // The last point is logged some steps before the end, where the axis should end.
    if (p->x == NULL) fv_scale_add(&panel->x, p->view->runs.records[run]->steps);
    const fv_option *lines = fv_options_find(o, "lines");
    for (int v = 0; lines != NULL && v < lines->n_values; v++) {
        double value;
        fv_status status = fv_measure(lines->values[v], p->view->runs.records[run], &value, error);
        if (status != FV_OK) return status;
        fv_scale_add(&panel->y, value);
    }
    fv_scale_finish(&panel->x, left, right, p->x ? 0.03 : 0);
    fv_scale_finish(&panel->y, fv_figure_number(o, "ymin"), fv_figure_number(o, "ymax"), 0.05);
    fv_scale_finish(&panel->y2, fv_figure_number(o, "y2min"), fv_figure_number(o, "y2max"), 0.05);
    return FV_OK;
}

static void write_points(fv_panel *panel, const fv_curve *curve, bool band) {
    fv_panel_block_begin(panel);
    for (int i = 0; i < curve->n; i++) {
        if (!isfinite(curve->y[i])) {
            fputs("\n", panel->script); // a gap
            continue;
        }
        if (band)
            fprintf(panel->script, "%.7g %.7g %.7g\n", curve->x[i], curve->low[i], curve->high[i]);
        else
            fprintf(panel->script, "%.7g %.7g\n", curve->x[i], curve->y[i]);
    }
}

static void draw_line(fv_panel *panel, const fv_curve *curve, const curve_line *line, double width,
                      unsigned transparency) {
    static const char *const dashes[] = {"solid", "(10,5)", "(2,4)"};
    write_points(panel, curve, false);
    fv_panel_block_end(panel,
                       "using 1:2 axes x1y%d with lines lw %g dt %s lc rgb '#%02x%06x' notitle",
                       line->second ? 2 : 1, width, dashes[line->mark], transparency, line->colour);
}

// Where the curve runs, so that labels keep away.
static void keep_clear(curves_plan *p, const fv_panel *panel, const fv_curve *curve, bool second) {
    const fv_scale *y = second ? &panel->y2 : &panel->y;
    for (int i = 1; i < curve->n; i++) {
        if (!isfinite(curve->y[i - 1]) || !isfinite(curve->y[i])) continue;
        fv_obstacles_add_segment(&p->obstacles, fv_panel_x(panel, curve->x[i - 1]),
                                 panel->height * (1 - fv_scale_place(y, curve->y[i - 1])),
                                 fv_panel_x(panel, curve->x[i]),
                                 panel->height * (1 - fv_scale_place(y, curve->y[i])));
    }
}

static void draw_faint(curves_plan *p, fv_panel *panel, curve_line *line, const char *spread) {
    if (line->n_runs < 2) return;
    if (strcmp(spread, "band") == 0 && line->strong.low != NULL) {
        write_points(panel, &line->strong, true);
        fv_panel_block_end(panel,
                           "using 1:2:3 axes x1y%d with filledcurves lc rgb '#d0%06x' notitle",
                           line->second ? 2 : 1, line->colour);
    }
    for (int r = 0; r < line->n_runs; r++) {
        fv_curve_thin(&line->runs[r], MOST_FAINT_POINTS);
        if (strcmp(spread, "lines") == 0)
            draw_line(panel, &line->runs[r], line, 0.8, line->strong.n > 0 ? 0xa8 : 0);
        if (strcmp(spread, "none") != 0) keep_clear(p, panel, &line->runs[r], line->second);
    }
}

static void draw_strong(curves_plan *p, fv_panel *panel, curve_line *line) {
    fv_curve *curve = line->n_runs > 1 ? &line->strong : &line->runs[0];
    if (curve->n == 0) return;
    fv_curve_thin(curve, MOST_POINTS);
    draw_line(panel, curve, line, 1.9, 0);
    keep_clear(p, panel, curve, line->second);
}

// --- reference lines ---------------------------------------------------------------------------

// Puts the label above or below the line, at the first place from the right where nothing is drawn.
static void place_label(curves_plan *p, fv_panel *panel, double y, const char *text) {
    double width = fv_text_width(text, 10.5), best_x = 0, best_y = 0;
    int fewest = -1;
    for (int k = 0; k < 20 && fewest != 0; k++) {
        double right = panel->width * (1 - 0.1 * (k / 2)) - 4;
        double middle = y + (k % 2 ? 9 : -9);
        fv_box box = {right - width, middle - 7, right, middle + 7};
        if (box.left < 2 || box.top < 0 || box.bottom > panel->height) continue;
        int hits = fv_obstacles_hits(&p->obstacles, box);
        if (fewest >= 0 && hits >= fewest) continue;
        fewest = hits;
        best_x = right;
        best_y = middle;
    }
    if (fewest < 0) return;
    fv_panel_text(panel, best_x, best_y, 'r', 10.5, FV_QUIET, text);
    fv_obstacles_add(&p->obstacles, (fv_box){best_x - width, best_y - 7, best_x, best_y + 7});
}

static fv_status draw_reference(curves_plan *p, int run, int v, fv_panel *panel, fv_error *error) {
    const fv_options *o = p->view->options;
    const char *expression = fv_options_find(o, "lines")->values[v];
    const fv_option *names = fv_options_find(o, "line_labels");
    double value;
    fv_status status = fv_measure(expression, p->view->runs.records[run], &value, error);
    if (status != FV_OK || !isfinite(value)) return status;
    if (value < panel->y.low || value > panel->y.high) return FV_OK;
    const char *name = names != NULL && v < names->n_values
                           ? names->values[v]
                           : fv_expression_short(p->view->scratch, expression);
    char *text = name ? fv_scratch_text(p->view->scratch, "%s = %.4g", name, value) : NULL;
    if (text == NULL) return no_memory(error);
    bool bare = strspn(expression, "0123456789.+-eE") == strlen(expression) && names == NULL;
    place_label(p, panel, fv_panel_y(panel, value), bare ? expression : text);
    return FV_OK;
}

static fv_status write_reference(const curves_plan *p, int run, int v, fv_panel *panel,
                                 fv_error *error) {
    double value;
    fv_status status = fv_measure(fv_options_find(p->view->options, "lines")->values[v],
                                  p->view->runs.records[run], &value, error);
    if (status != FV_OK || !isfinite(value)) return status;
    fv_panel_block_begin(panel);
    fprintf(panel->script, "%.9g %.9g\n%.9g %.9g\n", panel->x.low, value, panel->x.high, value);
    fv_panel_block_end(panel, "using 1:2 with lines lw 1.2 dt (7,5) lc rgb '#%06x' notitle",
                       FV_REFERENCE);
    return FV_OK;
}

// --- the sheet ---------------------------------------------------------------------------------

static fv_status draw_panel(curves_plan *p, int i, fv_error *error) {
    fv_panel panel;
    const fv_options *o = p->view->options;
    const fv_option *lines = fv_options_find(o, "lines");
    int run = p->panels.first[i], n_references = lines ? lines->n_values : 0;
    const char *spread = fv_options_text(o, "spread", "lines");
    const char *title = fv_runs_title(p->view, run, &p->panels, &p->colours);
    if (title == NULL) return no_memory(error);
    fv_status status = fv_panel_begin(&panel, &p->sheet, i, title);
    if (status != FV_OK) return no_memory(error);
    p->obstacles.n = 0;

    status = read_panel(p, i, error);
    if (status == FV_OK) status = set_scales(p, run, &panel, error);
    if (status != FV_OK) goto fail;
    int column = i % p->sheet.columns;
    bool last = column == p->sheet.columns - 1 || i == p->sheet.n - 1;
    fv_panel_axes(&panel, p->xlabel, column == 0 ? p->ylabel : NULL, last ? p->y2label : NULL,
                  p->slots.any_second);
    for (int v = 0; status == FV_OK && v < n_references; v++)
        status = write_reference(p, run, v, &panel, error);
    for (int l = 0; l < p->n_lines; l++) draw_faint(p, &panel, &p->lines[l], spread);
    for (int l = p->n_lines - 1; l >= 0; l--) draw_strong(p, &panel, &p->lines[l]);
    for (int v = 0; status == FV_OK && v < n_references; v++)
        status = draw_reference(p, run, v, &panel, error);
    if (status != FV_OK) goto fail;
    return fv_panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
fail:
    fv_panel_drop(&panel);
    return status;
}

static fv_status split(const fv_figure_view *view, fv_partition *panels, fv_partition *colours,
                       fv_error *error) {
    const fv_partition *const both[] = {colours, panels};
    fv_status status = fv_runs_split(view, "color", true, NULL, 0, colours, error);
    if (status == FV_OK) status = fv_runs_split(view, "panel", false, both, 1, panels, error);
    if (status == FV_OK) status = fv_runs_check_alike(view, both, 2, error);
    return status;
}

static fv_status check(const fv_figure_view *view, fv_error *error) {
    fv_partition panels, colours;
    const char *spread = fv_options_text(view->options, "spread", "lines");
    const char *center = fv_options_text(view->options, "center", "median");
    if (strcmp(spread, "band") == 0 && strcmp(center, "typical") == 0)
        return fv_figure_fail(view, "spread", error,
                              "a band belongs to the median; use `center: median` or `spread: "
                              "lines`");
    return split(view, &panels, &colours, error);
}

static void set_note(curves_plan *p) {
    const char *spread = fv_options_text(p->view->options, "spread", "lines");
    int most = 0;
    for (int i = 0; i < p->panels.n; i++)
        for (int c = 0; c < p->colours.n; c++) {
            int seeds = 0;
            for (int r = 0; r < p->view->runs.n; r++)
                seeds += p->panels.group[r] == i && p->colours.group[r] == c;
            if (seeds > most) most = seeds;
        }
    if (most < 2 || (p->x != NULL && !typical(p))) return;
    p->sheet.note = fv_scratch_text(
        p->view->scratch, typical(p) ? "the most typical of %d seeds%s" : "median over %d seeds%s",
        most,
        strcmp(spread, "lines") == 0  ? " (strong) and each seed (faint)"
        : strcmp(spread, "band") == 0 ? " and the range from lowest to highest"
                                      : "");
}

static fv_status draw(fv_figure_view *view, fv_error *error) {
    curves_plan plan = {.view = view};
    const fv_options *o = view->options;
    fv_status status = split(view, &plan.panels, &plan.colours, error);
    if (status == FV_OK) status = fv_slots_read(view, &plan.slots, error);
    if (status == FV_OK) status = make_legend(&plan, error);
    if (status != FV_OK) return status;
    const char *x = fv_options_text(o, "x", "step");
    plan.x = strcmp(x, "step") == 0 ? NULL : x;
    name_axes(&plan);
    set_note(&plan);
    size_t n_lines = (size_t)plan.slots.n * (size_t)plan.colours.n + 1;
    plan.lines = fv_scratch_get(view->scratch, n_lines, sizeof *plan.lines);
    plan.obstacles.boxes = fv_scratch_get(view->scratch, MOST_BOXES, sizeof(fv_box));
    plan.obstacles.capacity = MOST_BOXES;
    if (plan.lines == NULL || plan.obstacles.boxes == NULL) return no_memory(error);

    bool single = plan.panels.n == 1;
    plan.sheet.script = view->script;
    plan.sheet.n = plan.panels.n;
    plan.sheet.columns = (int)fv_options_number(o, "columns", 0);
    plan.sheet.panel_width = single ? 440 : 0;
    plan.sheet.panel_height = single ? 300 : 0;
    plan.sheet.pad_right = plan.slots.any_second ? 58 : 16;
    plan.sheet.title = fv_options_text(o, "title", NULL);
    fv_sheet_plan(&plan.sheet);
    fv_sheet_begin(&plan.sheet);
    for (int i = 0; i < plan.panels.n; i++) {
        status = draw_panel(&plan, i, error);
        if (status != FV_OK) return status;
    }
    fv_sheet_end(&plan.sheet);
    view->width = plan.sheet.width;
    view->height = plan.sheet.height;
    return FV_OK;
}

const fv_figure_kind fv_figure_curves = {
    .name = "curves",
    .help = "series over training steps",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example =
        "{kind: curves, y: perplexity, panel: task.vocab_size, lines: [task.vocab_size / 2]}",
    .check = check,
    .draw = draw,
};
