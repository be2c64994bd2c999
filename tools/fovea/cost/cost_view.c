#include "cost/cost_view.h"

#include "cost/cost_devices.h"
#include "cost/cost_engine.h"
#include "cost/cost_measured.h"
#include "quantity.h"
#include "table.h"
#include "tool.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The columns of the table, and their order.
static const fv_cost_quantity COLUMNS[] = {FV_COST_PARAMETERS,  FV_COST_ACTIVE,     FV_COST_PREFILL,
                                           FV_COST_DECODE,      FV_COST_TRAINING,   FV_COST_CACHE,
                                           FV_COST_CACHE_PAGED, FV_COST_CACHE_FULL, FV_COST_STATE};
enum { N_COLUMNS = sizeof COLUMNS / sizeof COLUMNS[0] };

const char *cost_number_text(fv_cost_number number, char *text) {
    if (number != FV_COST_TOO_LARGE) return fv_cost_number_text(number, text);
    return strcpy(text, "more than 128 bits hold");
}

double cost_weight_memory(const cost_subject *subject, const cost_request *request,
                          const fv_cost *total) {
    if (request->weight_bytes > 0)
        return request->weight_bytes * (double)total->value[FV_COST_PARAMETERS];
    return (double)fv_cost_weight_bytes(subject->model, request->plain_bytes);
}

cost_fit cost_fit_memory(const cost_subject *subject, const cost_request *request,
                         const fv_cost *total) {
    double left = (double)request->memory - cost_weight_memory(subject, request, total);
    return (cost_fit){
        .alone = fv_cost_largest_context(subject->model, &request->setting, request->memory),
        .beside_weights =
            left > 0 ? fv_cost_largest_context(subject->model, &request->setting, (uint64_t)left)
                     : 0};
}

// How often a part's quantity counts in the whole, as fv_cost_total counts it.
static double times(const fv_cost_part *part, const fv_cost_setting *setting, fv_cost_quantity q) {
    if (q == FV_COST_PARAMETERS || q == FV_COST_ACTIVE) return (double)part->n_copies;
    bool once = q == FV_COST_WEIGHTS || q == FV_COST_ROUTER_BIAS;
    return (double)part->n_layers * (once ? 1 : (double)setting->batch);
}

static void add_amount(table *t, double value, fv_cost_quantity q) {
    char text[24];
    if (value >= (double)FV_COST_TOO_LARGE)
        table_add(t, ">2^128");
    else
        table_add(t, "%s", value > 0 ? quantity_text(value, fv_cost_unit(q), text) : "-");
}

static fv_status print_table(const cost_subject *subject, const cost_request *request,
                             const fv_cost *total, fv_error *error) {
    fv_status status = FV_OK;
    table t;
    table_init(&t, 2 + N_COLUMNS);
    table_add(&t, "part");
    table_add(&t, "layers");
    for (int c = 0; c < N_COLUMNS; c++) table_add(&t, "%s", fv_cost_name(COLUMNS[c]));
    for (int p = 0; status == FV_OK && p < fv_cost_n_parts(subject->model); p++) {
        fv_cost_part part;
        fv_cost cost;
        fv_cost_part_get(subject->model, p, &part);
        status = fv_cost_part_cost(subject->model, p, &request->setting, &cost, error);
        table_add(&t, "%s", part.name);
        table_add(&t, "%" PRIu64, part.n_layers);
        for (int c = 0; status == FV_OK && c < N_COLUMNS; c++)
            add_amount(&t,
                       times(&part, &request->setting, COLUMNS[c]) * (double)cost.value[COLUMNS[c]],
                       COLUMNS[c]);
    }
    table_add(&t, "total");
    table_add(&t, "%" PRIu64, fv_cost_n_layers(subject->model) - 2);
    for (int c = 0; c < N_COLUMNS; c++)
        add_amount(&t, (double)total->value[COLUMNS[c]], COLUMNS[c]);
    if (status == FV_OK && !table_print(&t, stdout))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for a table");
    table_free(&t);
    return status;
}

