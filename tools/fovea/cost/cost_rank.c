#include "cost/cost_rank.h"

#include "cost/cost_devices.h"
#include "quantity.h"
#include "study_console.h"
#include "table.h"
#include "tool.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *other, *unit, *title;
    bool most_first;
} COLUMNS[COST_COLUMNS] = {
#define COLUMN(NAME, name, other, unit, most_first, title) {#name, other, unit, title, most_first},
    COST_COLUMN_LIST(COLUMN)
#undef COLUMN
};

typedef struct row {
    const cost_subject *subject;
    fv_cost total;
    double value[COST_COLUMNS]; // NAN: there is none; INFINITY: any
    fv_error reason;            // why a model has no numbers of a device
    int place;                  // as the models were given
    cost_column sort;
} row;

static bool is_asked(const cost_request *request, cost_column column) {
    switch (column) {
    case COST_COLUMN_CONTEXT:
        return request->memory > 0;
    case COST_COLUMN_SEQUENCES:
        return request->memory > 0;
    case COST_COLUMN_FIRST_TOKEN:
    case COST_COLUMN_SPEED:
        return cost_has_bounds(request);
    case COST_COLUMN_MONEY:
        return cost_has_bounds(request) && request->price > 0;
    default:
        return true;
    }
}

bool cost_find_column(const char *name, const cost_request *request, cost_column *column) {
    for (int c = 0; c < COST_COLUMNS; c++)
        if (strcmp(name, COLUMNS[c].name) == 0 || strcmp(name, COLUMNS[c].other) == 0) {
            *column = (cost_column)c;
            return is_asked(request, *column);
        }
    return false;
}

const char *cost_column_names(char *text) {
    *text = '\0';
    for (int c = 0; c < COST_COLUMNS; c++) {
        if (c > 0) strcat(text, ", ");
        strcat(text, COLUMNS[c].name);
    }
    return text;
}

// --- values --------------------------------------------------------------------------------------

// What exceeds 128 bits has no place in an order.
static double real(fv_cost_number number) {
    return number == FV_COST_TOO_LARGE ? NAN : (double)number;
}

static double limit(uint64_t number) {
    return number == UINT64_MAX ? INFINITY : (double)number;
}

static fv_status measure_device(row *r, const cost_request *request, fv_error *error) {
    fv_cost_stage stage;
    fv_status status = cost_fullest_stage(r->subject, request, &stage, error);
    if (status != FV_OK) return status;
    fv_cost_devices d = cost_devices_of(r->subject, request);
    r->value[COST_COLUMN_WEIGHTS] = d.weight_bytes * (double)stage.parameters;
    r->value[COST_COLUMN_CACHE] = real(stage.cache);
    r->value[COST_COLUMN_STATE] = real(stage.state);
    r->value[COST_COLUMN_MEMORY] =
        r->value[COST_COLUMN_WEIGHTS] + r->value[COST_COLUMN_CACHE] + r->value[COST_COLUMN_STATE];
    r->value[COST_COLUMN_CONTEXT] = limit(stage.context);
    r->value[COST_COLUMN_SEQUENCES] = limit(stage.sequences) * (double)request->devices.dp;
    return FV_OK;
}

static fv_status measure_bounds(row *r, const cost_request *request, fv_error *error) {
    fv_cost_bound bound;
    fv_cost_devices d = cost_devices_of(r->subject, request);
    fv_status status = fv_cost_bound_get(r->subject->model, &d, &request->setting, &bound, error);
    if (status != FV_OK) return status;
    r->value[COST_COLUMN_FIRST_TOKEN] = bound.first_token;
    r->value[COST_COLUMN_SPEED] = bound.tokens_a_second;
    r->value[COST_COLUMN_MONEY] = cost_of_million(request, bound.tokens_a_second);
    return FV_OK;
}

// A model that cannot be divided is left without those numbers.
static fv_status measure(row *r, const cost_request *request, fv_error *error) {
    for (int c = 0; c < COST_COLUMNS; c++) r->value[c] = NAN;
    fv_status status = fv_cost_total(r->subject->model, &request->setting, &r->total, error);
    if (status != FV_OK) return status;
    r->value[COST_COLUMN_PARAMETERS] = real(r->total.value[FV_COST_PARAMETERS]);
    r->value[COST_COLUMN_ACTIVE] = real(r->total.value[FV_COST_ACTIVE]);
    r->value[COST_COLUMN_PREFILL] = real(r->total.value[FV_COST_PREFILL]);
    r->value[COST_COLUMN_DECODE] = real(r->total.value[FV_COST_DECODE]);
    status = measure_device(r, request, &r->reason);
    if (status == FV_OK && cost_has_bounds(request))
        status = measure_bounds(r, request, &r->reason);
    if (status == FV_OK || status == FV_USAGE) return FV_OK;
    *error = r->reason;
    return status;
}

