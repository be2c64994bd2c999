// Whole runs into the store and out of it. What comes out is checked as anything from a file is:
// blob sizes against counts, steps in order, known outcomes.
#include "lab/config_json.h"
#include "lab/store_db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fovea/model.h>

static void bind_text(sqlite3_stmt *statement, int index, const char *text) {
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *statement, int index, const void *bytes, size_t size) {
    // A NULL pointer would bind SQL NULL; an empty curve is an empty blob.
    if (size == 0)
        sqlite3_bind_zeroblob(statement, index, 0);
    else
        sqlite3_bind_blob64(statement, index, bytes, size, SQLITE_STATIC);
}

static bool put_run(fv_store *store, const char *experiment, const fv_record *record,
                    const char *config) {
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_RUN);
    if (statement == NULL) return false;
    bind_text(statement, 1, record->id);
    bind_text(statement, 2, experiment);
    bind_text(statement, 3, fv_outcome_text(record->outcome));
    sqlite3_bind_int(statement, 4, record->steps);
    sqlite3_bind_double(statement, 5, record->wall_seconds);
    sqlite3_bind_double(statement, 6, record->us_per_step);
    sqlite3_bind_int64(statement, 7, (sqlite3_int64)record->n_params);
    bind_text(statement, 8, config);
    return sql_done(statement);
}

static bool put_series(fv_store *store, const fv_record *record) {
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_SERIES);
    if (statement == NULL) return false;
    for (int i = 0; i < record->n_series; i++) {
        const fv_series *series = &record->series[i];
        size_t n = (size_t)series->n;
        bind_text(statement, 1, record->id);
        bind_text(statement, 2, series->name);
        sqlite3_bind_int(statement, 3, series->n);
        // SQLite keeps NaN as NULL, which is what a curve without points gets too.
        sqlite3_bind_double(statement, 4, n > 0 ? (double)series->values[n - 1] : (double)NAN);
        bind_blob(statement, 5, series->steps, n * sizeof *series->steps);
        bind_blob(statement, 6, series->values, n * sizeof *series->values);
        if (!sql_done(statement)) return false;
    }
    return true;
}

static bool put_snapshots(fv_store *store, const fv_record *record) {
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_SNAPSHOT);
    if (statement == NULL) return false;
    for (int i = 0; i < record->n_snapshots; i++) {
        bind_text(statement, 1, record->id);
        sqlite3_bind_int(statement, 2, record->snapshots[i].step);
        bind_blob(statement, 3, record->snapshots[i].params, record->n_params * sizeof(float));
        if (!sql_done(statement)) return false;
    }
    return true;
}

// Where each parameter tensor lies inside a snapshot, so that readers need no Fovea to slice it.
static bool put_tensors(fv_store *store, const fv_record *record, const fv_model *model) {
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_TENSOR);
    if (statement == NULL) return false;
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++) {
        char shape[64];
        if (tensors[i].n_dims == 2)
            snprintf(shape, sizeof shape, "[%d,%d]", tensors[i].shape[0], tensors[i].shape[1]);
        else
            snprintf(shape, sizeof shape, "[%d]", tensors[i].shape[0]);
        bind_text(statement, 1, record->id);
        bind_text(statement, 2, tensors[i].name);
        bind_text(statement, 3, shape);
        sqlite3_bind_int64(statement, 4, (sqlite3_int64)tensors[i].offset);
        sqlite3_bind_int64(statement, 5, (sqlite3_int64)tensors[i].size);
        if (!sql_done(statement)) return false;
    }
    return true;
}

static bool put_all(fv_store *store, const char *experiment, const fv_record *record,
                    const char *config, const fv_model *model) {
    sqlite3_stmt *old = store_statement(store, STATEMENT_DELETE);
    if (old == NULL) return false;
    bind_text(old, 1, record->id);
    return sql_done(old) && put_run(store, experiment, record, config) &&
           put_series(store, record) && (model == NULL || put_tensors(store, record, model)) &&
           put_snapshots(store, record);
}

// A savepoint is a transaction of its own where there is none, and inside a group it lets one run
// fail without the others.
static fv_status put(fv_store *store, const char *experiment, const fv_record *record,
                     const char *config, const fv_model *model, fv_error *error) {
    if (!store_do(store, STATEMENT_SAVEPOINT)) return store_fail(store, "cannot be written", error);
    if (put_all(store, experiment, record, config, model) && store_do(store, STATEMENT_RELEASE))
        return FV_OK;
    fv_status status = store_fail(store, "cannot be written", error);
    // After some errors SQLite has rolled back by itself, and these two find nothing to do.
    store_do(store, STATEMENT_ROLLBACK_TO);
    store_do(store, STATEMENT_RELEASE);
    return status;
}

