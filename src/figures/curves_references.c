// Reference lines of curves, and their names: beside the line where nothing else is drawn, and in
// the legend where a panel has no such place. A name never covers a curve.
#include "figures/colour.h"
#include "figures/curves.h"
#include "figures/numbers.h"

#include <math.h>
#include <string.h>

static const fv_option *references(const curve_set *p) {
    return fv_options_find(p->view->options, "lines");
}

int curves_n_references(const curve_set *p) {
    const fv_option *lines = references(p);
    return lines != NULL ? lines->n_values : 0;
}

static fv_status value_of(const curve_set *p, int i, int v, double *value, fv_error *error) {
    return fv_measure(references(p)->values[v], p->view->runs.records[p->panels.first[i]], value,
                      error);
}

// --- the lines ---------------------------------------------------------------------------------

// Dashes tell the lines apart where the legend names them.
static figure_mark mark_of(int v) {
    return (figure_mark)(FV_MARK_DASHED + v % 3);
}

fv_status curves_draw_references(const curve_set *p, int i, figure_panel *panel, fv_error *error) {
    for (int v = 0; v < curves_n_references(p); v++) {
        double value;
        fv_status status = value_of(p, i, v, &value, error);
        if (status != FV_OK) return status;
        if (!isfinite(value)) continue;
        panel_block_begin(panel);
        fprintf(panel->script, "%.9g %.9g\n%.9g %.9g\n", panel->x.low, value, panel->x.high, value);
        panel_block_end(panel, "using 1:2 with lines lw 1.2 dt %s lc rgb '#%06x' notitle",
                        dash_text(mark_of(v)), FV_REFERENCE);
    }
    return FV_OK;
}

// --- their names -------------------------------------------------------------------------------

// Places are tried from `NEAR` to `FAR` pixels from the line: farther away a name would not be seen
// to belong to it.
enum { TEXT_SIZE = 10, STEP = 6, NEAR = 9, FAR = 18 };

typedef struct place {
    double right, middle; // of the text
} place;

static bool is_free(const curve_set *p, const figure_panel *panel, place at, double width) {
    figure_box box = {at.right - width - 3, at.middle - 7, at.right + 3, at.middle + 7};
    return box.left >= -1 && box.top >= 0 && box.bottom <= panel->height &&
           obstacles_hits(&p->obstacles, box) == 0;
}

// The place nearest to the line at y, above or below it, and then farthest to the right, where
// nothing is drawn.
static bool find_place(const curve_set *p, const figure_panel *panel, double y, double width,
                       place *found) {
    for (int away = NEAR; away <= FAR; away += 3)
        for (double right = panel->width - 4; right - width >= 2; right -= STEP)
            for (int side = -1; side <= 1; side += 2) {
                *found = (place){right, y + side * away};
                if (is_free(p, panel, *found, width)) return true;
            }
    return false;
}

// Finds a place and keeps it from the names that follow.
static bool take_place(curve_set *p, const figure_panel *panel, double y, const char *text,
                       place *found) {
    double width = text_width(text, TEXT_SIZE);
    if (!find_place(p, panel, y, width, found)) return false;
    obstacles_add(&p->obstacles, (figure_box){found->right - width, found->middle - 7, found->right,
                                              found->middle + 7});
    return true;
}

static bool is_number(const char *expression) {
    return strspn(expression, "0123456789.+-eE") == strlen(expression);
}

// "V / 2"; NULL for a bare number, which is its own name.
static const char *own_name(const curve_set *p, int v) {
    const fv_option *names = fv_options_find(p->view->options, "line_labels");
    const char *expression = references(p)->values[v];
    if (names != NULL && v < names->n_values) return names->values[v];
    if (names == NULL && is_number(expression)) return NULL;
    const char *name = expression_short(p->view->scratch, expression);
    return name != NULL ? name : expression;
}

// "V / 2 = 50".
static const char *name_of(const curve_set *p, int v, double value) {
    const char *name = own_name(p, v);
    if (name == NULL) return references(p)->values[v];
    char text[FV_NUMBER_TEXT];
    number_text(value, 4, text);
    return scratch_text(p->view->scratch, "%s = %s", name, text);
}

