#include "run_json.h"

#include "tool.h"

#include <fovea/probe.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// Whether a probe measured the series: its name is the probe's, or goes on with '.' or '['.
static bool is_probe(const char *series) {
    char name[sizeof((fv_series *)0)->name];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(series, ".["), series);
    return fv_probe_find(name) != NULL;
}

// What a run that diverged measured last is no result: its values are null, also those of the
// metrics that it may not have measured.
static json_t *final_values(const fv_record *record, bool probes) {
    static const char *const metrics[] = {"loss", "perplexity", "accuracy"};
    bool diverged = record->outcome == FV_OUTCOME_DIVERGED;
    json_t *values = json_object();
    for (int i = 0; i < 3 && diverged && !probes; i++)
        json_object_set_new(values, metrics[i], json_null());
    for (int i = 0; i < record->n_series; i++) {
        const fv_series *series = &record->series[i];
        if (series->n == 0 || is_probe(series->name) != probes) continue;
        double last = diverged ? NAN : series->values[series->n - 1];
        json_object_set_new(values, series->name, tool_number_json(last));
    }
    return values;
}

bool run_is_older(const fv_record *record) {
    return record->numerics < fv_config_numerics(record->config);
}

void run_numerics_text(const fv_record *record, char text[NUMERICS_SIZE]) {
    if (record->numerics == 0)
        strcpy(text, "before");
    else
        snprintf(text, NUMERICS_SIZE, "%d", record->numerics);
}

const char *run_kernels_text(const fv_record *record) {
    return record->numerics == 0 ? "before" : record->kernels;
}

// What is known since schema 2 of the store; "before" in runs of schema 1.
static void add_origin(json_t *object, const fv_record *record) {
    char numerics[NUMERICS_SIZE];
    run_numerics_text(record, numerics);
    json_object_set_new(object, "numerics",
                        record->numerics == 0 ? json_string(numerics)
                                              : json_integer(record->numerics));
    json_object_set_new(object, "older", json_boolean(run_is_older(record)));
    json_object_set_new(object, "kernels", json_string(run_kernels_text(record)));
    json_t *measured = record->numerics == 0 ? json_string("before") : json_array();
    for (const char *at = record->probes; *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");
        json_array_append_new(measured, json_stringn(at, length));
        at += length;
    }
    json_object_set_new(object, "measured", measured);
}

json_t *run_json(const char *experiment, const fv_record *record, bool cached) {
    int diverged_at = fv_record_diverged_at(record);
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:o, s:s, s:o, s:i, s:o, s:o, s:o, s:o}", "run_id", record->id,
                  "experiment", experiment, "cached", (int)cached, "config",
                  tool_config_json(record->config), "outcome", fv_outcome_text(record->outcome),
                  "diverged_at", diverged_at >= 0 ? json_integer(diverged_at) : json_null(),
                  "steps", record->steps, "wall_seconds", tool_number_json(record->wall_seconds),
                  "us_per_step", tool_number_json(record->us_per_step), "final",
                  final_values(record, false), "probes", final_values(record, true));
    if (object != NULL) add_origin(object, record);
    return object;
}
