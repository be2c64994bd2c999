#include "store/store_rows.h"

#include <fovea/config.h>
#include <fovea/model.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool find_outcome(const char *text, fv_outcome *outcome) {
#define MATCH(name, outcome_text)                                                                  \
    if (strcmp(text, outcome_text) == 0) {                                                         \
        *outcome = FV_OUTCOME_##name;                                                              \
        return true;                                                                               \
    }
    FV_OUTCOME_LIST(MATCH)
#undef MATCH
    return false;
}

const char *store_text(sqlite3_stmt *row, int column) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? text : "";
}

static bool copy_text(sqlite3_stmt *row, int column, char *text, size_t size) {
    const char *source = store_text(row, column);
    if (strlen(source) >= size) return false;
    strcpy(text, source);
    return true;
}

fv_status store_read_run(fv_store *store, sqlite3_stmt *row, fv_record *record, fv_error *error) {
    const char *id = store_text(row, COLUMN_ID);
    if (strlen(id) != 16)
        return fv_fail(error, FV_STORE, "run store %s: '%.40s' is not the id of a run", store->path,
                       id);
    memcpy(record->id, id, sizeof record->id);
    sqlite3_int64 steps = sqlite3_column_int64(row, COLUMN_STEPS),
                  n_params = sqlite3_column_int64(row, COLUMN_N_PARAMS),
                  numerics = sqlite3_column_int64(row, COLUMN_NUMERICS);
    if (!find_outcome(store_text(row, COLUMN_OUTCOME), &record->outcome))
        return store_damaged(store, id, "its outcome is unknown", error);
    if (steps < 0 || steps > INT32_MAX || n_params < 0 || n_params > INT64_MAX / 8 ||
        numerics < 0 || numerics > INT32_MAX)
        return store_damaged(store, id, "its steps, n_params or numerics are out of range", error);
    if (!copy_text(row, COLUMN_KERNELS, record->kernels, sizeof record->kernels) ||
        !copy_text(row, COLUMN_PROBES, record->probes, sizeof record->probes))
        return store_damaged(store, id, "its kernels or probes are too long", error);
    record->steps = (int)steps;
    record->n_params = (size_t)n_params;
    record->numerics = (int)numerics;
    record->wall_seconds = sqlite3_column_double(row, COLUMN_WALL_SECONDS);
    record->us_per_step = sqlite3_column_double(row, COLUMN_US_PER_STEP);
    char where[600] = "run store "; // without snprintf, which listings would wait for
    size_t most = sizeof where - sizeof "run store : run " - sizeof record->id;
    strncat(where, store->path, most);
    strcat(strcat(where, ": run "), record->id);
    fv_status status = fv_record_set_config(record, NULL, error);
    if (status != FV_OK) return status;
    return config_near_read(&store->near, store_text(row, COLUMN_CONFIG), where, record->config,
                            error);
}

// A copy of a blob, which SQLite does not align; NULL without memory.
static void *copy_blob(sqlite3_stmt *row, int column) {
    const void *bytes = sqlite3_column_blob(row, column);
    size_t size = (size_t)sqlite3_column_bytes(row, column);
    void *copy = bytes != NULL || size == 0 ? malloc(size > 0 ? size : 1) : NULL;
    if (copy != NULL && size > 0) memcpy(copy, bytes, size);
    return copy;
}

static bool has_size(sqlite3_stmt *row, int column, size_t n, size_t size) {
    return n <= SIZE_MAX / size && (size_t)sqlite3_column_bytes(row, column) == n * size;
}

// Whether the n steps of a blob increase from 0 or more.
static bool increases(const unsigned char *steps, size_t n) {
    int32_t last = -1;
    for (size_t i = 0; i < n; i++) {
        int32_t step;
        memcpy(&step, steps + i * sizeof step, sizeof step);
        if (step <= last) return false;
        last = step;
    }
    return true;
}

enum { SERIES_NAME = 1, SERIES_N = 2, SERIES_STEPS = 4, SERIES_VALUES = 5, PARAMS = 2 };

const char *store_series_fault(sqlite3_stmt *row) {
    sqlite3_int64 n = sqlite3_column_int64(row, SERIES_N);
    bool sized = strlen(store_text(row, SERIES_NAME)) < sizeof((fv_series *)0)->name && n >= 0 &&
                 n <= INT32_MAX && has_size(row, SERIES_STEPS, (size_t)n, sizeof(int32_t)) &&
                 has_size(row, SERIES_VALUES, (size_t)n, sizeof(float));
    if (!sized) return "a series has the wrong size";
    const unsigned char *steps = sqlite3_column_blob(row, SERIES_STEPS);
    if (n > 0 && steps != NULL && !increases(steps, (size_t)n))
        return "the steps of a series do not increase";
    return NULL;
}

fv_status store_read_series(fv_store *store, sqlite3_stmt *row, fv_record *record,
                            fv_error *error) {
    fv_series *series = &record->series[record->n_series++];
    const char *fault = store_series_fault(row);
    if (fault != NULL) return store_damaged(store, record->id, fault, error);
    strcpy(series->name, store_text(row, SERIES_NAME));
    series->n = series->capacity = sqlite3_column_int(row, SERIES_N);
    series->steps = copy_blob(row, SERIES_STEPS);
    series->values = copy_blob(row, SERIES_VALUES);
    if (series->steps != NULL && series->values != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", record->id);
}

const char *store_snapshot_fault(sqlite3_stmt *row, size_t n_params) {
    sqlite3_int64 step = sqlite3_column_int64(row, 1);
    bool fits = step >= 0 && step <= INT32_MAX && has_size(row, PARAMS, n_params, sizeof(float));
    return fits ? NULL : "a snapshot has the wrong size";
}

fv_status store_read_snapshot(fv_store *store, sqlite3_stmt *row, fv_record *record,
                              fv_error *error) {
    fv_snapshot *snapshot = &record->snapshots[record->n_snapshots++];
    const char *fault = store_snapshot_fault(row, record->n_params);
    if (fault != NULL) return store_damaged(store, record->id, fault, error);
    snapshot->params = copy_blob(row, PARAMS);
    snapshot->step = sqlite3_column_int(row, 1);
    if (snapshot->params != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", record->id);
}

// Runs that differ in their seeds have models of one size, and stand behind each other.
static bool is_sized(fv_store *store, const fv_record *record) {
    fv_config *last = store->sized;
    if (last == NULL || store->sized_n_params != record->n_params) return false;
    last->train.seed = record->config->train.seed;
    last->task.seed = record->config->task.seed;
    // Where padding differs the model is made once more.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    return memcmp(last, record->config, sizeof *last) == 0;
}

// Snapshots are only worth their parameters where those fit the model.
fv_status store_check_n_params(fv_store *store, const fv_record *record, fv_error *error) {
    if (is_sized(store, record)) return FV_OK;
    fv_model *model = NULL;
    fv_status status = fv_model_create(record->config, &model, error);
    if (status == FV_OK && fv_model_n_params(model) != record->n_params)
        status =
            store_damaged(store, record->id,
                          "its snapshots do not have the parameters of its configuration", error);
    fv_model_free(model);
    if (status != FV_OK) return status;
    if (store->sized == NULL) store->sized = malloc(sizeof *store->sized);
    if (store->sized == NULL) return FV_OK; // the next run's model is made again
    *store->sized = *record->config;
    store->sized_n_params = record->n_params;
    return FV_OK;
}
