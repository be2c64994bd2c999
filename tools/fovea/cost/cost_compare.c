// Several models side by side: memory and operations over the context.
#include "cost/cost_view.h"
#include "quantity.h"
#include "study_console.h"
#include "table.h"
#include "tool.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_CONTEXTS = 64, FIRST_CONTEXT = 1024 };

// What is compared: one panel of the figure each.
enum { MEMORY, DECODE, PREFILL, N_MEASURES };
static const struct {
    const char *title, *label;
    double unit;
} MEASURES[N_MEASURES] = {{"KV cache and state", "GB", 1e9},
                          {"one more token", "GFLOP", 1e9},
                          {"prefill", "TFLOP", 1e12}};

typedef struct comparison {
    int n_models, n_contexts;
    uint64_t contexts[MAX_CONTEXTS];
    double *values;  // [n_models][N_MEASURES][MAX_CONTEXTS], in the measures' units
    fv_cost *totals; // [n_models], at the last context
} comparison;

static double *values_of(const comparison *c, int model, int measure) {
    return c->values + ((size_t)model * N_MEASURES + (size_t)measure) * MAX_CONTEXTS;
}

// Powers of two, and the context that was asked for.
static void choose_contexts(comparison *c, uint64_t most) {
    for (uint64_t n = FIRST_CONTEXT; n < most && c->n_contexts < MAX_CONTEXTS - 1; n *= 2)
        c->contexts[c->n_contexts++] = n;
    c->contexts[c->n_contexts++] = most;
}

// What exceeds 128 bits is drawn nowhere.
static double real(fv_cost_number number) {
    return number == FV_COST_TOO_LARGE ? NAN : (double)number;
}

