// Profiles: a series that a probe measures for many places, "position_loss[3]", against the places: the loss
// over the positions of a sequence, attention over distances, accuracy over lengths. A line for each of some
// steps, or for each colour; medians over seeds.
#include "base/text.h"
#include "figures/colour.h"
#include "figures/diverged.h"
#include "figures/empty.h"
#include "figures/groups.h"
#include "figures/kind.h"
#include "figures/legend.h"
#include "figures/runs.h"
#include "figures/sheet.h"
#include "figures/tics.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 12 };

static const figure_option options[] = {
    {"y", FV_OPTION_TEXT, true, NULL,
     "series that has numbers in brackets, without them: position_loss, attention_mass.0"},
    {"steps", FV_OPTION_TEXTS, false, NULL,
     "a line for the values nearest to each of these steps; the last if not given"},
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values; `none` for a single panel; if not "
     "given, the fields that differ between the runs, but color"},
    {"color", FV_OPTION_FIELDS, false, NULL, "lines within a panel are coloured by these fields"},
    {"xlog", FV_OPTION_BOOL, false, NULL, "logarithmic x axis"},
    {"ylog", FV_OPTION_BOOL, false, NULL, "logarithmic y axis"},
    {"ymin", FV_OPTION_NUMBER, false, NULL, "lower end of the y axis"},
    {"ymax", FV_OPTION_NUMBER, false, NULL, "upper end of the y axis"},
    {"xlabel", FV_OPTION_TEXT, false, NULL, "name of the x axis"},
    {"ylabel", FV_OPTION_TEXT, false, NULL, "name of the y axis"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

typedef struct profile {
    figure_view *view;
    figure_partition panels, colours;
    figure_groups groups; // of `colours`
    int n_steps;
    int steps[MOST_STEPS]; // INT_MAX: the last
    int n_places;
    int *places;    // [n_places], increasing
    double *values; // [runs] room for those of one place
    int most_seeds;
    figure_sheet sheet;
    figure_empty empty;
} profile;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

static const char *root_of(const profile *p) {
    return fv_options_text(p->view->options, "y", "");
}

// --- what is asked for --------------------------------------------------------------------------

static fv_status read_steps(profile *p, fv_error *error) {
    const fv_option *given = fv_options_find(p->view->options, "steps");
    p->n_steps = 1;
    p->steps[0] = INT_MAX;
    if (given == NULL) return FV_OK;
    if (given->n_values > MOST_STEPS)
        return figure_fail(p->view, "steps", error, "%d steps are too many lines; at most %d",
                           given->n_values, MOST_STEPS);
    p->n_steps = given->n_values;
    for (int i = 0; i < given->n_values; i++) {
        long long step;
        if (!text_to_int(given->values[i], &step) || step < 0 || step > INT_MAX)
            return figure_fail(p->view, "steps", error, "\"%s\" is no step", given->values[i]);
        p->steps[i] = (int)step;
    }
    return FV_OK;
}

static fv_status split(profile *p, fv_error *error) {
    const figure_partition *const all[] = {&p->colours, &p->panels};
    fv_status status = runs_split(p->view, "color", true, NULL, 0, &p->colours, error);
    if (status == FV_OK) status = runs_split(p->view, "panel", false, all, 1, &p->panels, error);
    if (status == FV_OK) runs_leave(p->view, &p->panels, &p->colours);
    if (status == FV_OK) status = runs_check_alike(p->view, all, 2, error);
    if (status == FV_OK) status = read_steps(p, error);
    if (status != FV_OK || p->n_steps == 1 || p->colours.n == 1) return status;
    return figure_fail(p->view, "steps", error,
                       "lines are told apart by `color` or by steps; name one step");
}

static bool is_measured(const figure_view *view, const char *series) {
    size_t n = strcspn(series, ".");
    for (int i = 0; i < view->experiment->n_probes; i++) {
        const char *name = view->experiment->probes[i]->name;
        if (strlen(name) == n && strncmp(name, series, n) == 0) return true;
    }
    return false;
}

static fv_status check(const figure_view *view, fv_error *error) {
    profile p = {.view = (figure_view *)view};
    const char *y = root_of(&p);
    if (strchr(y, '[') != NULL)
        return figure_fail(view, "y", error, "name the series without its brackets: %.*s",
                           (int)strcspn(y, "["), y);
    if (!is_measured(view, y))
        return figure_fail(view, "y", error,
                           "no probe of the experiment measures \"%s\"; name one under `probes`",
                           y);
    return split(&p, error);
}

// --- reading ------------------------------------------------------------------------------------

// The number in brackets of a series of this root, or -1.
static int place_of(const char *series, const char *root) {
    size_t n = strlen(root);
    char *end;
    if (strncmp(series, root, n) != 0 || series[n] != '[') return -1;
    long place = strtol(series + n + 1, &end, 10);
    return end != series + n + 1 && strcmp(end, "]") == 0 && place >= 0 && place < INT_MAX
               ? (int)place
               : -1;
}

static int by_number(const void *left, const void *right) {
    int a = *(const int *)left, b = *(const int *)right;
    return (a > b) - (a < b);
}

// All places that any run has a value for.
static fv_status find_places(profile *p, fv_error *error) {
    const figure_runs *runs = &p->view->runs;
    size_t most = 0;
    for (int r = 0; r < runs->n; r++) most += (size_t)runs->records[r]->n_series;
    p->places = scratch_get(p->view->scratch, most, sizeof *p->places);
    p->values = scratch_get(p->view->scratch, (size_t)runs->n, sizeof *p->values);
    if (p->places == NULL || p->values == NULL) return no_memory(error);
    size_t n = 0;
    for (int r = 0; r < runs->n; r++)
        for (int s = 0; s < runs->records[r]->n_series; s++) {
            int place = place_of(runs->records[r]->series[s].name, root_of(p));
            if (place >= 0) p->places[n++] = place;
        }
    if (n == 0)
        return figure_fail(p->view, "y", error, "no run has a series \"%s[...]\"", root_of(p));
    qsort(p->places, n, sizeof *p->places, by_number);
    for (size_t i = 0; i < n; i++)
        if (p->n_places == 0 || p->places[i] != p->places[p->n_places - 1])
            p->places[p->n_places++] = p->places[i];
    return FV_OK;
}

// The value nearest to a step, NAN without.
static double value_at(const profile *p, int run, int place, int step) {
    char name[sizeof((fv_series *)0)->name + 16];
    snprintf(name, sizeof name, "%s[%d]", root_of(p), place);
    const fv_series *series = fv_record_find(p->view->runs.records[run], name);
    int nearest = -1;
    for (int i = 0; series != NULL && i < series->n; i++)
        if (nearest < 0 ||
            fabs((double)series->steps[i] - step) <= fabs((double)series->steps[nearest] - step))
            nearest = i;
    return nearest >= 0 ? series->values[nearest] : NAN;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// The median over the runs of a colour in a panel; NAN without any. A run that diverged has no value.
static double median_at(profile *p, int panel, int colour, int place, int step) {
    int n = 0;
    for (int r = 0; r < p->view->runs.n; r++) {
        if (p->panels.group[r] != panel || p->colours.group[r] != colour) continue;
        double value = run_diverged(p->view, r) ? NAN : value_at(p, r, place, step);
        if (isfinite(value)) p->values[n++] = value;
    }
    if (n > p->most_seeds) p->most_seeds = n;
    if (n == 0) return NAN;
    qsort(p->values, (size_t)n, sizeof *p->values, by_value);
    return n % 2 ? p->values[n / 2] : 0.5 * (p->values[n / 2 - 1] + p->values[n / 2]);
}

// --- drawing ------------------------------------------------------------------------------------

static unsigned colour_of(const profile *p, int colour, int step) {
    if (p->n_steps > 1) return colour_line((double)step / (p->n_steps - 1));
    return groups_colour(&p->groups, colour);
}

static void set_scales(profile *p, int i, figure_panel *panel) {
    const fv_options *o = p->view->options;
    scale_init(&panel->x, figure_flag(o, "xlog", false));
    scale_init(&panel->y, figure_flag(o, "ylog", false));
    panel->x.whole = true;
    for (int k = 0; k < p->n_places; k++) {
        scale_add(&panel->x, p->places[k]);
        for (int c = 0; c < p->colours.n; c++)
            for (int s = 0; s < p->n_steps; s++)
                scale_add(&panel->y, median_at(p, i, c, p->places[k], p->steps[s]));
    }
    scale_finish(&panel->x, NAN, NAN, 0.03);
    scale_finish(&panel->y, figure_number(o, "ymin"), figure_number(o, "ymax"), 0.08);
}

// Returns how many points the line has.
static int draw_line(profile *p, int i, int colour, int step, figure_panel *panel) {
    int n = 0;
    panel_block_begin(panel);
    for (int k = 0; k < p->n_places; k++) {
        double value = median_at(p, i, colour, p->places[k], p->steps[step]);
        if (isnan(value)) continue;
        fprintf(panel->script, "%d %.9g\n", p->places[k], value);
        n++;
    }
    if (n == 0) fputs("NaN NaN\n", panel->script);
    panel_block_end(panel, "using 1:2 with linespoints lw 1.9 pt 7 ps 0.6 lc rgb '#%06x' notitle",
                    colour_of(p, colour, step));
    return n;
}

static const char *panel_title(const profile *p, int i) {
    return p->panels.n > 1 ? runs_label(p->view, p->panels.first[i], &p->panels) : NULL;
}

static fv_status draw_panel(profile *p, int i, fv_error *error) {
    figure_panel panel;
    int n = 0;
    if (panel_begin(&panel, &p->sheet, i, panel_title(p, i)) != FV_OK) return no_memory(error);
    set_scales(p, i, &panel);
    panel_axes(&panel, p->sheet.xlabel, i % p->sheet.columns == 0 ? p->sheet.ylabel : NULL, NULL,
               false);
    for (int c = 0; c < p->colours.n; c++)
        for (int s = 0; s < p->n_steps; s++) n += draw_line(p, i, c, s, &panel);
    groups_draw_bar(&p->groups, &panel, i);
    empty_panel(&p->empty, &panel, n > 0 ? NULL : "no run has a value");
    return panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

static fv_status make_legend(profile *p, fv_error *error) {
    figure_scratch *scratch = p->view->scratch;
    int n = p->n_steps > 1 ? p->n_steps : p->colours.n > 1 && !p->groups.bar ? p->colours.n : 0;
    legend_entry *legend = scratch_get(scratch, (size_t)n + 1, sizeof *legend);
    if (legend == NULL) return no_memory(error);
    for (int k = 0; k < n; k++) {
        int c = p->n_steps > 1 ? 0 : groups_ranked(&p->groups, k);
        const char *text = p->n_steps > 1 ? scratch_text(scratch, "step %d", p->steps[k])
                                          : runs_label(p->view, p->colours.first[c], &p->colours);
        if (text == NULL) return no_memory(error);
        legend[k] = (legend_entry){text, colour_of(p, c, k), FV_MARK_LINE};
    }
    p->sheet.legend = legend;
    p->sheet.n_legend = n;
    p->sheet.legend_of = p->n_steps > 1 ? "steps" : groups_noun(&p->groups);
    return FV_OK;
}

static void plan_sheet(profile *p) {
    const fv_options *o = p->view->options;
    bool single = p->panels.n == 1;
    double height = single ? 300 : 230;
    p->sheet.pad_left = 58;
    for (int i = 0; i < p->panels.n; i++) {
        figure_panel panel;
        set_scales(p, i, &panel); // counts seeds, too
        p->sheet.pad_left = fmax(p->sheet.pad_left, tics_width(&panel.y, height) + FV_SHEET_BESIDE);
        sheet_room_for(&p->sheet, panel_title(p, i));
    }
    p->sheet.script = p->view->script;
    p->sheet.n = p->panels.n;
    p->sheet.columns = (int)fv_options_number(o, "columns", 0);
    p->sheet.panel_width = single ? 440 : 0;
    p->sheet.panel_height = height;
    p->sheet.title = fv_options_text(o, "title", NULL);
    p->sheet.xlabel = fv_options_text(o, "xlabel", "place");
    p->sheet.ylabel = fv_options_text(o, "ylabel", series_label(p->view->scratch, root_of(p)));
    const char *note = p->most_seeds > 1
                           ? scratch_text(p->view->scratch, "medians over %d seeds", p->most_seeds)
                           : NULL;
    p->sheet.note = diverged_note(p->view, note);
    groups_plan_bar(&p->groups, &p->sheet);
    sheet_plan(&p->sheet);
}

static fv_status draw(figure_view *view, fv_error *error) {
    profile p = {.view = view};
    fv_status status = split(&p, error);
    if (status == FV_OK) status = groups_init(view, &p.colours, &p.groups, error);
    if (status == FV_OK) status = find_places(&p, error);
    if (status == FV_OK) status = make_legend(&p, error);
    if (status != FV_OK) return status;
    plan_sheet(&p);
    sheet_begin(&p.sheet);
    for (int i = 0; status == FV_OK && i < p.panels.n; i++) status = draw_panel(&p, i, error);
    sheet_end(&p.sheet);
    empty_figure(&p.empty, view, p.panels.n);
    view->width = p.sheet.width;
    view->height = p.sheet.height;
    return status;
}

const figure_kind figure_profile = {
    .name = "profile",
    .help = "what a probe measures for many places, against the places",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: profile, y: position_loss, steps: [0, 100, 500]}",
    .needs = "task: {name: copy_sequence, vocab_size: 8, context_length: 12}\nmodel: {n_embd: 8, "
             "positions: learned}\ntrain: {steps: 500}\nprobes: [position_loss]",
    .check = check,
    .draw = draw,
};
