#include "config/record_config.h"

#include <fovea/config.h>
#include <fovea/record.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fv_record_init(fv_record *record) {
    *record = (fv_record){0};
}

void fv_record_free(fv_record *record) {
    if (record == NULL) return;
    for (int i = 0; i < record->n_series; i++) {
        free(record->series[i].steps);
        free(record->series[i].values);
    }
    for (int i = 0; i < record->n_snapshots; i++) free(record->snapshots[i].params);
    free(record->series);
    free(record->snapshots);
    free(record->config);
    *record = (fv_record){0};
}

fv_status fv_record_set_config(fv_record *record, const fv_config *config, fv_error *error) {
    if (record->config == NULL) record->config = malloc(sizeof *record->config);
    if (record->config == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for the configuration of a run");
    if (config == NULL)
        fv_config_init(record->config);
    else if (config != record->config)
        *record->config = *config;
    return FV_OK;
}

fv_status record_check_configs(const fv_record *const *records, int n, fv_error *error) {
    for (int i = 0; i < n; i++)
        if (records[i] != NULL && records[i]->config == NULL)
            return fv_fail(error, FV_USAGE,
                           "run '%s' has no configuration; give its record one with "
                           "fv_record_set_config",
                           records[i]->id);
    return FV_OK;
}

// The array with room for one more element, whatever its capacity was: records are also made by the
// run store, which allocates exactly what a run has.
static void *grown(void *array, int n, size_t size) {
    if (n == INT32_MAX || (size_t)n >= SIZE_MAX / size) return NULL;
    return realloc(array, ((size_t)n + 1) * size);
}

static fv_series *find(const fv_record *record, const char *name) {
    for (int i = 0; i < record->n_series; i++)
        if (strcmp(record->series[i].name, name) == 0) return &record->series[i];
    return NULL;
}

static fv_series *create(fv_record *record, const char *name) {
    fv_series *series = grown(record->series, record->n_series, sizeof *series);
    if (series == NULL) return NULL;
    record->series = series;
    series += record->n_series++;
    *series = (fv_series){0};
    memcpy(series->name, name, strlen(name) + 1); // fv_record_add has checked that it fits
    return series;
}

static fv_status make_room(fv_series *series) {
    if (series->n < series->capacity) return FV_OK;
    if (series->capacity > INT32_MAX / 2) return FV_NO_MEMORY;
    int capacity = series->capacity ? 2 * series->capacity : 64;
    int32_t *steps = realloc(series->steps, (size_t)capacity * sizeof *steps);
    if (steps == NULL) return FV_NO_MEMORY;
    series->steps = steps;
    float *values = realloc(series->values, (size_t)capacity * sizeof *values);
    if (values == NULL) return FV_NO_MEMORY;
    series->values = values;
    series->capacity = capacity;
    return FV_OK;
}

// Which NaN an operation leaves, and with which sign, differs between instruction sets.
static float same_nan(float value) {
    return isnan(value) ? NAN : value;
}

fv_status fv_record_add(fv_record *record, const char *name, int step, float value) {
    if (strlen(name) >= sizeof record->series->name) return FV_USAGE;
    fv_series *series = find(record, name);
    if (series == NULL) series = create(record, name);
    if (series == NULL || make_room(series) != FV_OK) return FV_NO_MEMORY;
    if (series->n > 0 && step <= series->steps[series->n - 1]) return FV_USAGE;
    series->steps[series->n] = step;
    series->values[series->n++] = same_nan(value);
    return FV_OK;
}

fv_status fv_record_add_snapshot(fv_record *record, int step, const float *params) {
    assert(record->n_params > 0);
    int n = record->n_snapshots;
    if (n > 0 && step <= record->snapshots[n - 1].step) return FV_USAGE;
    if (record->n_params > SIZE_MAX / sizeof *params) return FV_NO_MEMORY;
    fv_snapshot *snapshots = grown(record->snapshots, n, sizeof *snapshots);
    if (snapshots == NULL) return FV_NO_MEMORY;
    record->snapshots = snapshots;
    size_t size = record->n_params * sizeof *params;
    float *copy = malloc(size);
    if (copy == NULL) return FV_NO_MEMORY;
    for (size_t i = 0; i < record->n_params; i++) copy[i] = same_nan(params[i]);
    snapshots[n] = (fv_snapshot){.step = step, .params = copy};
    record->n_snapshots = n + 1;
    return FV_OK;
}

const fv_series *fv_record_find(const fv_record *record, const char *series) {
    return find(record, series);
}

const char *fv_outcome_text(fv_outcome outcome) {
    switch (outcome) {
#define TEXT(name, text)                                                                           \
    case FV_OUTCOME_##name:                                                                        \
        return text;
        FV_OUTCOME_LIST(TEXT)
#undef TEXT
    }
    return "unknown";
}

int fv_record_diverged_at(const fv_record *record) {
    return record->outcome == FV_OUTCOME_DIVERGED ? record->steps - 1 : -1;
}

void fv_divergence_add(fv_divergence *divergence, const fv_record *record) {
    int step = fv_record_diverged_at(record);
    const fv_divergence one = {.n_runs = 1, .n = step >= 0, .first = step, .last = step};
    fv_divergence_join(divergence, &one);
}

void fv_divergence_join(fv_divergence *divergence, const fv_divergence *other) {
    fv_divergence *d = divergence;
    d->n_runs += other->n_runs;
    if (other->n == 0) return;
    if (d->n == 0 || other->first < d->first) d->first = other->first;
    if (d->n == 0 || other->last > d->last) d->last = other->last;
    d->n += other->n;
}

int fv_divergence_text(const fv_divergence *divergence, char *text, size_t size) {
    const fv_divergence *d = divergence;
    if (d->n == 0) return snprintf(text, size, "%s", "");
    int n = snprintf(text, size, "%d of %d run%s diverged, at step", d->n, d->n_runs,
                     d->n_runs == 1 ? "" : "s");
    size_t used = n < 0 ? 0 : (size_t)n < size ? (size_t)n : size;
    return n + (d->first == d->last
                    ? snprintf(text + used, size - used, " %d", d->first)
                    : snprintf(text + used, size - used, "s %d to %d", d->first, d->last));
}
