// What a comparison comes to: printed, drawn, and held against the gates.
#include "needle/against.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

gate_limits against_limits(const served_request *r) {
    return (gate_limits){r->fail_under, r->fail_within, r->fail_worse, r->alpha};
}

void against_count(const fv_cells *cells, gate_counts *counts) {
    for (int i = 0; i < cells->n; i++) {
        counts->found += cells->items[i].hits;
        counts->n += cells->items[i].n;
        counts->n_unanswered += fv_cell_asked(&cells->items[i]) - cells->items[i].n;
    }
}

// Prints the gates and a line about all of it; writes --junit.
static int judge(const served_request *r, const gate_counts *counts, const char *summary,
                 json_t *object) {
    const gate_limits limits = against_limits(r);
    gates g;
    fv_error error;
    FILE *out = r->json ? stderr : stdout;
    int exit_code = EXIT_DONE;
    char suite[32];
    snprintf(suite, sizeof suite, "fovea %s", r->verb);
    gates_judge(&limits, counts, &g);
    if (!r->quiet && g.n > 0) fputc('\n', out);
    if (!r->quiet || g.n_failed > 0) gates_print(&g, r->quiet ? stderr : out);
    if (!r->quiet) fprintf(out, "%s\n", summary);
    if (r->json) {
        json_object_set_new(object, "gates", gates_json(&g));
        exit_code = tool_print_json(json_incref(object));
    }
    if (r->junit != NULL && gates_junit(&g, counts, suite, summary, r->junit, &error) != FV_OK)
        exit_code = tool_fail(&error);
    return against_worse(exit_code, g.n_failed > 0 ? EXIT_GATE : EXIT_DONE);
}

int against_nobody(const served_request *r, const fv_cells *cells, const char *label) {
    const gate_limits limits = against_limits(r);
    gate_counts counts = {0};
    char summary[256];
    if (!gates_wanted(&limits)) return EXIT_DONE;
    against_count(cells, &counts);
    snprintf(summary, sizeof summary, "%.120s: %d of %d found", label, counts.found, counts.n);
    fv_printable(summary, sizeof summary);
    json_t *object =
        json_pack("{s:s, s:i, s:i}", "judged", label, "found", counts.found, "n", counts.n);
    int exit_code = judge(r, &counts, summary, object);
    json_decref(object);
    return exit_code;
}

int against_report(const served_request *r, const against_sides *sides, gate_counts *counts) {
    const fv_comparison *c = sides->comparison;
    fv_error error;
    char summary[512];
    fv_status status = against_write_flips(r->out, sides, &error);
    if (status == FV_OK && c->all.counts.n > 0)
        status = against_draw(r->out, sides->label, c, &error);
    if (status != FV_OK) return tool_fail(&error);
    counts->compared = true;
    counts->paired = c->all.counts;
    counts->n_unanswered = c->n_asked - c->all.counts.n;
    FILE *out = r->json ? stderr : stdout;
    if (!r->quiet) against_print(out, sides->label, c, sides->noise);
    if (!r->quiet && c->n_flips > 0) fprintf(out, "%s/flips.jsonl has their prompts\n", r->out);
    against_summary(sides->label, c, summary, sizeof summary);
    json_t *object = r->json ? against_json(sides->label, c, sides->noise) : NULL;
    int exit_code = judge(r, counts, summary, object);
    json_decref(object);
    return counts->n_unanswered > 0 ? against_worse(exit_code, EXIT_FAILED) : exit_code;
}
