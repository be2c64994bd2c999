// The lines of one panel of curves: read from the runs, scaled, drawn.
#include "figures/colour.h"
#include "figures/curves.h"
#include "figures/diverged.h"
#include "measures/measure.h"

#include <math.h>
#include <string.h>

enum {
    MOST_POINTS = 1200,
    MOST_FAINT_POINTS = 400, // of a line
    MOST_FAINT_LINES = 4000, // of a figure,
    FEWEST_FAINT_LINES = 20  // and of each line of it
};

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

// --- reading -----------------------------------------------------------------------------------

static fv_status transform_of(const curve_set *p, int run, double *minus, double *over,
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

bool curves_typical(const curve_set *p) {
    return strcmp(fv_options_text(p->view->options, "center", "median"), "typical") == 0;
}

// What a step of a run takes on the x axis.
static double width_of_step(const curve_set *p, int run) {
    return p->in_flops ? measure_flops_per_step(p->view->runs.records[run]) : 1;
}

static fv_status read_run(const curve_set *p, const figure_slot *slot, int run, figure_curve *curve,
                          fv_error *error) {
    double minus = 0, over = 1;
    fv_status status = FV_OK;
    if (!slot->second) status = transform_of(p, run, &minus, &over, error);
    if (status == FV_OK)
        status = curve_read(p->view->scratch, p->view->runs.records[run], p->x, slot->series, minus,
                            over, curve, error);
    double width = p->in_flops ? width_of_step(p, run) : 1;
    for (int i = 0; p->in_flops && i < curve->n; i++) curve->x[i] *= width;
    curve->diverged = run_diverged(p->view, run);
    return status;
}

// Reads the line of slot s and colour c in panel i; one without any run stays empty.
static fv_status read_line(const curve_set *p, int i, int s, int c, curve_line *out,
                           fv_error *error) {
    const figure_slot *slot = &p->slots.items[s];
    *out = (curve_line){.slot = s,
                        .group = c,
                        .second = slot->second,
                        .colour = curves_colour(p, s, c),
                        .mark = curves_dash(p, s, c)};
    out->runs = scratch_get(p->view->scratch, (size_t)p->view->runs.n, sizeof *out->runs);
    if (out->runs == NULL) return no_memory(error);
    for (int r = 0; r < p->view->runs.n; r++) {
        if (p->panels.group[r] != i || p->colours.group[r] != c) continue;
        fv_status status = read_run(p, slot, r, &out->runs[out->n_runs], error);
        if (status != FV_OK) return status;
        if (out->runs[out->n_runs].n > 0) out->n_runs++;
    }
    if (out->n_runs > 1 && curves_typical(p))
        return curve_copy(p->view->scratch, &out->runs[curve_typical(out->runs, out->n_runs)],
                          &out->strong, error);
    if (out->n_runs > 1 && p->x == NULL)
        return curve_median(p->view->scratch, out->runs, out->n_runs, &out->strong, error);
    return FV_OK;
}

// What stands for several runs is found among all points: only then are they thinned.
static void thin(curve_line *line) {
    bool alone = line->n_runs == 1;
    for (int r = 0; r < line->n_runs; r++)
        curve_thin(&line->runs[r], alone ? MOST_POINTS : MOST_FAINT_POINTS);
    curve_thin(&line->strong, MOST_POINTS);
}

static fv_status read_lines(const curve_set *p, int i, curve_lines *lines, fv_error *error) {
    size_t most = (size_t)p->slots.n * (size_t)p->colours.n + 1;
    lines->items = scratch_get(p->view->scratch, most, sizeof *lines->items);
    if (lines->items == NULL) return no_memory(error);
    for (int s = 0; s < p->slots.n; s++)
        for (int c = 0; c < p->colours.n; c++) {
            curve_line *line = &lines->items[lines->n];
            fv_status status = read_line(p, i, s, c, line, error);
            if (status != FV_OK) return status;
            thin(line);
            lines->n += line->n_runs > 0;
        }
    return FV_OK;
}

fv_status curves_read(curve_set *p, int i, fv_error *error) {
    curve_lines *lines = &p->all[i];
    fv_status status = lines->items == NULL ? read_lines(p, i, lines, error) : FV_OK;
    p->lines = lines->items;
    p->n_lines = lines->n;
    return status;
}

// --- scales ------------------------------------------------------------------------------------

static bool shows(const figure_curve *curve, int i, double left, double right) {
    return !(curve->x[i] < left) && !(curve->x[i] > right);
}

static void add_to_scales(figure_panel *panel, const curve_line *line, double left, double right) {
    figure_scale *y = line->second ? &panel->y2 : &panel->y;
    for (int r = 0; r < line->n_runs; r++) {
        const figure_curve *curve = &line->runs[r];
        for (int i = 0; i < curve->n; i++) {
            if (!shows(curve, i, left, right)) continue;
            scale_add(&panel->x, curve->x[i]);
            scale_add(y, curve->y[i]);
        }
    }
}

// The last point is logged some steps before the end, where the axis should end.
static void add_ends(const curve_set *p, int i, figure_panel *panel) {
    for (int r = 0; p->x == NULL && r < p->view->runs.n; r++)
        if (p->panels.group[r] == i)
            scale_add(&panel->x, p->view->runs.records[r]->steps * width_of_step(p, r));
}

fv_status curves_set_scales(const curve_set *p, int i, figure_panel *panel, fv_error *error) {
    const fv_options *o = p->view->options;
    double left = figure_number(o, "xmin"), right = figure_number(o, "xmax");
    scale_init(&panel->x, figure_flag(o, "xlog", false));
    panel->x.whole = p->x == NULL && !p->in_flops;
    scale_init(&panel->y, figure_flag(o, "ylog", false));
    scale_init(&panel->y2, figure_flag(o, "y2log", false));
    for (int l = 0; l < p->n_lines; l++) add_to_scales(panel, &p->lines[l], left, right);
    add_ends(p, i, panel);
    const fv_option *lines = fv_options_find(o, "lines");
    const fv_record *first = p->view->runs.records[p->panels.first[i]];
    for (int v = 0; lines != NULL && v < lines->n_values; v++) {
        double value;
        fv_status status = fv_measure(lines->values[v], first, &value, error);
        if (status != FV_OK) return status;
        scale_add(&panel->y, value);
    }
    scale_finish(&panel->x, left, right, p->x ? 0.03 : 0);
    scale_finish(&panel->y, figure_number(o, "ymin"), figure_number(o, "ymax"), 0.05);
    scale_finish(&panel->y2, figure_number(o, "y2min"), figure_number(o, "y2max"), 0.05);
    return FV_OK;
}

// --- drawing -----------------------------------------------------------------------------------

static const figure_scale *scale_of(const figure_panel *panel, const curve_line *line) {
    return line->second ? &panel->y2 : &panel->y;
}

// Whether the axes can show point i: a line has a gap where they cannot.
static bool drawable(const figure_panel *panel, const curve_line *line, const figure_curve *curve,
                     int i) {
    return i >= 0 && i < curve->n && scale_shows(&panel->x, curve->x[i]) &&
           scale_shows(scale_of(panel, line), curve->y[i]);
}

static void write_points(figure_panel *panel, const figure_curve *curve, const curve_line *line,
                         bool band) {
    panel_block_begin(panel);
    for (int i = 0; i < curve->n; i++) {
        if (!drawable(panel, line, curve, i))
            fputs("\n", panel->script);
        else if (band)
            fprintf(panel->script, "%.7g %.7g %.7g\n", curve->x[i], curve->low[i], curve->high[i]);
        else
            fprintf(panel->script, "%.7g %.7g\n", curve->x[i], curve->y[i]);
    }
}

// A line through a single point is nothing: points without a neighbour are dots.
static void draw_dots(figure_panel *panel, const figure_curve *curve, const curve_line *line,
                      double size, unsigned transparency) {
    int n = 0;
    for (int i = 0; i < curve->n; i++) {
        bool alone = drawable(panel, line, curve, i) && !drawable(panel, line, curve, i - 1) &&
                     !drawable(panel, line, curve, i + 1);
        if (!alone) continue;
        if (n++ == 0) panel_block_begin(panel);
        fprintf(panel->script, "%.7g %.7g\n", curve->x[i], curve->y[i]);
    }
    if (n > 0)
        panel_block_end(panel,
                        "using 1:2 axes x1y%d with points pt 7 ps %g lc rgb '#%02x%06x' notitle",
                        line->second ? 2 : 1, size, transparency, line->colour);
}

static void draw_line(figure_panel *panel, const figure_curve *curve, const curve_line *line,
                      double width, unsigned transparency) {
    write_points(panel, curve, line, false);
    panel_block_end(panel, "using 1:2 axes x1y%d with lines lw %g dt %s lc rgb '#%02x%06x' notitle",
                    line->second ? 2 : 1, width, dash_text(line->mark), transparency, line->colour);
    draw_dots(panel, curve, line, width > 1 ? 0.7 : 0.45, transparency);
}

// How several seeds show beside what stands for them.
static bool spreads(const curve_set *p, const char *how) {
    return strcmp(fv_options_text(p->view->options, "spread", "lines"), how) == 0;
}

// The curve that is drawn strongly.
static const figure_curve *strong_of(const curve_line *line) {
    return line->n_runs > 1 ? &line->strong : &line->runs[0];
}

// Whether the runs of a line are drawn themselves, beside what stands for them or without it.
static bool shows_runs(const curve_set *p, const curve_line *line) {
    return line->n_runs > 1 && (spreads(p, "lines") || line->strong.n == 0);
}

// As many faint lines as a figure can hold are shared among its lines: where thousands lie upon each
// other, more of them show nothing more.
int curves_most_faint(const curve_set *p) {
    int most = MOST_FAINT_LINES / (p->panels.n * p->colours.n * p->slots.n);
    return most > FEWEST_FAINT_LINES ? most : FEWEST_FAINT_LINES;
}

static int n_shown(const curve_set *p, const curve_line *line) {
    int most = curves_most_faint(p);
    return !shows_runs(p, line) ? 0 : line->n_runs < most ? line->n_runs : most;
}

// The k-th of n runs that are spread over all of the line's.
static const figure_curve *shown(const curve_line *line, int k, int n) {
    return &line->runs[(long long)k * line->n_runs / n];
}

static bool shows_band(const curve_set *p, const curve_line *line) {
    return line->n_runs > 1 && spreads(p, "band") && line->strong.low != NULL;
}

static void draw_faint(curve_set *p, figure_panel *panel, const curve_line *line) {
    if (shows_band(p, line)) {
        write_points(panel, &line->strong, line, true);
        panel_block_end(panel, "using 1:2:3 axes x1y%d with filledcurves lc rgb '#d0%06x' notitle",
                        line->second ? 2 : 1, line->colour);
    }
    int n = n_shown(p, line);
    for (int k = 0; k < n; k++)
        draw_line(panel, shown(line, k, n), line, 0.8, line->strong.n > 0 ? 0xa8 : 0);
}

static void draw_strong(figure_panel *panel, const curve_line *line) {
    if (strong_of(line)->n > 0) draw_line(panel, strong_of(line), line, 1.9, 0);
}

// The last point that the axes can show of a run that diverged; -1 for another run.
static int end_of(const figure_panel *panel, const curve_line *line, const figure_curve *curve) {
    int last = curve->n - 1;
    while (last >= 0 && !drawable(panel, line, curve, last)) last--;
    return curve->diverged ? last : -1;
}

static double height_of(const figure_panel *panel, const curve_line *line, double value) {
    return panel->height * (1 - scale_place(scale_of(panel, line), value));
}

// A cross at the end of each run that diverged, whether or not the run itself is drawn; how many.
static int find_crosses(curve_set *p, const figure_panel *panel) {
    int n = 0;
    for (int l = 0; l < p->n_lines; l++) {
        const curve_line *line = &p->lines[l];
        for (int r = 0; r < line->n_runs; r++) {
            const figure_curve *curve = &line->runs[r];
            int last = end_of(panel, line, curve);
            if (last < 0) continue;
            p->crosses[n++] = (figure_cross){.x = panel_x(panel, curve->x[last]),
                                             .y = height_of(panel, line, curve->y[last]),
                                             .line = l};
        }
    }
    crosses_spread(p->crosses, n, panel->width, panel->height);
    return n;
}

static void draw_crosses(const curve_set *p, figure_panel *panel, int n, int l) {
    const curve_line *line = &p->lines[l];
    int n_own = 0;
    for (int k = 0; k < n; k++) {
        const figure_cross *cross = &p->crosses[k];
        if (cross->line != l) continue;
        if (n_own++ == 0) panel_block_begin(panel);
        fprintf(panel->script, "%.9g %.9g\n", scale_value(&panel->x, cross->at_x / panel->width),
                scale_value(scale_of(panel, line), 1 - cross->at_y / panel->height));
    }
    if (n_own > 0)
        panel_block_end(panel,
                        "using 1:2 axes x1y%d with points " FV_CROSS " lc rgb '#%06x' notitle",
                        line->second ? 2 : 1, line->colour);
}

void curves_draw(curve_set *p, figure_panel *panel) {
    for (int l = 0; l < p->n_lines; l++) draw_faint(p, panel, &p->lines[l]);
    for (int l = p->n_lines - 1; l >= 0; l--) draw_strong(panel, &p->lines[l]);
    int n = find_crosses(p, panel);
    for (int l = 0; l < p->n_lines; l++) draw_crosses(p, panel, n, l);
}

// --- where the lines run -----------------------------------------------------------------------

static void keep_curve_clear(curve_set *p, const figure_panel *panel, const figure_curve *curve,
                             const curve_line *line) {
    for (int i = 0; i < curve->n; i++) {
        int before = drawable(panel, line, curve, i - 1) ? i - 1 : i;
        if (!drawable(panel, line, curve, i)) continue;
        obstacles_add_segment(&p->obstacles, panel_x(panel, curve->x[before]),
                              height_of(panel, line, curve->y[before]), panel_x(panel, curve->x[i]),
                              height_of(panel, line, curve->y[i]));
    }
}

static void keep_band_clear(curve_set *p, const figure_panel *panel, const curve_line *line) {
    const figure_curve *band = &line->strong;
    for (int i = 0; i < band->n; i++) {
        if (!drawable(panel, line, band, i)) continue;
        double from = panel_x(panel, band->x[drawable(panel, line, band, i - 1) ? i - 1 : i]);
        obstacles_add(&p->obstacles, (figure_box){from, height_of(panel, line, band->high[i]),
                                                  panel_x(panel, band->x[i]),
                                                  height_of(panel, line, band->low[i])});
    }
}

void curves_keep_clear(curve_set *p, const figure_panel *panel) {
    for (int l = 0; l < p->n_lines; l++) {
        const curve_line *line = &p->lines[l];
        keep_curve_clear(p, panel, strong_of(line), line);
        if (shows_band(p, line)) keep_band_clear(p, panel, line);
        int n_faint = n_shown(p, line);
        for (int k = 0; k < n_faint; k++) keep_curve_clear(p, panel, shown(line, k, n_faint), line);
    }
    int n = find_crosses(p, panel);
    for (int k = 0; k < n; k++) {
        double x = p->crosses[k].at_x, y = p->crosses[k].at_y;
        obstacles_add(&p->obstacles, (figure_box){x - 6, y - 6, x + 6, y + 6});
    }
}

// --- nothing to draw ---------------------------------------------------------------------------

// How many points pass each of these questions, asked in this order.
typedef struct tally {
    int n, finite, drawable, inside;
} tally;

static void count(const figure_panel *panel, const curve_line *line, tally *t) {
    const figure_scale *y = scale_of(panel, line);
    for (int r = 0; r < line->n_runs; r++)
        for (int i = 0; i < line->runs[r].n; i++) {
            const figure_curve *curve = &line->runs[r];
            bool finite = isfinite(curve->x[i]) && isfinite(curve->y[i]);
            bool can = finite && drawable(panel, line, curve, i);
            t->n++;
            t->finite += finite;
            t->drawable += can;
            t->inside += can && scale_holds(&panel->x, curve->x[i]) && scale_holds(y, curve->y[i]);
        }
}

void curves_find_inside(curve_set *p, const figure_panel *panel) {
    for (int l = 0; l < p->n_lines; l++) {
        const curve_line *line = &p->lines[l];
        curve_found *found = &p->found[line->slot * p->colours.n + line->group];
        tally t = {0};
        count(panel, line, &t);
        found->finite |= t.finite > 0;
        found->inside |= t.inside > 0;
    }
}

bool curves_outside(const curve_set *p, int s, int c) {
    bool finite = false, inside = false;
    for (int k = 0; k < p->slots.n * p->colours.n; k++) {
        if ((s >= 0 && k / p->colours.n != s) || (c >= 0 && k % p->colours.n != c)) continue;
        finite |= p->found[k].finite;
        inside |= p->found[k].inside;
    }
    return finite && !inside;
}

const char *curves_reason(const curve_set *p, const figure_panel *panel) {
    tally t = {0};
    for (int l = 0; l < p->n_lines; l++) count(panel, &p->lines[l], &t);
    if (t.inside > 0) return NULL;
    if (t.n == 0) return "no run has a point of what is drawn";
    if (t.finite == 0)
        return fv_options_find(p->view->options, "over") != NULL
                   ? "every value is NaN or infinite; `over` may be 0"
                   : "every value is NaN or infinite";
    if (t.drawable == 0) return "a logarithmic axis shows nothing that is 0 or negative";
    return FV_OUTSIDE;
}