// --- order ---------------------------------------------------------------------------------------

static int compare(const void *first, const void *second) {
    const row *a = first, *b = second;
    double x = a->value[a->sort], y = b->value[b->sort];
    if (isnan(x) || isnan(y)) {
        if (isnan(x) != isnan(y)) return isnan(x) ? 1 : -1;
    } else if (x != y) {
        return (x < y) != COLUMNS[a->sort].most_first ? -1 : 1;
    }
    return a->place - b->place;
}

// --- what is printed -----------------------------------------------------------------------------

static void add_value(table *t, double value, cost_column column) {
    char text[24];
    const char *unit = COLUMNS[column].unit;
    if (isnan(value))
        table_add(t, "-");
    else if (isinf(value))
        table_add(t, "any");
    else if (column == COST_COLUMN_CONTEXT || column == COST_COLUMN_SEQUENCES)
        table_add(t, "%.0f", value);
    else if (column >= COST_COLUMN_FIRST_TOKEN)
        table_add(t, "%.4g%s%s", value, *unit ? " " : "", unit);
    else
        table_add(t, "%s", value > 0 ? quantity_text(value, unit, text) : "-");
}

static int print_rows(const row *rows, int n, const cost_request *request) {
    table t;
    int n_columns = 1;
    for (int c = 0; c < COST_COLUMNS; c++) n_columns += is_asked(request, (cost_column)c);
    table_init(&t, n_columns);
    table_add(&t, "model");
    for (int c = 0; c < COST_COLUMNS; c++)
        if (is_asked(request, (cost_column)c)) table_add(&t, "%s", COLUMNS[c].title);
    for (int i = 0; i < n; i++) {
        table_add(&t, "%s", rows[i].subject->name);
        for (int c = 0; c < COST_COLUMNS; c++)
            if (is_asked(request, (cost_column)c)) add_value(&t, rows[i].value[c], (cost_column)c);
    }
    return table_show(&t);
}

static void print_setting(const cost_request *request, cost_column sort) {
    const fv_cost_devices *d = &request->devices;
    const fv_cost_setting *s = &request->setting;
    printf("%" PRIu64 " sequence%s of %" PRIu64 " tokens, sorted by %s", s->batch,
           s->batch == 1 ? "" : "s", s->tokens, COLUMNS[sort].name);
    if (s->engine != FV_COST_ENGINE_IDEAL)
        printf("; as %s reserves memory", fv_cost_engine_name(s->engine));
    if (cost_has_devices(request))
        printf("; memory of one of %" PRIu64 " devices", fv_cost_devices_count(d));
    printf("\n");
}

static int print_table(const row *rows, int n, const cost_request *request, cost_column sort) {
    print_setting(request, sort);
    int exit_code = print_rows(rows, n, request);
    if (exit_code == EXIT_DONE && cost_has_bounds(request))
        printf("Times and money are roofline bounds: no engine is faster or cheaper.\n");
    for (int i = 0; exit_code == EXIT_DONE && i < n; i++)
        if (rows[i].reason.text[0] != '\0')
            printf("%s: %s\n", rows[i].subject->name, rows[i].reason.text);
    return exit_code;
}

static json_t *value_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *row_json(const row *r, const cost_request *request) {
    static const struct {
        cost_column column;
        fv_cost_quantity quantity;
    } EXACT[] = {{COST_COLUMN_PARAMETERS, FV_COST_PARAMETERS},
                 {COST_COLUMN_ACTIVE, FV_COST_ACTIVE},
                 {COST_COLUMN_PREFILL, FV_COST_PREFILL},
                 {COST_COLUMN_DECODE, FV_COST_DECODE}};
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I}", "model", r->subject->name, "family",
                  fv_cost_model_family(r->subject->model), "context",
                  (json_int_t)request->setting.tokens, "batch", (json_int_t)request->setting.batch);
    for (int c = 0; object != NULL && c < COST_COLUMNS; c++) {
        double value = r->value[c];
        if (!is_asked(request, (cost_column)c)) continue;
        bool whole = isfinite(value) && value == floor(value) && fabs(value) < 0x1p53;
        json_object_set_new(object, COLUMNS[c].name,
                            whole ? json_integer((json_int_t)value) : value_json(value));
    }
    for (size_t i = 0; object != NULL && i < sizeof EXACT / sizeof EXACT[0]; i++)
        cost_set_number(object, COLUMNS[EXACT[i].column].name, r->total.value[EXACT[i].quantity]);
    if (object != NULL && r->reason.text[0] != '\0')
        json_object_set_new(object, "reason", json_string(r->reason.text));
    return object;
}

