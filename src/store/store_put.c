// Whole runs into the store, and out of it again. With its rows goes a digest over every column of
// every one of them, a shorter one over what listings read, and the store's own row, `total`, which
// knows how many runs there are and their digests combined: no run's digest tells that a run has
// vanished.
#include "config/record_config.h"
#include "store/config_json.h"
#include "store/store_db.h"

#include <fovea/model.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A run as rows.
typedef struct rows {
    const fv_record *record;
    const char *experiment, *config;
    char created[32];
    const fv_tensor *tensors;
    int n_tensors;
    char digest[SQL_DIGEST_SIZE], listed[SQL_DIGEST_SIZE];
} rows;

// Runs of before their numerics were kept have NULL there.
static void run_row(const rows *r, sql_value v[ALL_RUN_COLUMNS]) {
    const fv_record *record = r->record;
    bool known = record->numerics > 0;
    const sql_value values[ALL_RUN_COLUMNS] = {
        sql_text(record->id),
        sql_text(r->experiment),
        sql_text(fv_outcome_text(record->outcome)),
        sql_integer(record->steps),
        sql_real(record->wall_seconds),
        sql_real(record->us_per_step),
        sql_integer((sqlite3_int64)record->n_params),
        sql_text(r->created),
        sql_text(r->config),
        known ? sql_integer(record->numerics) : sql_null(),
        sql_text(known ? record->kernels : NULL),
        sql_text(known ? record->probes : NULL),
        sql_text(r->digest),
        sql_text(r->listed),
    };
    memcpy(v, values, sizeof values);
}

// SQLite keeps NaN as NULL, which is what a curve without points gets too.
static void series_row(const rows *r, int i, sql_value v[SERIES_COLUMNS]) {
    const fv_series *series = &r->record->series[i];
    size_t n = (size_t)series->n;
    v[0] = sql_text(r->record->id);
    v[1] = sql_text(series->name);
    v[2] = sql_integer(series->n);
    v[3] = sql_real(n > 0 ? (double)series->values[n - 1] : (double)NAN);
    v[4] = sql_blob(series->steps, n * sizeof *series->steps);
    v[5] = sql_blob(series->values, n * sizeof *series->values);
}

// Where each parameter tensor lies inside a snapshot, so that readers need no Fovea to slice it.
static void tensor_row(const rows *r, int i, char shape[64], sql_value v[TENSOR_COLUMNS]) {
    const fv_tensor *tensor = &r->tensors[i];
    if (tensor->n_dims == 2)
        snprintf(shape, 64, "[%d,%d]", tensor->shape[0], tensor->shape[1]);
    else
        snprintf(shape, 64, "[%d]", tensor->shape[0]);
    v[0] = sql_text(r->record->id);
    v[1] = sql_text(tensor->name);
    v[2] = sql_text(shape);
    v[3] = sql_integer((sqlite3_int64)tensor->offset);
    v[4] = sql_integer((sqlite3_int64)tensor->size);
}

static void snapshot_row(const rows *r, int i, sql_value v[SNAPSHOT_COLUMNS]) {
    const fv_snapshot *snapshot = &r->record->snapshots[i];
    v[0] = sql_text(r->record->id);
    v[1] = sql_integer(snapshot->step);
    v[2] = sql_blob(snapshot->params, r->record->n_params * sizeof *snapshot->params);
}

// --- digests -----------------------------------------------------------------------------------

static uint64_t hash_whole(sql_digest *digest, const rows *r) {
    sql_value v[ALL_RUN_COLUMNS];
    char shape[64];
    sql_digest_begin(digest);
    run_row(r, v);
    sql_digest_add(digest, TAG_RUN, v, RUN_COLUMNS);
    for (int i = 0; i < r->record->n_series; i++) {
        series_row(r, i, v);
        sql_digest_add(digest, TAG_SERIES, v, SERIES_COLUMNS);
    }
    for (int i = 0; i < r->n_tensors; i++) {
        tensor_row(r, i, shape, v);
        sql_digest_add(digest, TAG_TENSOR, v, TENSOR_COLUMNS);
    }
    for (int i = 0; i < r->record->n_snapshots; i++) {
        snapshot_row(r, i, v);
        sql_digest_add(digest, TAG_SNAPSHOT, v, SNAPSHOT_COLUMNS);
    }
    return sql_digest_value(digest);
}

