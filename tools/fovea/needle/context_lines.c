#include "needle/context_lines.h"

#include "tool.h"

#include <fovea/context_use.h>
#include <jansson.h>
#include <string.h>

static json_t *point_json(const fv_use_point *at) {
    return json_pack("{s:f, s:f, s:f, s:f}", "depth", at->depth, "rate", at->rate, "low", at->low,
                     "high", at->high);
}

static int print_json(const fv_context_use *use, const char *text) {
    json_t *lengths = json_array();
    for (int i = 0; i < use->n_lengths; i++) {
        const fv_use_length *at = &use->lengths[i];
        json_array_append_new(lengths,
                              json_pack("{s:i, s:o, s:o, s:o, s:f, s:f, s:f}", "length", at->length,
                                        "begin", point_json(&at->begin), "least",
                                        point_json(&at->least), "end", point_json(&at->end), "dip",
                                        at->dip, "low", at->low, "high", at->high));
    }
    json_t *from = use->lost ? json_integer(use->from) : json_null();
    return tool_print_json(json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:i, s:f, s:b, s:o, s:o}", "context_use",
        text, "model", use->first->model, "settings", use->first->settings, "task",
        use->first->task, "unit", use->first->unit, "cells", use->n_cells, "n", use->n, "p", use->p,
        "likelihood_ratio", use->ratio, "degrees", use->degrees, "dispersion", use->dispersion,
        "lost", use->lost, "from", from, "lengths", lengths));
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

int context_lines(FILE *out, bool json, const fv_cells *cells) {
    bool several = are_several(cells);
    int exit_code = EXIT_DONE;
    for (int i = 0; i < cells->n && exit_code == EXIT_DONE; i++) {
        fv_context_use use;
        char text[512];
        if (!fv_context_use_of(cells, i, &use)) continue;
        fv_context_use_text(&use, text, sizeof text);
        if (out != NULL) print(out, &use, text, several);
        if (json) exit_code = print_json(&use, text);
    }
    return exit_code;
}
