#include "cost/cost_devices.h"

#include "quantity.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

bool cost_read_rate(const char *text, const char *unit, double *rate) {
    char number[64];
    uint64_t value;
    size_t n = strlen(text);
    static const char *const ENDS[] = {"/s", "S", "s"}; // FLOP/s, FLOPS
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        size_t m = strlen(ENDS[i]);
        if (n > m && strcmp(text + n - m, ENDS[i]) == 0) {
            n -= m;
            break;
        }
    }
    size_t m = strlen(unit);
    if (n > m && strncmp(text + n - m, unit, m) == 0) n -= m;
    if (n >= sizeof number) return false;
    memcpy(number, text, n);
    number[n] = '\0';
    if (!quantity_read(number, false, &value) || value == 0) return false;
    *rate = (double)value;
    return true;
}

bool cost_has_devices(const cost_request *request) {
    return fv_cost_devices_count(&request->devices) > 1 || request->devices.ep > 1;
}
bool cost_has_bounds(const cost_request *request) {
    return request->devices.flops > 0;
}

fv_status cost_check_devices(const cost_subject *subject, const cost_request *request,
                             fv_error *error) {
    fv_status status = FV_OK;
    for (uint64_t s = 0; status == FV_OK && s < request->devices.pp; s++) {
        fv_cost_model *device;
        status =
            fv_cost_shard(subject->model, &request->devices, &request->setting, s, &device, error);
        fv_cost_model_free(device);
    }
    return status;
}

fv_cost_devices cost_devices_of(const cost_subject *subject, const cost_request *request) {
    fv_cost_devices devices = request->devices;
    fv_cost total;
    devices.memory = request->memory;
    if (fv_cost_total(subject->model, &request->setting, &total, NULL) != FV_OK) return devices;
    double parameters = (double)total.value[FV_COST_PARAMETERS];
    if (parameters > 0)
        devices.weight_bytes = cost_weight_memory(subject, request, &total) / parameters;
    return devices;
}

// Bytes of memory that the device moves for one token, its share of the weights included.
static double cost_moved(const cost_request *request, const fv_cost_devices *devices,
                         const fv_cost_stage *stage) {
    uint64_t batch = fv_cost_device_setting(devices, &request->setting).batch;
    double weights = (double)stage->weights * devices->weight_bytes;
    return weights / (double)batch + (double)stage->traffic;
}

double cost_of_million(const cost_request *request, double tokens_a_second) {
    double hours = 1e6 / tokens_a_second / 3600;
    return request->price * (double)fv_cost_devices_count(&request->devices) * hours;
}

static double held(const fv_cost_devices *devices, const fv_cost_stage *stage) {
    return (double)stage->parameters * devices->weight_bytes + (double)stage->cache +
           (double)stage->state;
}

fv_status cost_fullest_stage(const cost_subject *subject, const cost_request *request,
                             fv_cost_stage *out, fv_error *error) {
    fv_cost_devices d = cost_devices_of(subject, request);
    uint64_t sequences = UINT64_MAX, context = UINT64_MAX;
    for (uint64_t s = 0; s < d.pp; s++) {
        fv_cost_stage stage;
        fv_status status =
            fv_cost_stage_get(subject->model, &d, &request->setting, s, &stage, error);
        if (status != FV_OK) return status;
        if (stage.sequences < sequences) sequences = stage.sequences;
        if (stage.context < context) context = stage.context;
        if (s == 0 || held(&d, &stage) > held(&d, out)) *out = stage;
    }
    out->sequences = sequences;
    out->context = context;
    return FV_OK;
}

// Of all replicas.
static uint64_t all_sequences(const cost_request *request, uint64_t sequences) {
    uint64_t all;
    return __builtin_mul_overflow(sequences, request->devices.dp, &all) ? UINT64_MAX : all;
}

// --- tables --------------------------------------------------------------------------------------

static void add_size(table *t, double bytes) {
    char text[24];
    table_add(t, "%s", bytes > 0 ? quantity_text(bytes, "B", text) : "-");
}

static fv_status add_stage(table *t, const cost_subject *subject, const cost_request *request,
                           uint64_t s, fv_error *error) {
    fv_cost_devices d = cost_devices_of(subject, request);
    fv_cost_stage stage;
    fv_status status = fv_cost_stage_get(subject->model, &d, &request->setting, s, &stage, error);
    if (status != FV_OK) return status;
    table_add(t, "%" PRIu64, s);
    table_add(t, "%" PRIu64 "-%" PRIu64, stage.first_layer, stage.first_layer + stage.n_layers - 1);
    add_size(t, (double)stage.parameters * d.weight_bytes);
    add_size(t, (double)stage.cache);
    add_size(t, (double)stage.state);
    add_size(t, held(&d, &stage));
    add_size(t, cost_moved(request, &d, &stage));
    add_size(t, stage.sent);
    return FV_OK;
}

