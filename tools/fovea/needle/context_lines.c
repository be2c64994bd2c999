#include "needle/context_lines.h"

#include <fovea/context_use.h>
#include <stdbool.h>
#include <string.h>

static json_t *point_json(const fv_use_point *at) {
    return json_pack("{s:f, s:f, s:f, s:f}", "depth", at->depth, "rate", at->rate, "low", at->low,
                     "high", at->high);
}

static bool same_curve(const fv_cell *a, const fv_cell *b) {
    return strcmp(a->model, b->model) == 0 && strcmp(a->settings, b->settings) == 0 &&
           strcmp(a->task, b->task) == 0 && strcmp(a->unit, b->unit) == 0;
}

static bool find_use(const fv_cells *cells, int i, fv_context_use *use) {
    for (int k = 0; k <= i; k++)
        if (same_curve(&cells->items[k], &cells->items[i])) return fv_context_use_of(cells, k, use);
    return false;
}

static const fv_use_length *length_of(const fv_context_use *use, int length) {
    for (int i = 0; i < use->n_lengths; i++)
        if (use->lengths[i].length == length) return &use->lengths[i];
    return NULL;
}

json_t *context_json(const fv_cells *cells, int i) {
    fv_context_use use;
    char text[512];
    if (!find_use(cells, i, &use)) return json_null();
    fv_context_use_text(&use, text, sizeof text);
    json_t *object = json_pack("{s:s, s:f, s:f, s:i, s:f, s:b, s:o}", "text", text, "p", use.p,
                               "likelihood_ratio", use.ratio, "degrees", use.degrees, "dispersion",
                               use.dispersion, "lost", use.lost, "from",
                               use.lost ? json_integer(use.from) : json_null());
    const fv_use_length *at = length_of(&use, cells->items[i].length);
    json_t *here =
        at == NULL ? NULL
                   : json_pack("{s:o, s:o, s:o, s:f, s:f, s:f}", "begin", point_json(&at->begin),
                               "least", point_json(&at->least), "end", point_json(&at->end), "dip",
                               at->dip, "dip_low", at->low, "dip_high", at->high);
    json_object_update(object, here);
    json_decref(here);
    return object;
}

static void print(FILE *out, const fv_context_use *use, const char *text, bool several) {
    const fv_cell *first = use->first;
    fputs("\nContext use", out);
    if (several)
        fprintf(out, " of %s, %s%s%s", first->model, first->task,
                *first->settings != '\0' ? ", " : "", first->settings);
    fprintf(out, ": %s\n", text);
}

// Whether there is more than one curve of several depths.
static bool are_several(const fv_cells *cells) {
    fv_context_use use;
    int n = 0;
    for (int i = 0; i < cells->n && n < 2; i++) n += fv_context_use_of(cells, i, &use);
    return n > 1;
}

void context_print(FILE *out, const fv_cells *cells) {
    bool several = are_several(cells);
    for (int i = 0; i < cells->n; i++) {
        fv_context_use use;
        char text[512];
        if (!fv_context_use_of(cells, i, &use)) continue;
        fv_context_use_text(&use, text, sizeof text);
        print(out, &use, text, several);
    }
}
