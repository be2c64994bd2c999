// A store as JSON, for the page.
#include "explore/explore.h"
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The fields that are no defaults, as YAML texts.
static json_t *given_fields(const fv_config *config) {
    json_t *object = json_object();
    char *value = malloc(FV_VALUE_SIZE), *usual = malloc(FV_VALUE_SIZE);
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_record defaults;
    fv_record_init(&defaults);
    bool room = object && value && usual && fv_record_set_config(&defaults, NULL, NULL) == FV_OK;
    for (int i = 0; room && i < n; i++) {
        fv_config_get(config, &fields[i], value, FV_VALUE_SIZE);
        fv_config_get(defaults.config, &fields[i], usual, FV_VALUE_SIZE);
        if (strcmp(value, usual) != 0)
            json_object_set_new(object, fields[i].key, json_string(value));
    }
    fv_record_free(&defaults);
    free(value);
    free(usual);
    return object;
}

static fv_status add_run(void *context, const fv_record *record, const char *experiment,
                         const fv_final *final, int n_final) {
    json_t *list = context, *values = json_object();
    for (int i = 0; i < n_final; i++)
        json_object_set_new(values, final[i].name, tool_number_json(final[i].value));
    json_t *run = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "id", record->id, "experiment",
                            experiment, "outcome", fv_outcome_text(record->outcome), "steps",
                            record->steps, "config", given_fields(record->config), "final", values);
    return json_array_append_new(list, run) == 0 ? FV_OK : FV_NO_MEMORY;
}

json_t *explore_runs(const explore_site *site, fv_error *error) {
    json_t *list = json_array();
    fv_status status = FV_OK;
    if (site->store != NULL) status = fv_store_each(site->store, add_run, list, error);
    if (status != FV_OK) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:s*, s:o}", "source", site->source, "runs", list);
}

// Base64 of n bytes; NULL without memory.
static char *base64(const unsigned char *bytes, size_t n) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((n + 2) / 3 * 4 + 1), *out = text;
    if (text == NULL) return NULL;
    for (size_t i = 0; i < n; i += 3) {
        unsigned b =
            bytes[i] << 16 | (i + 1 < n ? bytes[i + 1] << 8 : 0) | (i + 2 < n ? bytes[i + 2] : 0);
        *out++ = DIGITS[b >> 18];
        *out++ = DIGITS[b >> 12 & 63];
        *out++ = i + 1 < n ? DIGITS[b >> 6 & 63] : '=';
        *out++ = i + 2 < n ? DIGITS[b & 63] : '=';
    }
    *out = '\0';
    return text;
}

static json_t *series_json(const fv_record *record) {
    json_t *all = json_object();
    for (int i = 0; i < record->n_series; i++) {
        const fv_series *series = &record->series[i];
        json_t *points = json_array();
        for (int k = 0; k < series->n; k++)
            json_array_append_new(points, json_pack("[i, o]", (int)series->steps[k],
                                                    tool_number_json((double)series->values[k])));
        json_object_set_new(all, series->name, points);
    }
    return all;
}

static json_t *snapshots_json(const fv_record *record) {
    json_t *all = json_array();
    for (int i = 0; i < record->n_snapshots; i++) {
        const fv_snapshot *snapshot = &record->snapshots[i];
        char *params =
            base64((const unsigned char *)snapshot->params, record->n_params * sizeof(float));
        json_array_append_new(
            all, json_pack("{s:i, s:s}", "step", snapshot->step, "params", params ? params : ""));
        free(params);
    }
    return all;
}

json_t *explore_run(const explore_site *site, const char *id, fv_error *error) {
    fv_record record;
    if (site->store == NULL) {
        fv_fail(error, FV_NOT_FOUND, "no store is opened: fovea explore DIR opens one");
        return NULL;
    }
    if (fv_store_get(site->store, id, &record, error) != FV_OK) return NULL;
    json_t *run = json_pack("{s:s, s:o, s:s, s:i, s:I, s:o, s:o}", "id", record.id, "config",
                            given_fields(record.config), "outcome", fv_outcome_text(record.outcome),
                            "steps", record.steps, "n_params", (json_int_t)record.n_params,
                            "series", series_json(&record), "snapshots", snapshots_json(&record));
    fv_record_free(&record);
    if (run == NULL) fv_fail(error, FV_NO_MEMORY, "out of memory for run %s", id);
    return run;
}