static uint64_t hash_listed(sql_digest *digest, const rows *r) {
    sql_value v[ALL_RUN_COLUMNS];
    sql_digest_begin(digest);
    run_row(r, v);
    sql_digest_add(digest, TAG_RUN, v, RUN_COLUMNS);
    for (int i = 0; i < r->record->n_series; i++) {
        series_row(r, i, v);
        const sql_value final[FINAL_COLUMNS] = {v[1], v[3]};
        sql_digest_add(digest, TAG_FINAL, final, FINAL_COLUMNS);
    }
    return sql_digest_value(digest);
}

// --- the store's own row -------------------------------------------------------------------------

uint64_t store_digest_column(sqlite3_stmt *row, int column) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? strtoull(text, NULL, 16) : 0;
}

fv_status store_get_total(fv_store *store, store_total *total, fv_error *error) {
    sqlite3_stmt *row = store_statement(store, STATEMENT_GET_TOTAL);
    if (row == NULL) return store_fail(store, "cannot be read", error);
    bool found = sqlite3_step(row) == SQLITE_ROW;
    *total = (store_total){0};
    if (found) *total = (store_total){sqlite3_column_int64(row, 0), store_digest_column(row, 1)};
    if (sqlite3_reset(row) != SQLITE_OK) return store_fail(store, "cannot be read", error);
    return FV_OK;
}

fv_status store_check_total(fv_store *store, const store_total *seen, fv_error *error) {
    store_total total = {0};
    if (store->schema < STORE_SCHEMA) return FV_OK;
    fv_status status = store_get_total(store, &total, error);
    if (status != FV_OK) return status;
    if (total.n_runs == seen->n_runs && total.digest == seen->digest) return FV_OK;
    return fv_fail(
        error, FV_STORE,
        "run store %s is damaged: it should have %lld runs, and %lld are found%s; 'fovea "
        "run' trains what is missing",
        store->path, (long long)total.n_runs, (long long)seen->n_runs,
        total.n_runs == seen->n_runs ? ", not all of them the same" : "");
}

fv_status store_set_total(fv_store *store, const store_total *total, fv_error *error) {
    char digest[SQL_DIGEST_SIZE];
    sql_digest_text(total->digest, digest);
    const sql_value v[] = {sql_integer(total->n_runs), sql_text(digest)};
    sqlite3_stmt *statement = store_statement(store, STATEMENT_SET_TOTAL);
    if (statement != NULL) sql_bind(statement, v, 2);
    if (statement != NULL && sql_done(statement)) return FV_OK;
    return store_fail(store, "cannot be written", error);
}

// --- into the store ----------------------------------------------------------------------------

static bool put_row(fv_store *store, int statement, const sql_value *values, int n) {
    sqlite3_stmt *prepared = store_statement(store, statement);
    if (prepared == NULL) return false;
    sql_bind(prepared, values, n);
    return sql_done(prepared);
}

static bool put_rows(fv_store *store, const rows *r) {
    sql_value v[ALL_RUN_COLUMNS];
    char shape[64];
    run_row(r, v);
    bool put = put_row(store, STATEMENT_PUT_RUN, v, ALL_RUN_COLUMNS);
    for (int i = 0; put && i < r->record->n_series; i++) {
        series_row(r, i, v);
        put = put_row(store, STATEMENT_PUT_SERIES, v, SERIES_COLUMNS);
    }
    for (int i = 0; put && i < r->n_tensors; i++) {
        tensor_row(r, i, shape, v);
        put = put_row(store, STATEMENT_PUT_TENSOR, v, TENSOR_COLUMNS);
    }
    for (int i = 0; put && i < r->record->n_snapshots; i++) {
        snapshot_row(r, i, v);
        put = put_row(store, STATEMENT_PUT_SNAPSHOT, v, SNAPSHOT_COLUMNS);
    }
    return put;
}

// Takes the rows of a run out of all tables, and the run out of the total.
static fv_status remove_rows(fv_store *store, const char *id, store_total *total, fv_error *error) {
    static const int DELETES[] = {STATEMENT_DELETE_SERIES, STATEMENT_DELETE_TENSORS,
                                  STATEMENT_DELETE_SNAPSHOTS, STATEMENT_DELETE};
    const sql_value name = sql_text(id);
    sqlite3_stmt *row = store_statement(store, STATEMENT_GET_DIGEST);
    if (row == NULL) return store_fail(store, "cannot be read", error);
    sql_bind(row, &name, 1);
    bool found = sqlite3_step(row) == SQLITE_ROW;
    uint64_t digest = found ? store_digest_column(row, 0) : 0; // none in runs of before
    if (sqlite3_reset(row) != SQLITE_OK) return store_fail(store, "cannot be read", error);
    for (size_t i = 0; i < sizeof DELETES / sizeof *DELETES; i++)
        if (!put_row(store, DELETES[i], &name, 1))
            return store_fail(store, "cannot be written", error);
    total->n_runs -= found;
    total->digest ^= digest;
    return FV_OK;
}