static fv_status print_stages(const cost_subject *subject, const cost_request *request,
                              fv_error *error) {
    static const char *const HEADERS[] = {"stage",         "layers",       "parameters",
                                          "cache",         "state",        "all",
                                          "moved a token", "sent a token", NULL};
    table t;
    table_init(&t, 8);
    table_add_texts(&t, HEADERS);
    fv_status status = FV_OK;
    for (uint64_t s = 0; status == FV_OK && s < request->devices.pp; s++)
        status = add_stage(&t, subject, request, s, error);
    if (status == FV_OK && !table_print(&t, stdout))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for a table");
    table_free(&t);
    return status;
}

// Calls `take` for every line that some stage has, once: stages mostly say the same.
static fv_status for_each_note(const cost_subject *subject, const cost_request *request,
                               void take(void *, const char *, size_t), void *context,
                               fv_error *error) {
    fv_cost_model *first = NULL;
    fv_status status = FV_OK;
    for (uint64_t s = 0; status == FV_OK && s < request->devices.pp; s++) {
        fv_cost_model *device;
        status =
            fv_cost_shard(subject->model, &request->devices, &request->setting, s, &device, error);
        if (status != FV_OK) break;
        for (const char *line = fv_cost_model_notes(device); *line != '\0';) {
            char text[256];
            size_t n = strcspn(line, "\n");
            snprintf(text, sizeof text, "%.*s\n", (int)n, line);
            if (first == NULL || strstr(fv_cost_model_notes(first), text) == NULL)
                take(context, line, n);
            line += n + (line[n] == '\n');
        }
        if (first == NULL)
            first = device;
        else
            fv_cost_model_free(device);
    }
    fv_cost_model_free(first);
    return status;
}

static void print_note(void *context, const char *line, size_t n) {
    (void)context;
    printf("  %.*s\n", (int)n, line);
}

static void print_fit(const cost_request *request, const fv_cost_stage *fullest) {
    char memory[24];
    quantity_text((double)request->memory, "B", memory);
    if (fullest->sequences == 0)
        printf("In %s a device not one sequence of %" PRIu64 " tokens fits.\n", memory,
               request->setting.tokens);
    else if (fullest->sequences == UINT64_MAX)
        printf("In %s a device any number of sequences fits.\n", memory);
    else
        printf("In %s a device %" PRIu64 " sequences of %" PRIu64 " tokens fit, %" PRIu64
               " in each replica.\n",
               memory, all_sequences(request, fullest->sequences), request->setting.tokens,
               fullest->sequences);
    if (fullest->context == UINT64_MAX)
        printf("Any context fits, as nothing grows with it.\n");
    else
        printf("The largest context for %" PRIu64 " sequence%s: %" PRIu64 " tokens\n",
               request->setting.batch, request->setting.batch == 1 ? "" : "s", fullest->context);
}

static const char *seconds_text(double seconds, char *text) {
    if (seconds >= 1)
        snprintf(text, 24, "%.4g s", seconds);
    else if (seconds >= 1e-3)
        snprintf(text, 24, "%.4g ms", 1e3 * seconds);
    else
        snprintf(text, 24, "%.4g us", 1e6 * seconds);
    return text;
}

static fv_status print_bounds(const cost_subject *subject, const cost_request *request,
                              fv_error *error) {
    char a[24], b[24];
    fv_cost_bound bound;
    fv_cost_devices d = cost_devices_of(subject, request);
    fv_status status = fv_cost_bound_get(subject->model, &d, &request->setting, &bound, error);
    if (status != FV_OK) return status;
    printf("\nRoofline bounds: no engine is faster at %s/s and %s/s of a device.\n",
           quantity_text(d.flops, "FLOP", a), quantity_text(d.bandwidth, "B", b));
    printf("  first token    at least %s after a prompt of %" PRIu64 " tokens, bound by %s\n",
           seconds_text(bound.first_token, a), request->setting.tokens,
           bound.first_token_by_memory ? "memory" : "operations");
    printf("  next token     at least %s for %" PRIu64 " sequence%s, bound by %s\n",
           seconds_text(bound.step, a), request->setting.batch,
           request->setting.batch == 1 ? "" : "s", bound.step_by_memory ? "memory" : "operations");
    printf("  decoding       at most %.4g tokens a second; prompts at most %.4g\n",
           bound.tokens_a_second, bound.prompt_a_second);
    if (request->price > 0)
        printf("  money          at least %.4g for a million tokens, %.4g for those of prompts, at "
               "%g a device and hour\n",
               cost_of_million(request, bound.tokens_a_second),
               cost_of_million(request, bound.prompt_a_second), request->price);
    return FV_OK;
}

