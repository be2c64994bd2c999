// Scaling: a measure of whole runs against a field, and the power law through it. Each run is a
// point, a line joins the medians over seeds.
//
// Measures are mostly times ("when does recall emerge?"), and some never come. Such a run is an
// open triangle at the step where it ended, the median counts it as later than everything, and the
// power law knows it as a lower bound (measures/power_fit.h): a law through the successes alone
// would be too flat. A run that diverged is a cross along the upper edge: the median counts it in
// the same way, and the power law leaves it out, since how long it lasted says nothing about the
// time that was asked for.
#include "figures/colour.h"
#include "figures/crosses.h"
#include "figures/diverged.h"
#include "figures/empty.h"
#include "figures/groups.h"
#include "figures/kind.h"
#include "figures/legend.h"
#include "figures/runs.h"
#include "figures/sheet.h"
#include "figures/tics.h"
#include "measures/power_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_POINTS = 48 };

static const figure_option options[] = {
    {"x", FV_OPTION_FIELDS, true, NULL,
     "field along the x axis; several, or one that is no number, with a `place` for each run"},
    {"y", FV_OPTION_MEASURE, true, NULL, "what is measured of each run"},
    {"place", FV_OPTION_MEASURE, false, NULL,
     "where along the x axis a run stands; at its value of x if not given"},
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values; `none` for a single panel; if not "
     "given, the fields that differ between the runs, but x and color"},
    {"color", FV_OPTION_FIELDS, false, NULL, "points within a panel are coloured by these fields"},
    {"labels", FV_OPTION_TEXTS, false, NULL,
     "names of the colours, in their order; what differs between them if not given"},
    {"fit", FV_OPTION_CHOICE, false, "power",
     "draws the power law through all runs of a colour and says its exponent with a 95 % interval; "
     "runs without a value count as later than their last step"},
    {"xlog", FV_OPTION_BOOL, false, NULL, "logarithmic x axis; true with a fit, if not given"},
    {"ylog", FV_OPTION_BOOL, false, NULL, "logarithmic y axis; true with a fit, if not given"},
    {"ymin", FV_OPTION_NUMBER, false, NULL, "lower end of the y axis"},
    {"ymax", FV_OPTION_NUMBER, false, NULL, "upper end of the y axis"},
    {"xlabel", FV_OPTION_TEXT, false, NULL, "name of the x axis"},
    {"ylabel", FV_OPTION_TEXT, false, NULL, "name of the y axis"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

typedef struct scaling {
    figure_view *view;
    figure_partition x, panels, colours;
    figure_groups groups;  // of `colours`
    double *place;         // [runs] value of the field x, or of the measure `place`
    double *measured;      // [runs] NAN: never
    power_point *points;   // [runs] room for those of one colour
    double *values;        // [runs] room for those at one place
    figure_cross *crosses; // [runs] room for those of a panel
    bool fits, any_never;
    int most_seeds;
    figure_sheet sheet;
    figure_empty empty;
} scaling;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

static fv_status split(scaling *s, fv_error *error) {
    const figure_partition *const all[] = {&s->x, &s->colours, &s->panels};
    fv_status status = runs_split(s->view, "x", true, NULL, 0, &s->x, error);
    if (status == FV_OK) status = runs_split(s->view, "color", true, NULL, 0, &s->colours, error);
    if (status == FV_OK) status = runs_split(s->view, "panel", false, all, 2, &s->panels, error);
    if (status == FV_OK) runs_leave(s->view, &s->panels, &s->colours);
    if (status == FV_OK) status = runs_check_alike(s->view, all, 3, error);
    if (status != FV_OK) return status;
    const fv_option *labels = fv_options_find(s->view->options, "labels");
    if (labels == NULL || labels->n_values == s->colours.n) return FV_OK;
    return figure_fail(s->view, "labels", error, "%d labels for %d colours; each takes one",
                       labels->n_values, s->colours.n);
}

// A number puts runs where its value is; layers, or several fields, have no scale but a measure.
static fv_status check_x(const figure_view *view, fv_error *error) {
    const fv_option *x = fv_options_find(view->options, "x");
    bool placed = fv_options_find(view->options, "place") != NULL;
    for (int i = 0; i < x->n_values; i++) {
        const fv_field *field = fv_field_find(x->values[i]);
        bool number = field != NULL && (field->type == FV_TYPE_INT || field->type == FV_TYPE_REAL);
        if (field == NULL || (!number && !placed))
            return figure_fail(view, "x", error, "%s is no number; choose a field that is one%s",
                               x->values[i], field != NULL ? ", or add `place`, a measure" : "");
    }
    if (x->n_values > 1 && !placed)
        return figure_fail(view, "x", error,
                           "`x` names %d fields, whose values have no scale in common; add "
                           "`place`, a measure such as state_bytes",
                           x->n_values);
    return runs_check_swept(view, "x", error);
}

static fv_status check(const figure_view *view, fv_error *error) {
    fv_status status = check_x(view, error);
    scaling s = {.view = (figure_view *)view};
    return status == FV_OK ? split(&s, error) : status;
}

// Without a value, which leaves a lower bound only where the run got to its end.
static bool has_diverged(const scaling *s, int r) {
    return isnan(s->measured[r]) && run_diverged(s->view, r);
}

static bool is_never(const scaling *s, int r) {
    return isnan(s->measured[r]) && !run_diverged(s->view, r);
}

static fv_status measure(scaling *s, fv_error *error) {
    const figure_runs *runs = &s->view->runs;
    const char *expression = fv_options_text(s->view->options, "y", "");
    const char *place = fv_options_text(s->view->options, "place", NULL);
    figure_scratch *scratch = s->view->scratch;
    size_t n = (size_t)runs->n;
    s->place = scratch_get(scratch, n, sizeof *s->place);
    s->measured = scratch_get(scratch, n, sizeof *s->measured);
    s->points = scratch_get(scratch, n, sizeof *s->points);
    s->values = scratch_get(scratch, n, sizeof *s->values);
    s->crosses = scratch_get(scratch, n, sizeof *s->crosses);
    if (!s->place || !s->measured || !s->points || !s->values || !s->crosses)
        return no_memory(error);
    for (int r = 0; r < runs->n; r++) {
        s->place[r] = place == NULL ? fv_config_number(runs->configs[r], s->x.fields[0]) : NAN;
        fv_status status = fv_measure(expression, runs->records[r], &s->measured[r], error);
        if (status == FV_OK && place != NULL)
            status = fv_measure(place, runs->records[r], &s->place[r], error);
        if (status != FV_OK) return status;
        const char *label = isnan(s->place[r]) ? runs_label(s->view, r, &s->x) : NULL;
        if (isnan(s->place[r]))
            return figure_fail(s->view, "place", error, "it has no value for a run of %s",
                               label != NULL ? label : s->x.fields[0]->key);
        s->any_never |= is_never(s, r);
    }
    return FV_OK;
}

// --- one colour of one panel -------------------------------------------------------------------

static bool belongs(const scaling *s, int r, int panel, int colour) {
    return s->panels.group[r] == panel && s->colours.group[r] == colour;
}

static double height_of(const scaling *s, int r) {
    return isnan(s->measured[r]) ? s->view->runs.records[r]->steps : s->measured[r];
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// Where the runs of group g of the x axis stand; NAN without runs.
static double place_of(const scaling *s, int g, int panel, int colour) {
    for (int r = 0; r < s->view->runs.n; r++)
        if (s->x.group[r] == g && belongs(s, r, panel, colour)) return s->place[r];
    return NAN;
}

// The median at group g of the x axis; NAN without runs, INFINITY where it is never.
static double median_at(scaling *s, int g, int panel, int colour) {
    int n = 0;
    for (int r = 0; r < s->view->runs.n; r++)
        if (s->x.group[r] == g && belongs(s, r, panel, colour))
            s->values[n++] = isnan(s->measured[r]) ? INFINITY : s->measured[r];
    if (n > s->most_seeds) s->most_seeds = n;
    if (n == 0) return NAN;
    qsort(s->values, (size_t)n, sizeof *s->values, by_value);
    return n % 2 ? s->values[n / 2] : 0.5 * (s->values[n / 2 - 1] + s->values[n / 2]);
}

static bool find_law(scaling *s, int panel, int colour, power_fit *fit) {
    int n = 0;
    for (int r = 0; r < s->view->runs.n; r++)
        if (belongs(s, r, panel, colour) && !has_diverged(s, r))
            s->points[n++] = (power_point){s->place[r], height_of(s, r), isnan(s->measured[r])};
    return s->fits && power_fit_find(s->points, n, fit);
}

static unsigned colour_of(const scaling *s, int colour) {
    return groups_colour(&s->groups, colour);
}

static void draw_runs(const scaling *s, figure_panel *panel, int i, int colour, bool never) {
    int n = 0;
    panel_block_begin(panel);
    for (int r = 0; r < s->view->runs.n; r++)
        if (belongs(s, r, i, colour) && !has_diverged(s, r) && is_never(s, r) == never)
            n += fprintf(panel->script, "%.9g %.9g\n", s->place[r], height_of(s, r));
    if (n == 0) fputs("NaN NaN\n", panel->script);
    panel_block_end(panel, "using 1:2 with points pt %d ps %g lw 1.2 lc rgb '#%06x' notitle",
                    never ? 8 : 7, never ? 0.9 : 0.5,
                    never ? colour_of(s, colour) : colour_pale(colour_of(s, colour), 0.55));
}

// Along the upper edge, where a median counts them.
static void draw_lost(const scaling *s, figure_panel *panel, int i) {
    int n = 0;
    for (int r = 0; r < s->view->runs.n; r++) {
        double x = panel_x(panel, s->place[r]);
        if (s->panels.group[r] == i && has_diverged(s, r) && isfinite(x))
            s->crosses[n++] =
                (figure_cross){.x = x, .y = 0.025 * panel->height, .line = s->colours.group[r]};
    }
    crosses_spread(s->crosses, n, panel->width, panel->height);
    for (int c = 0; c < s->colours.n; c++) {
        int n_own = 0;
        for (int k = 0; k < n; k++) {
            const figure_cross *cross = &s->crosses[k];
            if (cross->line != c) continue;
            if (n_own++ == 0) panel_block_begin(panel);
            fprintf(panel->script, "%.9g %.9g\n",
                    scale_value(&panel->x, cross->at_x / panel->width),
                    scale_value(&panel->y, 1 - cross->at_y / panel->height));
        }
        if (n_own > 0)
            panel_block_end(panel, "using 1:2 with points " FV_CROSS " lc rgb '#%06x' notitle",
                            colour_of(s, c));
    }
}

// Medians in the order of x; a place where the median is never breaks the line.
static void draw_medians(scaling *s, figure_panel *panel, int i, int colour) {
    double last = -INFINITY;
    bool any = false;
    panel_block_begin(panel);
    for (int k = 0; k < s->x.n; k++) {
        int next = -1;
        for (int g = 0; g < s->x.n; g++) {
            double place = place_of(s, g, i, colour);
            if (place > last && (next < 0 || place < place_of(s, next, i, colour))) next = g;
        }
        if (next < 0) break;
        last = place_of(s, next, i, colour);
        double median = median_at(s, next, i, colour);
        any = true;
        if (isinf(median))
            fputs("\n", panel->script);
        else
            fprintf(panel->script, "%.9g %.9g\n", last, median);
    }
    if (!any) fputs("NaN NaN\n", panel->script);
    panel_block_end(panel, "using 1:2 with %s lw 1.9 dt %s pt 7 ps 0.8 lc rgb '#%06x' notitle",
                    s->fits ? "points" : "linespoints",
                    s->groups.bar ? "solid" : dash_text(dash_of(colour)), colour_of(s, colour));
}

static void draw_law(figure_panel *panel, const power_fit *fit, unsigned colour) {
    const figure_scale *x = &panel->x;
    panel_block_begin(panel);
    for (int k = 0; k <= CURVE_POINTS; k++) {
        double share = (double)k / CURVE_POINTS;
        double at =
            x->log ? x->low * pow(x->high / x->low, share) : x->low + share * (x->high - x->low);
        if (at > 0) fprintf(panel->script, "%.9g %.9g\n", at, fit->factor * pow(at, fit->exponent));
    }
    panel_block_end(panel, "using 1:2 with lines lw 1.6 dt (9,5) lc rgb '#%06x' notitle", colour);
}

// "∝ n_pairs^2.31, 95 % from 2.05 to 2.60", or where runs stand elsewhere "∝ (2 * n_pairs)^2.31,
// ..."
static char *law_text(const scaling *s, const power_fit *fit) {
    const char *place = fv_options_text(s->view->options, "place", NULL);
    const char *at =
        place != NULL ? expression_short(s->view->scratch, place) : field_short(s->x.fields[0]);
    bool name = at != NULL && strpbrk(at, " +-*/(,") == NULL;
    return scratch_text(s->view->scratch,
                        name ? "∝ %s^%.2f, 95 %% from %.2f to %.2f"
                             : "∝ (%s)^%.2f, 95 %% from %.2f to %.2f",
                        at != NULL ? at : "x", fit->exponent, fit->low, fit->high);
}

// A single panel says its laws in the legend. Of several each says its own, in the corner that the
// law leaves free: a growing one the upper left, a falling one the right.
static void write_law(const scaling *s, figure_panel *panel, const power_fit *fit, int line,
                      unsigned colour) {
    bool grows = fit->exponent > 0;
    const char *text = law_text(s, fit);
    if (s->panels.n == 1 || text == NULL) return;
    panel_text(panel, grows ? 10 : panel->width - 10, 12 + 16.0 * line, grows ? 'l' : 'r', 10.5,
               colour, text);
}

// --- the sheet ---------------------------------------------------------------------------------

static void set_scales(const scaling *s, int i, figure_panel *panel) {
    const fv_options *o = s->view->options;
    scale_init(&panel->x, figure_flag(o, "xlog", s->fits));
    scale_init(&panel->y, figure_flag(o, "ylog", s->fits));
    for (int r = 0; r < s->view->runs.n; r++) {
        scale_add(&panel->x, s->place[r]); // all panels share it
        if (s->panels.group[r] == i && !has_diverged(s, r)) scale_add(&panel->y, height_of(s, r));
    }
    scale_finish(&panel->x, NAN, NAN, 0.06);
    scale_finish(&panel->y, figure_number(o, "ymin"), figure_number(o, "ymax"), 0.08);
}

// The smallest place beyond `last`; INFINITY without any.
static double next_place(const scaling *s, double last) {
    double next = INFINITY;
    for (int g = 0; g < s->x.n; g++)
        if (s->place[s->x.first[g]] > last) next = fmin(next, s->place[s->x.first[g]]);
    return next;
}

// The axis is labelled where there are runs, unless most such numbers would have no room.
static void write_places(const scaling *s, figure_panel *panel) {
    figure_tics tics;
    double last = -INFINITY;
    int n = 0; // as many as there can be groups of runs
    while (n < s->x.n && isfinite(last = next_place(s, last))) s->values[n++] = last;
    if (2 * tics_at(&panel->x, panel->width, true, s->values, n, &tics) >= tics.n)
        scale_write(&panel->x, &tics, panel->script, "x");
}

static const char *panel_title(const scaling *s, int i) {
    return s->panels.n > 1 ? runs_label(s->view, s->panels.first[i], &s->panels) : NULL;
}

// Where the axes are able to show run r, which diverged nowhere.
static bool is_drawable(const scaling *s, const figure_panel *panel, int r) {
    double height = height_of(s, r);
    return isfinite(height) && scale_shows(&panel->x, s->place[r]) &&
           scale_shows(&panel->y, height);
}

static bool is_inside(const scaling *s, const figure_panel *panel, int r) {
    return is_drawable(s, panel, r) && !has_diverged(s, r) && scale_holds(&panel->x, s->place[r]) &&
           scale_holds(&panel->y, height_of(s, r));
}

// Why the panel has no run with a value, or NULL where it has one or more.
static const char *reason_of(const scaling *s, int i, const figure_panel *panel) {
    int n = 0, n_lost = 0, n_never = 0, n_values = 0, n_inside = 0;
    for (int r = 0; r < s->view->runs.n; r++) {
        if (s->panels.group[r] != i) continue;
        n++;
        n_lost += has_diverged(s, r);
        n_never += is_never(s, r);
        n_values += !isnan(s->measured[r]) && is_drawable(s, panel, r);
        n_inside += is_inside(s, panel, r);
    }
    if (n_values > 0 && n_inside > 0) return NULL;
    const char *why = n_values > 0           ? FV_OUTSIDE
                      : n_lost == n          ? "every run diverged"
                      : n_lost + n_never < n ? "a logarithmic axis shows nothing that is 0 or "
                                               "negative, and no axis what is infinite"
                      : n_lost > 0           ? "every run diverged or ended before"
                                             : "not within any run";
    return scratch_text(
        s->view->scratch, "%s: %s",
        expression_short(s->view->scratch, fv_options_text(s->view->options, "y", "")), why);
}

static fv_status draw_panel(scaling *s, int i, fv_error *error) {
    figure_panel panel;
    const fv_options *o = s->view->options;
    if (s->sheet.xlabel == NULL || s->sheet.ylabel == NULL ||
        panel_begin(&panel, &s->sheet, i, panel_title(s, i)) != FV_OK)
        return no_memory(error);
    set_scales(s, i, &panel);
    panel_axes(&panel, s->sheet.xlabel, i % s->sheet.columns == 0 ? s->sheet.ylabel : NULL, NULL,
               false);
    if (fv_options_find(o, "place") == NULL) write_places(s, &panel);
    int n_laws = 0;
    for (int c = 0; c < s->colours.n; c++) {
        power_fit fit;
        draw_runs(s, &panel, i, c, false);
        draw_runs(s, &panel, i, c, true);
        draw_medians(s, &panel, i, c);
        if (!find_law(s, i, c, &fit)) continue;
        draw_law(&panel, &fit, colour_of(s, c));
        write_law(s, &panel, &fit, n_laws++, colour_of(s, c));
    }
    draw_lost(s, &panel, i);
    groups_draw_bar(&s->groups, &panel, i);
    empty_panel(&s->empty, &panel, reason_of(s, i, &panel));
    return panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

static const char *name_of(const scaling *s, int colour) {
    const fv_option *labels = fv_options_find(s->view->options, "labels");
    if (labels != NULL) return labels->values[colour];
    return s->colours.n > 1 ? runs_label(s->view, s->colours.first[colour], &s->colours) : "";
}

static const char *legend_text(scaling *s, int colour) {
    power_fit fit;
    const char *label = name_of(s, colour);
    if (s->panels.n > 1 || label == NULL || !find_law(s, 0, colour, &fit)) return label;
    const char *law = law_text(s, &fit);
    if (law == NULL || *label == '\0') return law;
    return scratch_text(s->view->scratch, "%s: %s", label, law);
}

// Whether the colour has runs that have a place, but in no panel between the ends of the axes.
static bool is_outside(const scaling *s, int colour) {
    int n_drawable = 0;
    for (int i = 0; i < s->panels.n; i++) {
        figure_panel panel;
        set_scales(s, i, &panel);
        for (int r = 0; r < s->view->runs.n; r++) {
            if (!belongs(s, r, i, colour) || has_diverged(s, r)) continue;
            if (is_inside(s, &panel, r)) return false;
            n_drawable += is_drawable(s, &panel, r);
        }
    }
    return n_drawable > 0;
}

static fv_status make_legend(scaling *s, fv_error *error) {
    int n = s->colours.n;
    legend_entry *legend = scratch_get(s->view->scratch, (size_t)n + 1, sizeof *legend);
    if (legend == NULL) return no_memory(error);
    for (int k = 0; k < n && !s->groups.bar; k++) {
        int c = groups_ranked(&s->groups, k);
        const char *text = legend_text(s, c);
        if (text == NULL) return no_memory(error);
        if (*text == '\0') continue; // one colour without a law
        if (is_outside(s, c)) text = outside_name(s->view->scratch, text);
        figure_mark mark = s->fits && s->panels.n == 1     ? FV_MARK_DASHED
                           : dash_of(n - 1) > FV_MARK_LINE ? dash_of(c) // colours come again
                                                           : FV_MARK_POINT;
        legend[s->sheet.n_legend++] = (legend_entry){text, colour_of(s, c), mark};
    }
    bool any_lost = false;
    for (int r = 0; r < s->view->runs.n; r++) any_lost |= has_diverged(s, r);
    if (any_lost) legend[s->sheet.n_legend++] = diverged_entry();
    s->sheet.n_last = any_lost;
    s->sheet.legend_of = groups_noun(&s->groups);
    s->sheet.legend = legend;
    return FV_OK;
}

static fv_status make_note(scaling *s, fv_error *error) {
    for (int p = 0; p < s->panels.n; p++)
        for (int c = 0; c < s->colours.n; c++)
            for (int g = 0; g < s->x.n; g++) median_at(s, g, p, c); // counts seeds
    bool several = s->most_seeds > 1;
    const char *never = s->any_never ? "△ not within the run, which ended there" : NULL;
    const char *note = several ? scratch_text(s->view->scratch, "medians over %d seeds%s%s",
                                              s->most_seeds, never ? "; " : "", never ? never : "")
                               : never;
    if (several && note == NULL) return no_memory(error);
    s->sheet.note = diverged_note(s->view, note);
    return FV_OK;
}

static void plan_sheet(scaling *s) {
    const fv_options *o = s->view->options;
    figure_scratch *scratch = s->view->scratch;
    const char *place = fv_options_text(o, "place", NULL);
    const char *x =
        place != NULL ? expression_short(scratch, place) : field_label(scratch, s->x.fields[0]);
    bool single = s->panels.n == 1;
    double height = single ? 300 : 230;
    s->sheet.pad_left = 58;
    for (int i = 0; i < s->panels.n; i++) {
        figure_panel panel;
        set_scales(s, i, &panel);
        s->sheet.pad_left = fmax(s->sheet.pad_left, tics_width(&panel.y, height) + FV_SHEET_BESIDE);
    }
    s->sheet.script = s->view->script;
    s->sheet.n = s->panels.n;
    s->sheet.columns = (int)fv_options_number(o, "columns", 0);
    s->sheet.panel_width = single ? 440 : 0;
    s->sheet.panel_height = height;
    s->sheet.title = fv_options_text(o, "title", NULL);
    s->sheet.xlabel = fv_options_text(o, "xlabel", x);
    s->sheet.ylabel =
        fv_options_text(o, "ylabel", expression_short(scratch, fv_options_text(o, "y", "")));
    groups_plan_bar(&s->groups, &s->sheet);
    for (int i = 0; i < s->panels.n; i++) sheet_room_for(&s->sheet, panel_title(s, i));
    sheet_plan(&s->sheet);
}

static fv_status draw(figure_view *view, fv_error *error) {
    scaling s = {.view = view};
    s.fits = fv_options_find(view->options, "fit") != NULL;
    fv_status status = split(&s, error);
    if (status == FV_OK) status = groups_init(view, &s.colours, &s.groups, error);
    if (status == FV_OK) status = measure(&s, error);
    if (status == FV_OK) status = make_legend(&s, error);
    if (status == FV_OK) status = make_note(&s, error);
    if (status != FV_OK) return status;
    plan_sheet(&s);
    sheet_begin(&s.sheet);
    for (int i = 0; status == FV_OK && i < s.panels.n; i++) status = draw_panel(&s, i, error);
    sheet_end(&s.sheet);
    empty_figure(&s.empty, view, s.panels.n);
    view->width = s.sheet.width;
    view->height = s.sheet.height;
    return status;
}

const figure_kind figure_scaling = {
    .name = "scaling",
    .help = "a measure of runs against a field, with a power law",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: scaling, x: task.vocab_size, y: \"emergence(accuracy, 0.5)\", fit: power}",
    .needs = "model: {n_embd: 8}\ntrain: {learning_rate: 1e-2, seed: 0..2}\nsweep: "
             "{task.vocab_size: [4, 8, 16]}",
    .check = check,
    .draw = draw,
};
