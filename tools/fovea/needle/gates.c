#include "needle/gates.h"

#include <fovea/whole_file.h>
#include <math.h>

bool gates_wanted(const gate_limits *l) {
    return !isnan(l->under) || !isnan(l->within) || l->worse;
}

static gate *add(gates *g) {
    gate *next = &g->items[g->n++];
    *next = (gate){.p = 1};
    return next;
}

// Fails where the null, that it is good, is refuted.
static void judge_under(const gate_limits *l, const gate_counts *c, gate *g) {
    snprintf(g->name, sizeof g->name, "--fail-under %g", l->under);
    snprintf(g->null, sizeof g->null, "found in %g %% or more", 100 * l->under);
    g->p = c->n > 0 ? fv_binomial_at_most(c->found, c->n, l->under) : 1;
    g->failed = g->p <= l->alpha || c->n == 0;
    snprintf(g->judged, sizeof g->judged, "%d of %d found, exact binomial p = %.3g", c->found, c->n,
             g->p);
}

// Fails where the null, that it is worse, is not refuted: closed.
static void judge_within(const gate_limits *l, const gate_counts *c, gate *g) {
    snprintf(g->name, sizeof g->name, "--fail-unless-within %g", l->within);
    snprintf(g->null, sizeof g->null, "finds %g %% less, or less than that", 100 * l->within);
    g->p = fv_paired_within(c->paired, l->within);
    g->failed = g->p > l->alpha || c->n_unanswered > 0;
    snprintf(g->judged, sizeof g->judged, "%d lost and %d won of %d, exact unconditional p = %.3g",
             c->paired.lost, c->paired.won, c->paired.n, g->p);
}

static void judge_worse(const gate_limits *l, const gate_counts *c, gate *g) {
    snprintf(g->name, sizeof g->name, "--fail-if-worse");
    snprintf(g->null, sizeof g->null, "finds as often, or more often");
    g->p = fv_mcnemar_worse(c->paired);
    g->failed = g->p <= l->alpha || c->paired.n == 0;
    snprintf(g->judged, sizeof g->judged,
             "%d lost and %d won of %d, McNemar's exact one-sided p = %.3g", c->paired.lost,
             c->paired.won, c->paired.n, g->p);
}

void gates_judge(const gate_limits *l, const gate_counts *c, gates *out) {
    *out = (gates){0};
    if (!isnan(l->under)) judge_under(l, c, add(out));
    if (!isnan(l->within) && c->compared) judge_within(l, c, add(out));
    if (l->worse && c->compared) judge_worse(l, c, add(out));
    for (int i = 0; i < out->n; i++) out->n_failed += out->items[i].failed;
}

void gates_print(const gates *g, FILE *out) {
    for (int i = 0; i < g->n; i++) {
        const gate *at = &g->items[i];
        fprintf(out, "%s %s: null '%s', %s\n", at->failed ? "FAILED" : "passed", at->name, at->null,
                at->judged);
    }
}

json_t *gates_json(const gates *g) {
    json_t *list = json_array();
    for (int i = 0; i < g->n; i++) {
        const gate *at = &g->items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:b}", "gate", at->name, "null",
                                              at->null, "p", at->p, "failed", at->failed));
    }
    return list;
}

// --- JUnit ---------------------------------------------------------------------------------------

// What XML 1.0 allows of a text, in an attribute or an element.
static void xml_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '&')
            fputs("&amp;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else
            fputc(c < ' ' ? ' ' : c, out);
    }
}

static void xml_case(FILE *out, const char *suite, const char *name, const char *failed,
                     const char *said) {
    fputs("  <testcase classname=\"", out);
    xml_text(out, suite);
    fputs("\" name=\"", out);
    xml_text(out, name);
    fputs("\">", out);
    if (failed != NULL) {
        fprintf(out, "<%s message=\"", failed);
        xml_text(out, said);
        fputs("\"/>", out);
    } else {
        fputs("<system-out>", out);
        xml_text(out, said);
        fputs("</system-out>", out);
    }
    fputs("</testcase>\n", out);
}

fv_status gates_junit(const gates *g, const gate_counts *c, const char *suite, const char *summary,
                      const char *path, fv_error *error) {
    fv_whole_file file;
    char said[288];
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    FILE *out = file.stream;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"", out);
    xml_text(out, suite);
    fprintf(out, "\" tests=\"%d\" failures=\"%d\" errors=\"%d\">\n", g->n + 1, g->n_failed,
            c->n_unanswered > 0);
    for (int i = 0; i < g->n; i++) {
        const gate *at = &g->items[i];
        snprintf(said, sizeof said, "null: %s; %s", at->null, at->judged);
        xml_case(out, suite, at->name, at->failed ? "failure" : NULL, said);
    }
    snprintf(said, sizeof said, "%d questions without an answer", c->n_unanswered);
    xml_case(out, suite, "every question is answered", c->n_unanswered > 0 ? "error" : NULL, said);
    fputs("  <system-out>", out);
    xml_text(out, summary);
    fputs("</system-out>\n</testsuite>\n", out);
    return fv_whole_file_close(&file, 1, error);
}