// --- formulas ----------------------------------------------------------------------------------

static void print_formula(const cost_subject *subject, const cost_request *request, int part,
                          fv_cost_quantity q, fv_cost_number value) {
    char digits[COST_TEXT];
    char *names = fv_cost_formula(subject->model, part, q, &request->setting, false);
    char *numbers = fv_cost_formula(subject->model, part, q, &request->setting, true);
    if (names != NULL && numbers != NULL)
        printf("  %-12s %s\n  %-12s = %s\n  %-12s = %s%s%s\n", fv_cost_name(q), names, "", numbers,
               "", cost_number_text(value, digits), *fv_cost_unit(q) ? " " : "", fv_cost_unit(q));
    free(names);
    free(numbers);
}

static bool is_named(const char *formula, const char *name) {
    size_t n = strlen(name);
    for (const char *at = strstr(formula, name); at != NULL; at = strstr(at + 1, name)) {
        bool starts = at == formula || strchr(" (", at[-1]) != NULL;
        if (starts && (at[n] == '\0' || strchr(" )", at[n]) != NULL)) return true;
    }
    return false;
}

// Whether some formula of the model that is not zero uses the name.
static bool is_used(const cost_subject *subject, const cost_request *request, const char *name) {
    bool used = false;
    for (int p = 0; p < fv_cost_n_parts(subject->model) && !used; p++)
        for (int q = 0; q < FV_COST_COUNT && !used; q++) {
            char *formula =
                fv_cost_formula(subject->model, p, (fv_cost_quantity)q, &request->setting, false);
            used = formula != NULL && is_named(formula, name);
            free(formula);
        }
    return used;
}

static void print_formulas(const cost_subject *subject, const cost_request *request) {
    printf("\nFormulas, for one layer and one sequence:\n");
    for (int p = 0; p < fv_cost_n_parts(subject->model); p++) {
        fv_cost_part part;
        fv_cost cost;
        fv_cost_part_get(subject->model, p, &part);
        if (fv_cost_part_cost(subject->model, p, &request->setting, &cost, NULL) != FV_OK) return;
        printf("\n%s, %" PRIu64 " layer%s", part.name, part.n_layers,
               part.n_layers == 1 ? "" : "s");
        if (part.n_copies < part.n_layers)
            printf(" sharing %" PRIu64 " set%s of parameters", part.n_copies,
                   part.n_copies == 1 ? "" : "s");
        printf("\n");
        for (int q = 0; q < FV_COST_COUNT; q++)
            if (cost.value[q] > 0)
                print_formula(subject, request, p, (fv_cost_quantity)q, cost.value[q]);
    }
    printf("\nNames:\n");
    const char *name, *meaning;
    for (int i = 0; (name = fv_cost_variable(i, &meaning)) != NULL; i++)
        if (is_used(subject, request, name)) printf("  %-14s %s\n", name, meaning);
}

// --- remarks -----------------------------------------------------------------------------------

// What the cache would be by two formulas that are often written down: the one that forgets that a
// layer has several heads of keys and values, and the one that gives each query head its own.
static void explain_cache(const cost_subject *subject, const cost_request *request) {
    double right = 0, one_head = 0, every_head = 0;
    fv_cost_part part = {0};
    uint64_t kv_heads = 0, query_heads = 0;
    for (int p = 0; p < fv_cost_n_parts(subject->model); p++) {
        fv_cost cost;
        fv_cost_part_get(subject->model, p, &part);
        if (part.kv_heads == 0 ||
            fv_cost_part_cost(subject->model, p, &request->setting, &cost, NULL) != FV_OK)
            continue;
        double bytes =
            times(&part, &request->setting, FV_COST_CACHE) * (double)cost.value[FV_COST_CACHE];
        right += bytes;
        one_head += bytes / (double)part.kv_heads;
        every_head += bytes / (double)part.kv_heads * (double)part.query_heads;
        kv_heads = part.kv_heads;
        query_heads = part.query_heads;
    }
    if (kv_heads < 2) return;
    char a[24], b[24], c[24];
    printf(" The keys and values of %" PRIu64
           " heads a layer take %s. Leaving the heads out of the "
           "formula (layers x head_dim x 2 x tokens x bytes) would give %s",
           kv_heads, quantity_text(right, "B", a), quantity_text(one_head, "B", b));
    if (query_heads > kv_heads)
        printf(", counting the %" PRIu64 " query heads %s", query_heads,
               quantity_text(every_head, "B", c));
    printf(".");
}