static fv_status fill(const cost_subject *subjects, const cost_request *request, comparison *c,
                      fv_error *error) {
    c->values = calloc((size_t)c->n_models * N_MEASURES * MAX_CONTEXTS, sizeof *c->values);
    c->totals = calloc((size_t)c->n_models, sizeof *c->totals);
    if (c->values == NULL || c->totals == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a comparison");
    for (int m = 0; m < c->n_models; m++)
        for (int i = 0; i < c->n_contexts; i++) {
            fv_cost_setting setting = request->setting;
            fv_cost *total = &c->totals[m];
            setting.tokens = c->contexts[i];
            fv_status status = fv_cost_total(subjects[m].model, &setting, total, error);
            if (status != FV_OK) return status;
            const double values[] = {
                real(total->value[FV_COST_CACHE_ENGINE]) + real(total->value[FV_COST_STATE_ENGINE]),
                real(total->value[FV_COST_DECODE]), real(total->value[FV_COST_PREFILL])};
            for (int k = 0; k < N_MEASURES; k++)
                values_of(c, m, k)[i] = values[k] / MEASURES[k].unit;
        }
    return FV_OK;
}

static int print_measure(const cost_subject *subjects, const comparison *c, int measure) {
    table t;
    table_init(&t, c->n_models + 1);
    table_add(&t, "context");
    for (int m = 0; m < c->n_models; m++) table_add(&t, "%s", subjects[m].name);
    for (int i = 0; i < c->n_contexts; i++) {
        table_add(&t, "%" PRIu64, c->contexts[i]);
        for (int m = 0; m < c->n_models; m++) table_add_number(&t, values_of(c, m, measure)[i]);
    }
    printf("%s%s, %s\n", measure > 0 ? "\n" : "", MEASURES[measure].title, MEASURES[measure].label);
    return table_show(&t);
}

static void add_context(table *t, uint64_t context) {
    if (context == UINT64_MAX)
        table_add(t, "any");
    else
        table_add(t, "%" PRIu64, context);
}

static int print_fits(const cost_subject *subjects, const comparison *c,
                      const cost_request *request) {
    static const char *const HEADERS[] = {"model", "beside the parameters", "cache and state alone",
                                          NULL};
    char memory[24];
    table t;
    table_init(&t, 3);
    table_add_texts(&t, HEADERS);
    for (int m = 0; m < c->n_models; m++) {
        cost_fit fit = cost_fit_memory(&subjects[m], request, &c->totals[m]);
        table_add(&t, "%s", subjects[m].name);
        add_context(&t, fit.beside_weights);
        add_context(&t, fit.alone);
    }
    printf("\nThe largest context for %" PRIu64 " sequence%s in %s, tokens\n",
           request->setting.batch, request->setting.batch == 1 ? "" : "s",
           quantity_text((double)request->memory, "B", memory));
    return table_show(&t);
}

static int print_tables(const cost_subject *subjects, const comparison *c,
                        const cost_request *request) {
    int exit_code = EXIT_DONE;
    for (int k = 0; exit_code == EXIT_DONE && k < N_MEASURES; k++)
        exit_code = print_measure(subjects, c, k);
    if (exit_code == EXIT_DONE && request->memory > 0) exit_code = print_fits(subjects, c, request);
    return exit_code;
}

// Whole numbers, all digits of which count.
static json_t *line_json(const cost_subject *subject, const cost_request *request,
                         uint64_t context) {
    fv_cost_setting setting = request->setting;
    fv_cost total;
    setting.tokens = context;
    if (fv_cost_total(subject->model, &setting, &total, NULL) != FV_OK) return NULL;
    json_t *line = json_pack("{s:s, s:s, s:I}", "model", subject->name, "family",
                             fv_cost_model_family(subject->model), "context", (json_int_t)context);
    if (line == NULL) return NULL;
    fv_cost_number cache = total.value[FV_COST_CACHE_ENGINE];
    fv_cost_number state = total.value[FV_COST_STATE_ENGINE];
    bool fits = cache != FV_COST_TOO_LARGE && state < FV_COST_TOO_LARGE - cache;
    cost_set_number(line, "memory_bytes", fits ? cache + state : FV_COST_TOO_LARGE);
    cost_set_number(line, "decode_flops", total.value[FV_COST_DECODE]);
    cost_set_number(line, "prefill_flops", total.value[FV_COST_PREFILL]);
    return line;
}

static int print_lines(const cost_subject *subjects, const comparison *c,
                       const cost_request *request) {
    int exit_code = EXIT_DONE;
    for (int m = 0; m < c->n_models; m++)
        for (int i = 0; exit_code == EXIT_DONE && i < c->n_contexts; i++) {
            json_t *line = line_json(&subjects[m], request, c->contexts[i]);
            if (line != NULL && request->memory > 0)
                json_object_set_new(line, "largest_context",
                                    cost_fit_json(&subjects[m], request, &c->totals[m]));
            exit_code = tool_print_json(line);
        }
    return exit_code;
}

static fv_status draw(const cost_subject *subjects, const comparison *c,
                      const cost_request *request, const char *folder, fv_error *error) {
    double x[MAX_CONTEXTS];
    char note[160];
    fv_chart_panel panels[N_MEASURES] = {{0}};
    fv_chart_line *lines = calloc((size_t)c->n_models * N_MEASURES, sizeof *lines);
    if (lines == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
    for (int i = 0; i < c->n_contexts; i++) x[i] = (double)c->contexts[i];
    for (int k = 0; k < N_MEASURES; k++) {
        panels[k] = (fv_chart_panel){.title = MEASURES[k].title,
                                     .xlabel = "context, tokens",
                                     .ylabel = MEASURES[k].label,
                                     .xlog = true,
                                     .ylog = true,
                                     .lines = lines + k * c->n_models,
                                     .n_lines = c->n_models};
        for (int m = 0; m < c->n_models; m++)
            lines[k * c->n_models + m] = (fv_chart_line){
                .label = subjects[m].name, .n = c->n_contexts, .x = x, .y = values_of(c, m, k)};
    }
    snprintf(note, sizeof note,
             "%" PRIu64 " sequence%s; %g bytes a number in the cache, %g in the state",
             request->setting.batch, request->setting.batch == 1 ? "" : "s",
             request->setting.cache_bytes, request->setting.state_bytes);
    const fv_chart chart = {.title = "What a longer context costs",
                            .note = note,
                            .panels = panels,
                            .n_panels = N_MEASURES};
    fv_status status = tool_draw(&chart, folder, "cost", error);
    free(lines);
    return status;
}

fv_status cost_compare(const cost_subject *subjects, int n, const cost_request *request,
                       const char *folder, bool json, int *exit_code, fv_error *error) {
    comparison c = {.n_models = n};
    choose_contexts(&c, request->setting.tokens);
    fv_status status = fill(subjects, request, &c, error);
    *exit_code = EXIT_DONE;
    // The folder is made when nothing can be wrong any more with what was asked.
    if (status == FV_OK && folder != NULL) *exit_code = study_make_folder(folder, NULL);
    if (status == FV_OK && *exit_code == EXIT_DONE)
        *exit_code =
            json ? print_lines(subjects, &c, request) : print_tables(subjects, &c, request);
    if (status == FV_OK && *exit_code == EXIT_DONE && folder != NULL)
        status = draw(subjects, &c, request, folder, error);
    free(c.values);
    free(c.totals);
    return status;
}