// Names keep away from the curves and from every line.
static fv_status collect_obstacles(curve_set *p, int i, const figure_panel *panel,
                                   fv_error *error) {
    obstacles_clear(&p->obstacles);
    curves_keep_clear(p, panel);
    if (curves_reason(p, panel) != NULL) // which stands in the middle
        obstacles_add(&p->obstacles, (figure_box){0, panel->height / 2 - 20, panel->width,
                                                  panel->height / 2 + 56});
    for (int v = 0; v < curves_n_references(p); v++) {
        double value;
        fv_status status = value_of(p, i, v, &value, error);
        if (status != FV_OK) return status;
        if (!scale_holds(&panel->y, value)) continue;
        double y = panel_y(panel, value);
        obstacles_add_segment(&p->obstacles, 0, y, panel->width, y);
    }
    return FV_OK;
}

// Whether the name of line v stands beside it in panel i; `text` and `at` say what and where.
// A line that the panel does not show needs no name.
static fv_status place_name(curve_set *p, int i, int v, const figure_panel *panel, bool *placed,
                            const char **text, place *at, fv_error *error) {
    double value;
    fv_status status = value_of(p, i, v, &value, error);
    *text = NULL;
    *placed = true;
    if (status != FV_OK || !scale_holds(&panel->y, value)) return status;
    *text = name_of(p, v, value);
    if (*text == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
    *placed = take_place(p, panel, panel_y(panel, value), *text, at);
    return FV_OK;
}

fv_status curves_name_references(curve_set *p, int i, figure_panel *panel, fv_error *error) {
    if (curves_n_references(p) == 0) return FV_OK;
    fv_status status = collect_obstacles(p, i, panel, error);
    for (int v = 0; status == FV_OK && v < curves_n_references(p); v++) {
        const char *text;
        bool placed;
        place at;
        if (p->listed != NULL && p->listed[v]) continue;
        status = place_name(p, i, v, panel, &placed, &text, &at, error);
        if (status == FV_OK && placed && text != NULL)
            panel_text(panel, at.right, at.middle, 'r', TEXT_SIZE, FV_TICS, text);
    }
    return status;
}

// --- in the legend -----------------------------------------------------------------------------

fv_status curves_choose_names(curve_set *p, int *n_listed, fv_error *error) {
    int n = curves_n_references(p);
    fv_status status = FV_OK;
    *n_listed = 0;
    p->listed = scratch_get(p->view->scratch, (size_t)n + 1, sizeof *p->listed);
    if (p->listed == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
    for (int i = 0; i < p->panels.n && n > 0 && status == FV_OK; i++) {
        figure_panel panel = {
            .sheet = &p->sheet, .width = p->sheet.panel_width, .height = p->sheet.panel_height};
        status = curves_read(p, i, error);
        if (status == FV_OK) status = curves_set_scales(p, i, &panel, error);
        if (status == FV_OK) status = collect_obstacles(p, i, &panel, error);
        for (int v = 0; v < n && status == FV_OK; v++) {
            const char *text;
            bool placed;
            place at;
            status = place_name(p, i, v, &panel, &placed, &text, &at, error);
            *n_listed += !placed && !p->listed[v];
            p->listed[v] |= !placed;
        }
    }
    return status;
}

// "best possible = 1", or where panels differ "V / d = 50, 25, 20", in their order.
static fv_status legend_text(const curve_set *p, int v, const char **text, fv_error *error) {
    enum { MOST_VALUES = 8 };
    double first = NAN;
    bool differ = false;
    char values[MOST_VALUES * 16] = "";
    const char *name = own_name(p, v);
    for (int i = 0; i < p->panels.n; i++) {
        double value;
        fv_status status = value_of(p, i, v, &value, error);
        if (status != FV_OK) return status;
        if (i == 0) first = value;
        differ |= value != first;
        size_t used = strlen(values);
        char number[FV_NUMBER_TEXT];
        number_text(value, 4, number);
        if (i < MOST_VALUES)
            snprintf(values + used, sizeof values - used, "%s%s", i ? ", " : "", number);
    }
    *text = !differ                      ? name_of(p, v, first)
            : name == NULL               ? references(p)->values[v]
            : p->panels.n <= MOST_VALUES ? scratch_text(p->view->scratch, "%s = %s", name, values)
                                         : name;
    return *text != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

fv_status curves_list_references(const curve_set *p, legend_entry *legend, int *n,
                                 fv_error *error) {
    for (int v = 0; p->listed != NULL && v < curves_n_references(p); v++) {
        if (!p->listed[v]) continue;
        const char *text;
        fv_status status = legend_text(p, v, &text, error);
        if (status != FV_OK) return status;
        legend[(*n)++] = (legend_entry){text, FV_REFERENCE, mark_of(v)};
    }
    return FV_OK;
}