static void print_context(const char *text, uint64_t context) {
    if (context == UINT64_MAX)
        printf("%s: any context, as nothing grows with it\n", text);
    else
        printf("%s: %" PRIu64 " tokens\n", text, context);
}

static void print_fit(const cost_subject *subject, const cost_request *request,
                      const fv_cost *total) {
    char memory[24], weights[24];
    cost_fit fit = cost_fit_memory(subject, request, total);
    printf("\nThe largest context for %" PRIu64 " sequence%s in %s:\n", request->setting.batch,
           request->setting.batch == 1 ? "" : "s",
           quantity_text((double)request->memory, "B", memory));
    quantity_text(cost_weight_memory(subject, request, total), "B", weights);
    if (cost_weight_memory(subject, request, total) >= (double)request->memory)
        printf("  the parameters alone need %s\n", weights);
    else
        print_context("  beside the parameters", fit.beside_weights);
    print_context("  for cache and state alone", fit.alone);
    printf("  the %" PRIu64 " that were asked for %s beside the parameters\n",
           request->setting.tokens,
           fit.beside_weights >= request->setting.tokens ? "fit" : "do not fit");
}

static void print_notes(const cost_subject *subject, const fv_cost *total) {
    char digits[COST_TEXT];
    fv_cost_number bias = total->value[FV_COST_ROUTER_BIAS];
    if (bias > 0)
        printf(
            "Beside the parameters, biases that only choose experts, which transformers keeps as "
            "buffers: %s.\n",
            cost_number_text(bias, digits));
    const char *notes = fv_cost_model_notes(subject->model);
    if (*notes != '\0')
        printf("\nHow the file was read (defaults are those of transformers 5.24):\n");
    for (const char *line = notes; *line != '\0';) {
        int n = (int)strcspn(line, "\n");
        printf("  %.*s\n", n, line);
        line += n + (line[n] == '\n');
    }
}

static void print_title(const cost_subject *subject, const cost_request *request,
                        const fv_cost *total) {
    char a[24], b[24];
    printf("%s (%s): %s parameters, %s ", subject->name, fv_cost_model_family(subject->model),
           quantity_text((double)total->value[FV_COST_PARAMETERS], "", a),
           quantity_text(cost_weight_memory(subject, request, total), "B", b));
    if (request->weight_bytes == 0 && fv_cost_is_packed(subject->model))
        printf("as the file packs them\n");
    else
        printf("at %g bytes each\n",
               request->weight_bytes > 0 ? request->weight_bytes : request->plain_bytes);
}

