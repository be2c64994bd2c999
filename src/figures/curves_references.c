// Reference lines of curves, and their names where nothing is drawn.
#include "figures/colour.h"
#include "figures/curves.h"

#include <math.h>
#include <string.h>

static const fv_option *references(const fv_curves *p) {
    return fv_options_find(p->view->options, "lines");
}

int fv_curves_n_references(const fv_curves *p) {
    const fv_option *lines = references(p);
    return lines != NULL ? lines->n_values : 0;
}

static fv_status value_of(const fv_curves *p, int i, int v, double *value, fv_error *error) {
    return fv_measure(references(p)->values[v], p->view->runs.records[p->panels.first[i]], value,
                      error);
}

// --- the lines ---------------------------------------------------------------------------------

fv_status fv_curves_draw_references(const fv_curves *p, int i, fv_panel *panel, fv_error *error) {
    for (int v = 0; v < fv_curves_n_references(p); v++) {
        double value;
        fv_status status = value_of(p, i, v, &value, error);
        if (status != FV_OK) return status;
        if (!isfinite(value)) continue;
        fv_panel_block_begin(panel);
        fprintf(panel->script, "%.9g %.9g\n%.9g %.9g\n", panel->x.low, value, panel->x.high, value);
        fv_panel_block_end(panel, "using 1:2 with lines lw 1.2 dt (7,5) lc rgb '#%06x' notitle",
                           FV_REFERENCE);
    }
    return FV_OK;
}

// --- their names -------------------------------------------------------------------------------

enum { TEXT_SIZE = 10, STEP = 6 };

typedef struct place {
    double right, middle; // of the text
    int hits;             // pixels that it would cover
} place;

// The first place from the right, above or below the line, where nothing is drawn; else the one
// that covers least.
static place find_place(const fv_curves *p, const fv_panel *panel, double y, double width) {
    place best = {.hits = -1};
    for (double right = panel->width - 4; right - width >= 2 && best.hits != 0; right -= STEP)
        for (int side = 0; side < 2; side++) {
            double middle = y + (side ? 9 : -9);
            fv_box box = {right - width - 3, middle - 7, right + 3, middle + 7};
            if (box.top < 0 || box.bottom > panel->height) continue;
            int hits = fv_obstacles_hits(&p->obstacles, box);
            if (best.hits >= 0 && hits >= best.hits) continue;
            best = (place){right, middle, hits};
        }
    return best;
}

static void place_name(fv_curves *p, fv_panel *panel, double y, const char *text) {
    double room = panel->width - 8, width = fv_text_width(text, TEXT_SIZE);
    const char *fitting =
        width > room ? fv_text_cut(p->view->scratch, text, TEXT_SIZE, room) : text;
    if (fitting == NULL) return;
    width = fv_text_width(fitting, TEXT_SIZE);
    place best = find_place(p, panel, y, width);
    if (best.hits < 0) return;
    if (best.hits == 0)
        fv_panel_text(panel, best.right, best.middle, 'r', TEXT_SIZE, FV_TICS, fitting);
    else
        fv_panel_boxed(panel, best.right, best.middle, 'r', TEXT_SIZE, FV_TICS, fitting);
    fv_obstacles_add(&p->obstacles,
                     (fv_box){best.right - width, best.middle - 7, best.right, best.middle + 7});
}

// "V / 2 = 50"; a bare number is its own name.
static const char *name_of(const fv_curves *p, int v, double value) {
    const fv_option *names = fv_options_find(p->view->options, "line_labels");
    const char *expression = references(p)->values[v];
    if (names == NULL && strspn(expression, "0123456789.+-eE") == strlen(expression))
        return expression;
    const char *name = names != NULL && v < names->n_values
                           ? names->values[v]
                           : fv_expression_short(p->view->scratch, expression);
    return name ? fv_scratch_text(p->view->scratch, "%s = %.4g", name, value) : NULL;
}

fv_status fv_curves_name_references(fv_curves *p, int i, fv_panel *panel, fv_error *error) {
    double value;
    for (int pass = 0; pass < 2; pass++) // names keep away from every line
        for (int v = 0; v < fv_curves_n_references(p); v++) {
            fv_status status = value_of(p, i, v, &value, error);
            if (status != FV_OK) return status;
            if (!(value >= panel->y.low && value <= panel->y.high)) continue;
            double y = fv_panel_y(panel, value);
            if (pass == 0) {
                fv_obstacles_add_segment(&p->obstacles, 0, y, panel->width, y);
                continue;
            }
            const char *name = name_of(p, v, value);
            if (name == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
            place_name(p, panel, y, name);
        }
    return FV_OK;
}