fv_status fv_store_put(fv_store *store, const char *experiment, const fv_record *record,
                       fv_error *error) {
    fv_model *model = NULL;
    fv_status status = FV_OK;
    if (record->n_snapshots > 0) status = fv_model_create(&record->config, &model, error);
    if (status == FV_OK && model != NULL && fv_model_n_params(model) != record->n_params)
        status = fv_fail(error, FV_USAGE,
                         "run %s: its snapshots have %zu parameters, its configuration %zu",
                         record->id, record->n_params, fv_model_n_params(model));
    char *config = status == FV_OK ? config_to_json(&record->config) : NULL;
    if (status == FV_OK && config == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory storing run %s", record->id);
    if (status == FV_OK) status = put(store, experiment, record, config, model, error);
    free(config);
    fv_model_free(model);
    return status;
}

bool fv_store_has(fv_store *store, const char *id) {
    sqlite3_stmt *statement = store_statement(store, STATEMENT_HAS);
    if (statement == NULL) return false;
    bind_text(statement, 1, id);
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_reset(statement);
    return found;
}

fv_status store_resolve(fv_store *store, const char *prefix, char id[17], fv_error *error) {
    size_t length = strlen(prefix);
    if (length < 4 || length > 16 || strspn(prefix, "0123456789abcdef") != length)
        return fv_fail(
            error, FV_NOT_FOUND,
            "'%s' is not the id of a run: 4 to 16 of the digits 0-9a-f that 'fovea runs' "
            "lists",
            prefix);
    sqlite3_stmt *statement = store_statement(store, STATEMENT_RESOLVE);
    if (statement == NULL) return store_fail(store, "cannot be read", error);
    // Ids that begin with the prefix lie between it and the prefix followed by a letter after 'f'.
    char end[18];
    snprintf(end, sizeof end, "%sg", prefix);
    bind_text(statement, 1, prefix);
    bind_text(statement, 2, end);
    int step = sqlite3_step(statement);
    const char *first = step == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool found = first != NULL && strlen(first) == 16;
    if (found) memcpy(id, first, 17);
    if (step == SQLITE_ROW) step = sqlite3_step(statement);
    fv_status status = FV_OK;
    if (sqlite3_reset(statement) != SQLITE_OK)
        status = store_fail(store, "cannot be read", error);
    else if (step == SQLITE_ROW)
        status = fv_fail(error, FV_NOT_FOUND,
                         "run store %s has several runs whose ids begin with %s; give more digits",
                         store->path, prefix);
    else if (!found)
        status = fv_fail(error, FV_NOT_FOUND,
                         "run store %s has no run %s; 'fovea runs' lists what it has", store->path,
                         prefix);
    return status;
}

fv_status fv_store_delete(fv_store *store, const char *id, fv_error *error) {
    char whole[17];
    fv_status status = store_resolve(store, id, whole, error);
    if (status != FV_OK) return status;
    sqlite3_stmt *statement = store_statement(store, STATEMENT_DELETE);
    if (statement != NULL) bind_text(statement, 1, whole);
    if (statement != NULL && sql_done(statement)) return FV_OK;
    return store_fail(store, "cannot be written", error);
}

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

static const char *column_text(sqlite3_stmt *row, int column) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? text : "";
}

// Reads the columns of GET_RUN and EACH_RUN into a fresh record.
static fv_status read_run(fv_store *store, sqlite3_stmt *row, fv_record *record, fv_error *error) {
    const char *id = column_text(row, 0);
    if (strlen(id) != 16)
        return fv_fail(error, FV_STORE, "run store %s: '%.40s' is not the id of a run", store->path,
                       id);
    fv_record_init(record);
    memcpy(record->id, id, sizeof record->id);
    sqlite3_int64 steps = sqlite3_column_int64(row, 2), n_params = sqlite3_column_int64(row, 5);
    if (!find_outcome(column_text(row, 1), &record->outcome))
        return store_damaged(store, id, "its outcome is unknown", error);
    if (steps < 0 || steps > INT32_MAX || n_params < 0 || n_params > INT64_MAX / 8)
        return store_damaged(store, id, "its steps or n_params are out of range", error);
    record->steps = (int)steps;
    record->n_params = (size_t)n_params;
    record->wall_seconds = sqlite3_column_double(row, 3);
    record->us_per_step = sqlite3_column_double(row, 4);
    char where[512];
    snprintf(where, sizeof where, "run store %s: run %s", store->path, record->id);
    return config_from_json(column_text(row, 6), where, &record->config, error);
}