// The time in UTC; no two runs of a store get the same, so that their order of arrival is certain.
static void stamp(fv_store *store, char created[32]) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long at = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
    if (at <= store->last_created) at = store->last_created + 1;
    store->last_created = at;
    time_t seconds = (time_t)(at / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t n = strftime(created, 24, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(created + n, 32 - n, ".%06dZ", (int)(at % 1000000));
}

// Takes back what was done since the savepoint. After some errors SQLite has rolled back by itself,
// and there is nothing to do; where even this fails, as without memory, nothing may be committed.
static void take_back(fv_store *store) {
    bool taken = store_do(store, STATEMENT_ROLLBACK_TO) && store_do(store, STATEMENT_RELEASE);
    if (!taken && !sqlite3_get_autocommit(store->db)) store->spoiled = true;
}

static fv_status replace(fv_store *store, const rows *r, uint64_t digest, fv_error *error) {
    store_total total;
    fv_status status = store_get_total(store, &total, error);
    if (status == FV_OK) status = remove_rows(store, r->record->id, &total, error);
    if (status != FV_OK) return status;
    if (!put_rows(store, r)) return store_fail(store, "cannot be written", error);
    total.n_runs++;
    total.digest ^= digest;
    return store_set_total(store, &total, error);
}

// A savepoint is a transaction of its own where there is none, and inside a group it lets one run
// fail without the others.
static fv_status put(fv_store *store, rows *r, fv_error *error) {
    if (!store_do(store, STATEMENT_SAVEPOINT)) return store_fail(store, "cannot be written", error);
    stamp(store, r->created);
    uint64_t digest = hash_whole(store->digest, r);
    sql_digest_text(digest, r->digest);
    sql_digest_text(hash_listed(store->digest, r), r->listed);
    fv_status status = replace(store, r, digest, error);
    if (status == FV_OK && !store_do(store, STATEMENT_RELEASE))
        status = store_fail(store, "cannot be written", error);
    if (status == FV_OK) return FV_OK;
    take_back(store);
    return status;
}

fv_status fv_store_put(fv_store *store, const char *experiment, const fv_record *record,
                       fv_error *error) {
    fv_model *model = NULL;
    fv_status status = FV_OK;
    if (record_check_configs(&record, 1, error) != FV_OK) return FV_USAGE;
    rows r = {.record = record, .experiment = experiment};
    if (record->n_snapshots > 0) status = fv_model_create(record->config, &model, error);
    if (status == FV_OK && model != NULL && fv_model_n_params(model) != record->n_params)
        status = fv_fail(error, FV_USAGE,
                         "run %s: its snapshots have %zu parameters, its configuration %zu",
                         record->id, record->n_params, fv_model_n_params(model));
    char *config = status == FV_OK ? config_to_json(record->config) : NULL;
    if (status == FV_OK && config == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory storing run %s", record->id);
    r.config = config;
    if (model != NULL) r.tensors = fv_model_tensors(model, &r.n_tensors);
    if (status == FV_OK) status = put(store, &r, error);
    free(config);
    fv_model_free(model);
    return status;
}

fv_status fv_store_delete(fv_store *store, const char *id, fv_error *error) {
    char whole[17];
    store_total total;
    fv_status status = store_resolve(store, id, whole, error);
    if (status != FV_OK) return status;
    if (!store_do(store, STATEMENT_SAVEPOINT)) return store_fail(store, "cannot be written", error);
    status = store_get_total(store, &total, error);
    if (status == FV_OK) status = remove_rows(store, whole, &total, error);
    if (status == FV_OK) status = store_set_total(store, &total, error);
    if (status == FV_OK && !store_do(store, STATEMENT_RELEASE))
        status = store_fail(store, "cannot be written", error);
    if (status == FV_OK) return FV_OK;
    take_back(store);
    return status;
}