static int print_lines(const row *rows, int n, const cost_request *request) {
    int exit_code = EXIT_DONE;
    for (int i = 0; exit_code == EXIT_DONE && i < n; i++)
        exit_code = tool_print_json(row_json(&rows[i], request));
    return exit_code;
}

// --- the figure ----------------------------------------------------------------------------------

enum { MAX_PANELS = 3, ROW_HEIGHT = 17 };

// Bars of a column begin here: below the smallest, as the axis has no zero.
static double floor_of(const row *rows, int n, cost_column column) {
    double least = INFINITY;
    for (int i = 0; i < n; i++) {
        double value = rows[i].value[column];
        if (isfinite(value) && value > 0 && value < least) least = value;
    }
    return isfinite(least) ? pow(10, floor(log10(least) - 0.3)) : 1;
}

typedef struct bars {
    double *from, *to;
    int *row, n;
} bars;

static bool fill_bars(bars *b, const row *rows, int n, cost_column column, double from,
                      double unit) {
    *b = (bars){.from = calloc((size_t)n, sizeof *b->from),
                .to = calloc((size_t)n, sizeof *b->to),
                .row = calloc((size_t)n, sizeof *b->row)};
    if (b->from == NULL || b->to == NULL || b->row == NULL) return false;
    for (int i = 0; i < n; i++) {
        double value = rows[i].value[column];
        if (!isfinite(value) || value <= 0) continue;
        b->from[b->n] = from / unit;
        b->to[b->n] = value / unit;
        b->row[b->n++] = i;
    }
    return true;
}

// What is asked for, parameters, and what a longer context costs.
static int choose_panels(const cost_request *request, cost_column sort, cost_column *panels) {
    cost_column wanted[] = {sort, COST_COLUMN_PARAMETERS, COST_COLUMN_MEMORY, COST_COLUMN_SPEED,
                            COST_COLUMN_DECODE};
    int n = 0;
    for (size_t i = 0; n < MAX_PANELS && i < sizeof wanted / sizeof wanted[0]; i++) {
        bool again = wanted[i] == COST_COLUMN_ACTIVE && i > 0;
        for (int p = 0; p < n; p++) again |= panels[p] == wanted[i];
        if (wanted[i] == COST_COLUMN_PARAMETERS && sort == COST_COLUMN_ACTIVE) again = true;
        if (!again && is_asked(request, wanted[i])) panels[n++] = wanted[i];
    }
    return n;
}

static const struct {
    const char *title, *label;
    double unit;
} PANELS[COST_COLUMNS] = {[COST_COLUMN_PARAMETERS] = {"parameters", "billions", 1e9},
                          [COST_COLUMN_ACTIVE] = {"parameters", "billions", 1e9},
                          [COST_COLUMN_WEIGHTS] = {"weights", "GB", 1e9},
                          [COST_COLUMN_CACHE] = {"KV cache", "GB", 1e9},
                          [COST_COLUMN_STATE] = {"recurrent state", "MB", 1e6},
                          [COST_COLUMN_MEMORY] = {"weights, cache and state", "GB", 1e9},
                          [COST_COLUMN_PREFILL] = {"prefill", "TFLOP", 1e12},
                          [COST_COLUMN_DECODE] = {"one more token", "GFLOP", 1e9},
                          [COST_COLUMN_CONTEXT] = {"largest context", "tokens", 1},
                          [COST_COLUMN_SEQUENCES] = {"sequences that fit", "sequences", 1},
                          [COST_COLUMN_FIRST_TOKEN] = {"first token, at least", "s", 1},
                          [COST_COLUMN_SPEED] = {"decoding, at most", "tokens a second", 1},
                          [COST_COLUMN_MONEY] = {"a million tokens, at least", "money", 1}};