fv_status cost_print_devices(const cost_subject *subject, const cost_request *request,
                             fv_error *error) {
    const fv_cost_devices *d = &request->devices;
    fv_status status = FV_OK;
    if (cost_has_devices(request)) {
        fv_cost_stage fullest;
        printf("\nOne of %" PRIu64 " devices (tp %" PRIu64 ", pp %" PRIu64 ", cp %" PRIu64
               ", dp %" PRIu64 ", ep %" PRIu64 "):\n",
               fv_cost_devices_count(d), d->tp, d->pp, d->cp, d->dp, d->ep);
        status = print_stages(subject, request, error);
        if (status == FV_OK) status = for_each_note(subject, request, print_note, NULL, error);
        if (status == FV_OK) status = cost_fullest_stage(subject, request, &fullest, error);
        if (status == FV_OK && request->memory > 0) print_fit(request, &fullest);
    }
    if (status == FV_OK && cost_has_bounds(request)) status = print_bounds(subject, request, error);
    return status;
}

// --- JSON ----------------------------------------------------------------------------------------

static json_t *limit_json(uint64_t limit) {
    return limit > INT64_MAX ? json_null() : json_integer((json_int_t)limit);
}

static json_t *stage_json(const cost_request *request, const fv_cost_devices *devices,
                          const fv_cost_stage *stage) {
    json_t *object = json_pack("{s:I, s:I, s:f}", "first_layer", (json_int_t)stage->first_layer,
                               "n_layers", (json_int_t)stage->n_layers, "weight_bytes",
                               (double)stage->parameters * devices->weight_bytes);
    if (object == NULL) return NULL;
    cost_set_number(object, "parameters", stage->parameters);
    cost_set_number(object, "cache", stage->cache);
    cost_set_number(object, "state", stage->state);
    json_object_set_new(object, "moved_a_token", json_real(cost_moved(request, devices, stage)));
    json_object_set_new(object, "sent_a_token", json_real(stage->sent));
    if (request->memory == 0) return object;
    json_object_set_new(object, "sequences", limit_json(stage->sequences));
    json_object_set_new(object, "largest_context", limit_json(stage->context));
    return object;
}

static void append_note(void *context, const char *line, size_t n) {
    json_array_append_new(context, json_stringn(line, n));
}

static fv_status set_stages(const cost_subject *subject, const cost_request *request,
                            json_t *object, fv_error *error) {
    const fv_cost_devices devices = cost_devices_of(subject, request), *d = &devices;
    json_t *stages = json_array(), *notes = json_array();
    fv_cost_stage fullest;
    fv_status status = cost_fullest_stage(subject, request, &fullest, error);
    for (uint64_t s = 0; status == FV_OK && s < d->pp; s++) {
        fv_cost_stage stage;
        status = fv_cost_stage_get(subject->model, d, &request->setting, s, &stage, error);
        if (status == FV_OK) json_array_append_new(stages, stage_json(request, d, &stage));
    }
    if (status == FV_OK) status = for_each_note(subject, request, append_note, notes, error);
    json_t *all = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "n",
                            (json_int_t)fv_cost_devices_count(d), "tp", (json_int_t)d->tp, "pp",
                            (json_int_t)d->pp, "cp", (json_int_t)d->cp, "dp", (json_int_t)d->dp,
                            "ep", (json_int_t)d->ep, "stages", stages, "notes", notes);
    if (status == FV_OK && all != NULL) {
        json_object_update_new(all, stage_json(request, d, &fullest));
        if (request->memory > 0)
            json_object_set_new(all, "sequences",
                                limit_json(all_sequences(request, fullest.sequences)));
    }
    json_object_set_new(object, "devices", all);
    return status;
}

static fv_status set_bounds(const cost_subject *subject, const cost_request *request,
                            json_t *object, fv_error *error) {
    fv_cost_bound b;
    fv_cost_devices d = cost_devices_of(subject, request);
    fv_status status = fv_cost_bound_get(subject->model, &d, &request->setting, &b, error);
    if (status != FV_OK) return status;
    json_t *bounds = json_pack(
        "{s:f, s:f, s:f, s:f, s:s, s:s}", "first_token_seconds", b.first_token, "step_seconds",
        b.step, "tokens_a_second", b.tokens_a_second, "prompt_tokens_a_second", b.prompt_a_second,
        "first_token_bound_by", b.first_token_by_memory ? "memory" : "operations", "step_bound_by",
        b.step_by_memory ? "memory" : "operations");
    if (bounds != NULL && request->price > 0)
        json_object_update_new(bounds, json_pack("{s:f, s:f}", "money_a_million_tokens",
                                                 cost_of_million(request, b.tokens_a_second),
                                                 "money_a_million_prompt_tokens",
                                                 cost_of_million(request, b.prompt_a_second)));
    json_object_set_new(object, "bounds", bounds);
    return FV_OK;
}

fv_status cost_set_devices(const cost_subject *subject, const cost_request *request, json_t *object,
                           fv_error *error) {
    fv_status status = FV_OK;
    if (cost_has_devices(request)) status = set_stages(subject, request, object, error);
    if (status == FV_OK && cost_has_bounds(request))
        status = set_bounds(subject, request, object, error);
    return status;
}
