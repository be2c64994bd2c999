// Curves: series over training steps, one panel a setting, one line a series (or a value of the
// field `color`). A line with several seeds shows each of them faintly and their median strongly,
// because a single seed of a model this small proves little.
//
// A run that diverged ends in a cross where it has its last point.
#include "figures/colour.h"
#include "figures/curves.h"
#include "figures/diverged.h"
#include "figures/empty.h"
#include "figures/tics.h"

#include <math.h>
#include <string.h>

static const figure_option options[] = {
    {"y", FV_OPTION_SERIES, true, NULL, "series drawn against the left axis"},
    {"y2", FV_OPTION_SERIES, false, NULL, "series drawn against a second axis on the right"},
    {"x", FV_OPTION_ONE_SERIES, false, NULL,
     "`step`, `flops` for the operations of training up to it, or a series"},
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

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

// --- names of the axes -------------------------------------------------------------------------

// "(perplexity - 1) / V"
static const char *transformed(const curve_set *p, const char *label) {
    figure_scratch *scratch = p->view->scratch;
    const char *minus = fv_options_text(p->view->options, "minus", NULL);
    const char *over = fv_options_text(p->view->options, "over", NULL);
    if (minus != NULL && label != NULL)
        label = scratch_text(scratch, over ? "(%s − %s)" : "%s − %s", label,
                             expression_operand(scratch, minus));
    if (over != NULL && label != NULL)
        label = scratch_text(scratch, "%s / %s", label, expression_operand(scratch, over));
    return label;
}

// An axis with one series bears its name; the legend tells several apart.
static const char *axis_label(const curve_set *p, bool second) {
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

static void name_axes(curve_set *p) {
    const fv_options *o = p->view->options;
    const char *x = p->x          ? series_label(p->view->scratch, p->x)
                    : p->in_flops ? "operations of training"
                                  : "training step";
    p->xlabel = fv_options_text(o, "xlabel", x);
    p->ylabel = fv_options_text(o, "ylabel", axis_label(p, false));
    p->y2label = fv_options_text(o, "y2label", axis_label(p, true));
}

// --- colours and legend ------------------------------------------------------------------------

// Series have distinct colours; beside a second axis the first one is black, as the quantity that
// the others explain.
static unsigned slot_colour(const curve_set *p, int s) {
    if (!p->slots.any_second) return colour_name(s);
    return s == 0 ? FV_INK : colour_name(s - 1);
}

unsigned curves_colour(const curve_set *p, int s, int c) {
    return p->colours.n > 1 ? groups_colour(&p->groups, c) : slot_colour(p, s);
}

// Dashes tell series apart where colours tell groups apart, else what has the same colour.
figure_mark curves_dash(const curve_set *p, int s, int c) {
    if (p->colours.n <= 1) return dash_of(s - (p->slots.any_second && s > 0));
    if (p->slots.n > 1) return (figure_mark)(s % 4);
    return p->groups.numeric ? FV_MARK_LINE : dash_of(c);
}

static fv_status list_groups(const curve_set *p, legend_entry *legend, int *n, fv_error *error) {
    for (int k = 0; k < p->colours.n; k++) {
        int c = groups_ranked(&p->groups, k);
        const char *text = runs_label(p->view, p->colours.first[c], &p->colours);
        if (text == NULL) return no_memory(error);
        if (curves_outside(p, -1, c)) text = outside_name(p->view->scratch, text);
        figure_mark mark = p->slots.n > 1 ? FV_MARK_LINE : curves_dash(p, 0, c);
        legend[(*n)++] = (legend_entry){text, curves_colour(p, 0, c), mark};
    }
    return FV_OK;
}

// What may be left out comes first: groups, then series; reference lines and crosses stay.
static fv_status make_legend(curve_set *p, fv_error *error) {
    bool by_group = p->colours.n > 1, by_slot = p->slots.n > 1;
    size_t most = (size_t)p->colours.n + (size_t)p->slots.n + (size_t)curves_n_references(p) + 1;
    legend_entry *legend = scratch_get(p->view->scratch, most, sizeof *legend);
    int n = 0;
    if (legend == NULL) return no_memory(error);
    fv_status status = by_group && !p->groups.bar ? list_groups(p, legend, &n, error) : FV_OK;
    p->sheet.legend_of = n > 0 && !by_slot ? groups_noun(&p->groups) : n > 0 ? "names" : "series";
    for (int s = 0; by_slot && s < p->slots.n; s++) {
        const char *text = p->slots.items[s].label;
        if (curves_outside(p, s, -1)) text = outside_name(p->view->scratch, text);
        legend[n++] =
            (legend_entry){text, by_group ? FV_INK : slot_colour(p, s), curves_dash(p, s, 0)};
    }
    int n_ordinary = n;
    if (status == FV_OK) status = curves_list_references(p, legend, &n, error);
    if (runs_diverged(p->view) > 0) legend[n++] = diverged_entry();
    p->sheet.legend = legend;
    p->sheet.n_legend = n;
    p->sheet.n_last = n - n_ordinary;
    return status;
}

// --- the sheet ---------------------------------------------------------------------------------

static fv_status fill_panel(curve_set *p, int i, figure_panel *panel, fv_error *error) {
    fv_status status = curves_read(p, i, error);
    if (status == FV_OK) status = curves_set_scales(p, i, panel, error);
    if (status != FV_OK) return status;
    int column = i % p->sheet.columns;
    bool last = column == p->sheet.columns - 1 || i == p->sheet.n - 1;
    panel_axes(panel, p->xlabel, column == 0 ? p->ylabel : NULL, last ? p->y2label : NULL,
               p->slots.any_second);
    status = curves_draw_references(p, i, panel, error);
    if (status != FV_OK) return status;
    curves_draw(p, panel);
    groups_draw_bar(&p->groups, panel, i);
    empty_panel(&p->empty, panel, curves_reason(p, panel));
    return curves_name_references(p, i, panel, error);
}

static const char *panel_title(const curve_set *p, int i) {
    return runs_title(p->view, p->panels.first[i], &p->panels, &p->colours);
}

static fv_status draw_panel(curve_set *p, int i, fv_error *error) {
    figure_panel panel;
    const char *title = panel_title(p, i);
    if (title == NULL || panel_begin(&panel, &p->sheet, i, title) != FV_OK) return no_memory(error);
    fv_status status = fill_panel(p, i, &panel, error);
    if (status == FV_OK && panel_end(&panel) != FV_OK) status = no_memory(error);
    panel_drop(&panel);
    return status;
}

static fv_status split(const figure_view *view, figure_partition *panels, figure_partition *colours,
                       fv_error *error) {
    const figure_partition *const both[] = {colours, panels};
    fv_status status = runs_split(view, "color", true, NULL, 0, colours, error);
    if (status == FV_OK) status = runs_split(view, "panel", false, both, 1, panels, error);
    if (status == FV_OK) runs_leave(view, panels, colours);
    if (status == FV_OK) status = runs_check_alike(view, both, 2, error);
    return status;
}

static fv_status check(const figure_view *view, fv_error *error) {
    figure_partition panels, colours;
    const char *spread = fv_options_text(view->options, "spread", "lines");
    const char *center = fv_options_text(view->options, "center", "median");
    if (strcmp(spread, "band") == 0 && strcmp(center, "typical") == 0)
        return figure_fail(view, "spread", error,
                           "a band belongs to the median; use `center: median` or `spread: "
                           "lines`");
    return split(view, &panels, &colours, error);
}

// The most runs that one line of a panel stands for.
static int most_seeds(const curve_set *p) {
    size_t n = (size_t)p->panels.n * (size_t)p->colours.n;
    int most = 0, *seeds = scratch_get(p->view->scratch, n, sizeof *seeds);
    for (int r = 0; seeds != NULL && r < p->view->runs.n; r++) {
        int *own = &seeds[p->panels.group[r] * p->colours.n + p->colours.group[r]];
        if (++*own > most) most = *own;
    }
    return most;
}

// What the lines stand for: "median over 5 seeds (strong) and each seed (faint)", or NULL.
static const char *seeds_note(const curve_set *p) {
    const char *spread = fv_options_text(p->view->options, "spread", "lines"), *also = "";
    int most = most_seeds(p), n_faint = curves_most_faint(p);
    if (most < 2 || (p->x != NULL && !curves_typical(p))) return NULL;
    if (strcmp(spread, "band") == 0) also = " and the range from lowest to highest";
    if (strcmp(spread, "lines") == 0)
        also = most <= n_faint
                   ? " (strong) and each seed (faint)"
                   : scratch_text(p->view->scratch, " (strong) and %d of them (faint)", n_faint);
    return scratch_text(p->view->scratch,
                        curves_typical(p) ? "the most typical of %d seeds%s"
                                          : "median over %d seeds%s",
                        most, also != NULL ? also : "");
}

static double panel_height(const curve_set *p) {
    return p->panels.n == 1 ? 300 : 230;
}

// Room for the numbers beside the panels, and the name of the axis.
static fv_status measure_pads(curve_set *p, double *left, double *right, fv_error *error) {
    fv_status status = FV_OK;
    *left = 58;
    *right = p->slots.any_second ? 58 : 16;
    for (int i = 0; i < p->panels.n && status == FV_OK; i++) {
        figure_panel panel = {0};
        status = curves_read(p, i, error);
        if (status == FV_OK) status = curves_set_scales(p, i, &panel, error);
        if (status != FV_OK) break;
        curves_find_inside(p, &panel);
        *left = fmax(*left, tics_width(&panel.y, panel_height(p)) + FV_SHEET_BESIDE);
        if (p->slots.any_second)
            *right = fmax(*right, tics_width(&panel.y2, panel_height(p)) + FV_SHEET_BESIDE);
    }
    return status;
}

static fv_status plan_sheet(curve_set *p, fv_error *error) {
    const fv_options *o = p->view->options;
    bool single = p->panels.n == 1;
    double left, right;
    fv_status status = measure_pads(p, &left, &right, error);
    if (status != FV_OK) return status;
    p->sheet = (figure_sheet){.script = p->view->script,
                              .n = p->panels.n,
                              .columns = (int)fv_options_number(o, "columns", 0),
                              .panel_width = single ? 440 : 0,
                              .panel_height = panel_height(p),
                              .pad_left = left,
                              .pad_right = right,
                              .title = fv_options_text(o, "title", NULL),
                              .note = diverged_note(p->view, seeds_note(p)),
                              .xlabel = p->xlabel,
                              .ylabel = p->ylabel,
                              .y2label = p->y2label};
    status = make_legend(p, error);
    groups_plan_bar(&p->groups, &p->sheet);
    if (status != FV_OK) return status;
    for (int i = 0; i < p->panels.n; i++) sheet_room_for(&p->sheet, panel_title(p, i));
    sheet_plan(&p->sheet);
    return obstacles_init(&p->obstacles, p->view->scratch, p->sheet.panel_width,
                          p->sheet.panel_height)
               ? FV_OK
               : no_memory(error);
}

// Plans the sheet, looks for the names of the reference lines, and plans again with those in the
// legend that have no room elsewhere.
static fv_status plan(curve_set *p, fv_error *error) {
    int n_listed;
    p->all = scratch_get(p->view->scratch, (size_t)p->panels.n, sizeof *p->all);
    p->found =
        scratch_get(p->view->scratch, (size_t)p->slots.n * (size_t)p->colours.n, sizeof *p->found);
    size_t n_curves = (size_t)p->slots.n * (size_t)p->view->runs.n;
    p->crosses = scratch_get(p->view->scratch, n_curves, sizeof *p->crosses);
    if (p->all == NULL || p->found == NULL || p->crosses == NULL) return no_memory(error);
    fv_status status = plan_sheet(p, error);
    if (status == FV_OK) status = curves_choose_names(p, &n_listed, error);
    return status == FV_OK && n_listed > 0 ? plan_sheet(p, error) : status;
}

static fv_status draw(figure_view *view, fv_error *error) {
    curve_set p = {.view = view};
    fv_status status = split(view, &p.panels, &p.colours, error);
    if (status == FV_OK) status = groups_init(view, &p.colours, &p.groups, error);
    if (status == FV_OK) status = slots_read(view, &p.slots, error);
    if (status != FV_OK) return status;
    const char *x = fv_options_text(view->options, "x", "step");
    p.in_flops = strcmp(x, "flops") == 0;
    p.x = p.in_flops || strcmp(x, "step") == 0 ? NULL : x;
    name_axes(&p);
    status = plan(&p, error);
    if (status != FV_OK) return status;
    sheet_begin(&p.sheet);
    for (int i = 0; i < p.panels.n && status == FV_OK; i++) status = draw_panel(&p, i, error);
    sheet_end(&p.sheet);
    empty_figure(&p.empty, view, p.panels.n);
    view->width = p.sheet.width;
    view->height = p.sheet.height;
    return status;
}

const figure_kind figure_curves = {
    .name = "curves",
    .help = "series over training steps",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example =
        "{kind: curves, y: perplexity, panel: task.vocab_size, lines: [task.vocab_size / 2]}",
    .needs = "train: {steps: 500}\nsweep: {task.vocab_size: [4, 10, 100]}",
    .check = check,
    .draw = draw,
};