fv_status cost_print(const cost_subject *subject, const cost_request *request, fv_error *error) {
    fv_cost total;
    char a[24];
    const fv_cost_setting *s = &request->setting;
    fv_status status = fv_cost_total(subject->model, s, &total, error);
    if (status == FV_OK) status = cost_check_devices(subject, request, error);
    if (status != FV_OK) return status;
    print_title(subject, request, &total);
    printf("%" PRIu64 " sequence%s of %" PRIu64 " tokens, %s attention; pages of %" PRIu64
           " tokens\n\n",
           s->batch, s->batch == 1 ? "" : "s", s->tokens, s->full ? "full" : "causal", s->page);
    status = print_table(subject, request, &total, error);
    if (status != FV_OK) return status;
    printf("\n");
    for (int c = 0; c < N_COLUMNS; c++)
        printf("%-12s %s\n", fv_cost_name(COLUMNS[c]), fv_cost_meaning(COLUMNS[c]));
    printf("\n");
    if (total.value[FV_COST_CACHE] > 0) {
        printf("KV cache: %s (%.2f GiB).",
               quantity_text((double)total.value[FV_COST_CACHE], "B", a),
               (double)total.value[FV_COST_CACHE] / (1 << 30));
        explain_cache(subject, request);
        printf("\n");
    } else {
        printf("There is no KV cache.\n");
    }
    uint64_t trained = fv_cost_model_max_tokens(subject->model);
    if (trained > 0)
        printf("The model was made for %" PRIu64 " tokens (max_position_embeddings)%s.\n", trained,
               s->tokens > trained ? ", fewer than these" : "");
    print_notes(subject, &total);
    cost_print_engine(subject, request, &total);
    if (request->memory > 0 && !cost_has_devices(request)) print_fit(subject, request, &total);
    if (request->n_points > 0) status = cost_print_measured(subject, request, &total, error);
    if (status == FV_OK) status = cost_print_devices(subject, request, error);
    if (status == FV_OK) print_formulas(subject, request);
    return status;
}

// --- JSON --------------------------------------------------------------------------------------

void cost_set_number(json_t *object, const char *name, fv_cost_number value) {
    char digits[COST_TEXT], key[64];
    if (value <= INT64_MAX) {
        json_object_set_new(object, name, json_integer((json_int_t)value));
        return;
    }
    bool fits = value != FV_COST_TOO_LARGE;
    snprintf(key, sizeof key, "%s_exact", name);
    json_object_set_new(object, name, fits ? json_real((double)value) : json_null());
    json_object_set_new(object, key, json_string(cost_number_text(value, digits)));
}

static void set_values(json_t *object, const fv_cost *cost) {
    for (int q = 0; q < FV_COST_COUNT; q++)
        cost_set_number(object, fv_cost_name((fv_cost_quantity)q), cost->value[q]);
}

static json_t *part_json(const cost_subject *subject, const cost_request *request, int p) {
    fv_cost_part part;
    fv_cost cost;
    fv_cost_part_get(subject->model, p, &part);
    if (fv_cost_part_cost(subject->model, p, &request->setting, &cost, NULL) != FV_OK) return NULL;
    json_t *formulas = json_object();
    for (int q = 0; q < FV_COST_COUNT; q++) {
        char *text =
            fv_cost_formula(subject->model, p, (fv_cost_quantity)q, &request->setting, false);
        if (text != NULL && strcmp(text, "0") != 0)
            json_object_set_new(formulas, fv_cost_name((fv_cost_quantity)q), json_string(text));
        free(text);
    }
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:o}", "part", part.name, "n_layers", (json_int_t)part.n_layers,
                  "n_copies", (json_int_t)part.n_copies, "formulas", formulas);
    if (object != NULL && part.query_heads > 0)
        json_object_update_new(object,
                               json_pack("{s:I, s:I}", "query_heads", (json_int_t)part.query_heads,
                                         "kv_heads", (json_int_t)part.kv_heads));
    if (object != NULL) set_values(object, &cost);
    return object;
}

static json_t *layer_json(const cost_subject *subject, uint64_t layer, const fv_cost *cost) {
    enum { MOST = 8 };
    int parts[MOST];
    int n = fv_cost_layer_parts(subject->model, layer, parts, MOST);
    json_t *names = json_array();
    for (int i = 0; i < n; i++) {
        fv_cost_part part;
        fv_cost_part_get(subject->model, parts[i], &part);
        json_array_append_new(names, json_string(part.name));
    }
    json_t *object = json_pack("{s:I, s:o}", "layer", (json_int_t)layer, "parts", names);
    if (object != NULL) set_values(object, cost);
    return object;
}

