#include "cost/cost_measured.h"

#include "quantity.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool read_point(char *text, fv_cost_point *point) {
    uint64_t bytes;
    char *colon = strchr(text, ':');
    if (colon == NULL) return false;
    *colon = '\0';
    if (!quantity_read(text, false, &point->tokens) || point->tokens == 0 ||
        !quantity_read(colon + 1, true, &bytes) || bytes == 0)
        return false;
    point->bytes = (double)bytes;
    return true;
}

int cost_read_points(const char *text, fv_cost_point **points) {
    int n = 1, read = 0;
    for (const char *c = text; *c != '\0'; c++) n += *c == ',';
    char *copy = strdup(text);
    *points = calloc((size_t)n, sizeof **points);
    for (char *at = copy; copy != NULL && *points != NULL && at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) *comma = '\0';
        if (!read_point(at, &(*points)[read])) break;
        read++;
        at = comma != NULL ? comma + 1 : NULL;
    }
    free(copy);
    if (read == n) return n;
    free(*points);
    *points = NULL;
    return 0;
}

// What was measured, what the formula says of it, and what is left.
typedef struct comparison {
    fv_cost_line measured, formula, unexplained;
    double parameters;
    bool with_parameters; // there is room for them in the fixed part
} comparison;

static fv_status compare(const cost_subject *subject, const cost_request *request,
                         const fv_cost *total, comparison *c, fv_error *error) {
    fv_status status = fv_cost_line_fit(request->points, request->n_points, &c->measured, error);
    if (status == FV_OK)
        status = fv_cost_line_of_model(subject->model, &request->setting, request->points,
                                       request->n_points, &c->formula, error);
    c->parameters = cost_weight_memory(subject, request, total);
    c->with_parameters = c->measured.fixed >= c->parameters + c->formula.fixed;
    c->unexplained.per_token = c->measured.per_token - c->formula.per_token;
    c->unexplained.fixed = c->measured.fixed - c->formula.fixed;
    if (c->with_parameters) c->unexplained.fixed -= c->parameters;
    return status;
}

static void add_line(table *t, const char *name, double fixed, double per_token) {
    char text[24];
    table_add(t, "%s", name);
    table_add(t, "%s", quantity_text(fixed, "B", text));
    table_add(t, "%.6g", per_token);
}

static fv_status print_lines(const comparison *c, fv_error *error) {
    char text[24];
    table t;
    table_init(&t, 3);
    table_add(&t, " ");
    table_add(&t, "fixed");
    table_add(&t, "bytes a token");
    add_line(&t, "measured", c->measured.fixed, c->measured.per_token);
    if (c->with_parameters) add_line(&t, "parameters", c->parameters, 0);
    add_line(&t, "cache and state, by formula", c->formula.fixed, c->formula.per_token);
    add_line(&t, "unexplained", c->unexplained.fixed, c->unexplained.per_token);
    bool printed = table_print(&t, stdout);
    table_free(&t);
    if (!printed) return fv_fail(error, FV_NO_MEMORY, "out of memory for a table");
    if (!c->with_parameters)
        printf("The fixed part has no room for the parameters, %s: they are taken to be "
               "elsewhere.\n",
               quantity_text(c->parameters, "B", text));
    return FV_OK;
}

// In words: how far off, and what would explain the bytes a token.
static void explain(const comparison *c, const fv_cost_setting *setting) {
    if (c->formula.per_token <= 0) {
        printf("By the formula nothing grows with the context.\n");
        return;
    }
    double ratio = c->measured.per_token / c->formula.per_token;
    printf("A token takes %.4g times what the formula says (%+.2f %%)", ratio, 100 * (ratio - 1));
    if (ratio < 0.999 || ratio > 1.001)
        printf("; numbers of %.4g bytes in the cache, not %g, would explain it",
               ratio * setting->cache_bytes, setting->cache_bytes);
    printf(".\n");
}

static double residual(const fv_cost_point *point, const fv_cost_line *line) {
    return point->bytes - (line->fixed + line->per_token * (double)point->tokens);
}

fv_status cost_print_measured(const cost_subject *subject, const cost_request *request,
                              const fv_cost *total, fv_error *error) {
    comparison c;
    fv_status status = compare(subject, request, total, &c, error);
    if (status != FV_OK) return status;
    printf("\nMeasured at %d contexts, least squares:\n", request->n_points);
    status = print_lines(&c, error);
    explain(&c, &request->setting);
    for (int i = 0; request->n_points > 2 && i < request->n_points; i++) {
        char text[24];
        const fv_cost_point *p = &request->points[i];
        quantity_text(residual(p, &c.measured), "B", text);
        printf("  at %" PRIu64 " tokens the measurement is %s off the line (%+.2f %%)\n", p->tokens,
               text, 100 * residual(p, &c.measured) / p->bytes);
    }
    return status;
}

static json_t *line_json(const fv_cost_line *line) {
    return json_pack("{s:f, s:f}", "fixed", line->fixed, "per_token", line->per_token);
}

fv_status cost_measured_json(const cost_subject *subject, const cost_request *request,
                             const fv_cost *total, json_t **out, fv_error *error) {
    comparison c;
    *out = NULL;
    fv_status status = compare(subject, request, total, &c, error);
    if (status != FV_OK) return status;
    json_t *points = json_array();
    for (int i = 0; i < request->n_points; i++)
        json_array_append_new(points, json_pack("{s:I, s:f, s:f}", "tokens",
                                                (json_int_t)request->points[i].tokens, "bytes",
                                                request->points[i].bytes, "residual",
                                                residual(&request->points[i], &c.measured)));
    *out = json_pack("{s:f, s:f, s:f, s:b, s:o, s:o, s:o}", "fixed", c.measured.fixed, "per_token",
                     c.measured.per_token, "parameters", c.parameters, "with_parameters",
                     c.with_parameters, "formula", line_json(&c.formula), "unexplained",
                     line_json(&c.unexplained), "points", points);
    return FV_OK;
}