// A copy of a blob of exactly n elements of `size` bytes; NULL where it has another size (*wrong)
// or without memory.
static void *copy_blob(sqlite3_stmt *row, int column, size_t n, size_t size, bool *wrong) {
    const void *bytes = sqlite3_column_blob(row, column);
    size_t length = (size_t)sqlite3_column_bytes(row, column);
    *wrong = n > SIZE_MAX / size || length != n * size;
    if (*wrong || (bytes == NULL && length > 0)) return NULL;
    void *copy = malloc(length > 0 ? length : 1);
    if (copy != NULL && length > 0) memcpy(copy, bytes, length);
    return copy;
}

static bool increasing(const int32_t *steps, int n) {
    if (n > 0 && steps[0] < 0) return false;
    for (int i = 1; i < n; i++)
        if (steps[i] <= steps[i - 1]) return false;
    return true;
}

static fv_status read_series(fv_store *store, sqlite3_stmt *row, fv_record *record,
                             fv_error *error) {
    fv_series *series = &record->series[record->n_series++];
    const char *name = column_text(row, 0);
    sqlite3_int64 n = sqlite3_column_int64(row, 1);
    bool wrong_steps = true, wrong_values = true;
    size_t length = strlen(name);
    if (length < sizeof series->name && n >= 0 && n <= INT32_MAX) {
        memcpy(series->name, name, length + 1);
        series->n = series->capacity = (int)n;
        series->steps = copy_blob(row, 2, (size_t)n, sizeof *series->steps, &wrong_steps);
        series->values = copy_blob(row, 3, (size_t)n, sizeof *series->values, &wrong_values);
    }
    if (wrong_steps || wrong_values)
        return store_damaged(store, record->id, "a series has the wrong size", error);
    if (series->steps == NULL || series->values == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", record->id);
    if (!increasing(series->steps, series->n))
        return store_damaged(store, record->id, "the steps of a series do not increase", error);
    return FV_OK;
}

static fv_status read_snapshot(fv_store *store, sqlite3_stmt *row, fv_record *record,
                               fv_error *error) {
    fv_snapshot *snapshot = &record->snapshots[record->n_snapshots++];
    sqlite3_int64 step = sqlite3_column_int64(row, 0);
    bool wrong;
    snapshot->params = copy_blob(row, 1, record->n_params, sizeof *snapshot->params, &wrong);
    if (wrong || step < 0 || step > INT32_MAX)
        return store_damaged(store, record->id, "a snapshot has the wrong size", error);
    snapshot->step = (int)step;
    if (snapshot->params == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", record->id);
    return FV_OK;
}

// Counts the rows of a run and makes a zeroed array for them; NULL after an error.
static void *count_rows(fv_store *store, int statement, const char *id, size_t size,
                        fv_error *error) {
    sqlite3_stmt *count = store_statement(store, statement);
    if (count != NULL) bind_text(count, 1, id);
    if (count == NULL || sqlite3_step(count) != SQLITE_ROW) {
        store_fail(store, "cannot be read", error);
        if (count != NULL) sqlite3_reset(count);
        return NULL;
    }
    size_t n = (size_t)sqlite3_column_int64(count, 0);
    sqlite3_reset(count);
    void *array = calloc(n > 0 ? n : 1, size);
    if (array == NULL) fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", id);
    return array;
}

typedef fv_status (*row_reader)(fv_store *store, sqlite3_stmt *row, fv_record *record,
                                fv_error *error);

// Hands every row of a run to `read`.
static fv_status read_rows(fv_store *store, int statement, fv_record *record, row_reader read,
                           fv_error *error) {
    sqlite3_stmt *rows = store_statement(store, statement);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    bind_text(rows, 1, record->id);
    fv_status status = FV_OK;
    int step;
    while (status == FV_OK && (step = sqlite3_step(rows)) == SQLITE_ROW)
        status = read(store, rows, record, error);
    if (status == FV_OK && step != SQLITE_DONE) status = store_fail(store, "cannot be read", error);
    sqlite3_reset(rows);
    return status;
}

static fv_status get(fv_store *store, const char *id, fv_record *record, fv_error *error) {
    sqlite3_stmt *row = store_statement(store, STATEMENT_GET_RUN);
    if (row == NULL) return store_fail(store, "cannot be read", error);
    bind_text(row, 1, id);
    fv_status status = sqlite3_step(row) == SQLITE_ROW ? read_run(store, row, record, error)
                                                       : store_fail(store, "cannot be read", error);
    sqlite3_reset(row);
    if (status != FV_OK) return status;
    record->series = count_rows(store, STATEMENT_COUNT_SERIES, id, sizeof(fv_series), error);
    if (record->series == NULL) return error->status;
    record->snapshots =
        count_rows(store, STATEMENT_COUNT_SNAPSHOTS, id, sizeof(fv_snapshot), error);
    if (record->snapshots == NULL) return error->status;
    status = read_rows(store, STATEMENT_GET_SERIES, record, read_series, error);
    if (status == FV_OK)
        status = read_rows(store, STATEMENT_GET_SNAPSHOTS, record, read_snapshot, error);
    return status;
}

// Snapshots are only worth their parameters where those fit the model.
static fv_status check_snapshots(const fv_store *store, const fv_record *record, fv_error *error) {
    if (record->n_snapshots == 0) return FV_OK;
    fv_model *model = NULL;
    fv_status status = fv_model_create(&record->config, &model, error);
    if (status == FV_OK && fv_model_n_params(model) != record->n_params)
        status =
            store_damaged(store, record->id,
                          "its snapshots do not have the parameters of its configuration", error);
    fv_model_free(model);
    return status;
}

fv_status fv_store_get(fv_store *store, const char *id, fv_record *record, fv_error *error) {
    fv_error own = {0};
    if (error == NULL) error = &own;
    char whole[17];
    fv_record_init(record);
    // One read transaction, so that a run replaced meanwhile is seen before or after, not between.
    bool own_transaction = sqlite3_get_autocommit(store->db) != 0;
    if (own_transaction && !store_do(store, STATEMENT_READ))
        return store_fail(store, "cannot be read", error);
    fv_status status = store_resolve(store, id, whole, error);
    if (status == FV_OK) status = get(store, whole, record, error);
    if (own_transaction) store_do(store, STATEMENT_COMMIT);
    if (status == FV_OK) status = check_snapshots(store, record, error);
    if (status != FV_OK) fv_record_free(record);
    return status;
}

// The final values of one run; names and finals live until the next call.
typedef struct final_list {
    int n, capacity;
    fv_final *items;
    char (*names)[sizeof((fv_series *)0)->name];
} final_list;

static bool make_room(final_list *finals) {
    if (finals->n < finals->capacity) return true;
    int capacity = finals->capacity ? 2 * finals->capacity : 32;
    void *items = realloc(finals->items, (size_t)capacity * sizeof *finals->items);
    if (items == NULL) return false;
    finals->items = items;
    void *names = realloc(finals->names, (size_t)capacity * sizeof *finals->names);
    if (names == NULL) return false;
    finals->names = names;
    finals->capacity = capacity;
    return true;
}

static fv_status read_finals(fv_store *store, const char *id, final_list *finals, fv_error *error) {
    sqlite3_stmt *rows = store_statement(store, STATEMENT_GET_FINALS);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    bind_text(rows, 1, id);
    finals->n = 0;
    int step;
    bool memory = true;
    while ((step = sqlite3_step(rows)) == SQLITE_ROW && (memory = make_room(finals))) {
        snprintf(finals->names[finals->n], sizeof *finals->names, "%s", column_text(rows, 0));
        bool is_null = sqlite3_column_type(rows, 1) == SQLITE_NULL;
        finals->items[finals->n++].value = is_null ? NAN : sqlite3_column_double(rows, 1);
    }
    for (int i = 0; i < finals->n; i++) finals->items[i].name = finals->names[i];
    fv_status status = FV_OK;
    if (!memory)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", id);
    else if (step != SQLITE_DONE)
        status = store_fail(store, "cannot be read", error);
    sqlite3_reset(rows);
    return status;
}

fv_status fv_store_each(fv_store *store, fv_store_visit visit, void *context, fv_error *error) {
    sqlite3_stmt *rows = store_statement(store, STATEMENT_EACH_RUN);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    final_list finals = {0};
    fv_status status = FV_OK;
    int step;
    while (status == FV_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        fv_record record;
        status = read_run(store, rows, &record, error);
        if (status == FV_OK) status = read_finals(store, record.id, &finals, error);
        if (status == FV_OK)
            status = visit(context, &record, column_text(rows, 7), finals.items, finals.n);
    }
    if (status == FV_OK && step != SQLITE_DONE) status = store_fail(store, "cannot be read", error);
    sqlite3_reset(rows);
    free(finals.items);
    free(finals.names);
    return status;
}