static fv_cost_number weight_number(const cost_subject *subject, const cost_request *request,
                                    const fv_cost *total) {
    return request->weight_bytes > 0
               ? (fv_cost_number)ceil(cost_weight_memory(subject, request, total))
               : fv_cost_weight_bytes(subject->model, request->plain_bytes);
}

static json_t *layers_json(const cost_subject *subject, const cost_request *request) {
    uint64_t n = fv_cost_n_layers(subject->model);
    fv_cost *costs = calloc(n, sizeof *costs);
    json_t *layers = json_array();
    if (costs != NULL && fv_cost_layers(subject->model, &request->setting, costs, NULL) == FV_OK)
        for (uint64_t l = 0; l < n; l++)
            json_array_append_new(layers, layer_json(subject, l, &costs[l]));
    free(costs);
    return layers;
}

static json_t *context_json(uint64_t context) {
    return context == UINT64_MAX ? json_null() : json_integer((json_int_t)context);
}

json_t *cost_fit_json(const cost_subject *subject, const cost_request *request,
                      const fv_cost *total) {
    cost_fit fit = cost_fit_memory(subject, request, total);
    bool ideal = request->setting.engine == FV_COST_ENGINE_IDEAL;
    return json_pack("{s:I, s:o, s:o, s:s, s:b}", "memory", (json_int_t)request->memory,
                     "beside_weights", context_json(fit.beside_weights), "alone",
                     context_json(fit.alone), "counts",
                     ideal ? "cache_paged + state" : "cache_engine + state_engine", "context_fits",
                     fit.beside_weights >= request->setting.tokens);
}

// The notes, one text each.
static json_t *cost_notes_json(const cost_subject *subject) {
    json_t *notes = json_array();
    for (const char *line = fv_cost_model_notes(subject->model); *line != '\0';) {
        size_t n = strcspn(line, "\n");
        json_array_append_new(notes, json_stringn(line, n));
        line += n + (line[n] == '\n');
    }
    return notes;
}

fv_status cost_json(const cost_subject *subject, const cost_request *request, json_t **out,
                    fv_error *error) {
    fv_cost total;
    const fv_cost_setting *s = &request->setting;
    *out = NULL;
    fv_status status = fv_cost_total(subject->model, s, &total, error);
    if (status != FV_OK) return status;
    json_t *notes = cost_notes_json(subject);
    json_t *parts = json_array(), *totals = json_object();
    for (int p = 0; p < fv_cost_n_parts(subject->model); p++)
        json_array_append_new(parts, part_json(subject, request, p));
    if (totals != NULL) {
        set_values(totals, &total);
        cost_set_number(totals, "weight_bytes", weight_number(subject, request, &total));
    }
    *out = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "model", subject->name, "family",
                     fv_cost_model_family(subject->model), "context", (json_int_t)s->tokens,
                     "batch", (json_int_t)s->batch, "notes", notes, "totals", totals, "parts",
                     parts, "layers", layers_json(subject, request));
    if (*out != NULL) json_object_set_new(*out, "engine", cost_engine_json(subject, request));
    uint64_t trained = fv_cost_model_max_tokens(subject->model);
    if (*out != NULL && trained > 0)
        json_object_set_new(*out, "max_tokens", json_integer((json_int_t)trained));
    if (*out != NULL && request->memory > 0 && !cost_has_devices(request))
        json_object_set_new(*out, "largest_context", cost_fit_json(subject, request, &total));
    json_t *measured = NULL;
    if (*out != NULL && request->n_points > 0)
        status = cost_measured_json(subject, request, &total, &measured, error);
    if (measured != NULL) json_object_set_new(*out, "measured", measured);
    if (*out != NULL && status == FV_OK) status = cost_set_devices(subject, request, *out, error);
    if (status == FV_OK) return FV_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}