typedef struct drawing {
    bars all[MAX_PANELS], active[MAX_PANELS];
    fv_chart_bars series[MAX_PANELS][2];
    const char **names;
} drawing;

static void free_drawing(drawing *d) {
    for (int p = 0; p < MAX_PANELS; p++)
        for (int k = 0; k < 2; k++) {
            bars *b = k == 0 ? &d->all[p] : &d->active[p];
            free(b->from);
            free(b->to);
            free(b->row);
        }
    free(d->names);
}

static bool plan_panel(drawing *d, int p, const row *rows, int n, cost_column column,
                       fv_chart_panel *panel) {
    bool two = column == COST_COLUMN_PARAMETERS || column == COST_COLUMN_ACTIVE;
    cost_column first = two ? COST_COLUMN_PARAMETERS : column;
    double unit = PANELS[column].unit;
    double from = floor_of(rows, n, two ? COST_COLUMN_ACTIVE : column);
    if (!fill_bars(&d->all[p], rows, n, first, from, unit) ||
        (two && !fill_bars(&d->active[p], rows, n, COST_COLUMN_ACTIVE, from, unit)))
        return false;
    for (int k = 0; k < 1 + two; k++) {
        const bars *b = k == 0 ? &d->all[p] : &d->active[p];
        d->series[p][k] = (fv_chart_bars){.label = k == 0 ? "all" : "of these, met by a token",
                                          .n = b->n,
                                          .from = b->from,
                                          .to = b->to,
                                          .row = b->row};
    }
    *panel = (fv_chart_panel){.title = PANELS[column].title,
                              .xlabel = PANELS[column].label,
                              .xlog = true,
                              .bars = d->series[p],
                              .n_bars = 1 + two,
                              .rows = d->names,
                              .n_rows = n};
    return true;
}

static fv_status draw(const row *rows, int n, const cost_request *request, cost_column sort,
                      const char *folder, fv_error *error) {
    char note[200];
    cost_column columns[MAX_PANELS];
    fv_chart_panel panels[MAX_PANELS] = {{0}};
    drawing d = {.names = calloc((size_t)n, sizeof *d.names)};
    int n_panels = choose_panels(request, sort, columns);
    bool planned = d.names != NULL;
    for (int i = 0; planned && i < n; i++) d.names[i] = rows[i].subject->name;
    for (int p = 0; planned && p < n_panels; p++)
        planned = plan_panel(&d, p, rows, n, columns[p], &panels[p]);
    snprintf(note, sizeof note, "%" PRIu64 " sequence%s of %" PRIu64 " tokens, sorted by %s%s",
             request->setting.batch, request->setting.batch == 1 ? "" : "s",
             request->setting.tokens, COLUMNS[sort].name,
             cost_has_bounds(request) ? "; times are roofline bounds" : "");
    const fv_chart chart = {.title = "What models cost",
                            .note = note,
                            .panels = panels,
                            .n_panels = n_panels,
                            .panel_height = 60 + ROW_HEIGHT * n};
    fv_status status = planned ? tool_draw(&chart, folder, "compare", error)
                               : fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
    free_drawing(&d);
    return status;
}

fv_status cost_rank(const cost_subject *subjects, int n, const cost_request *request,
                    cost_column sort, const char *folder, bool json, int *exit_code,
                    fv_error *error) {
    row *rows = calloc((size_t)n, sizeof *rows);
    fv_status status =
        rows != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory for a comparison");
    *exit_code = EXIT_DONE;
    for (int i = 0; status == FV_OK && i < n; i++) {
        rows[i].subject = &subjects[i];
        rows[i].place = i;
        rows[i].sort = sort;
        status = measure(&rows[i], request, error);
    }
    if (status == FV_OK) qsort(rows, (size_t)n, sizeof *rows, compare);
    // The folder is made when nothing can be wrong any more with what was asked.
    if (status == FV_OK && folder != NULL) *exit_code = study_make_folder(folder, NULL);
    if (status == FV_OK && *exit_code == EXIT_DONE)
        *exit_code = json ? print_lines(rows, n, request) : print_table(rows, n, request, sort);
    if (status == FV_OK && *exit_code == EXIT_DONE && folder != NULL)
        status = draw(rows, n, request, sort, folder, error);
    free(rows);
    return status;
}
