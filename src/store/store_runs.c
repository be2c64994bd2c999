// Whole runs out of the store. What comes out is checked as anything from a file is: every row of
// the run against its digest, and blob sizes against counts, steps in order, known outcomes.
#include "store/store_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bind_text(sqlite3_stmt *statement, int index, const char *text) {
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
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
    enum { DIGEST = 4 };
    bool digested = found && sqlite3_column_type(statement, DIGEST) != SQLITE_NULL;
    if (found) memcpy(id, first, 17);
    if (step == SQLITE_ROW) step = sqlite3_step(statement);
    fv_status status = FV_OK;
    if (sqlite3_reset(statement) != SQLITE_OK) status = store_fail(store, "cannot be read", error);
    // What is not found, or found by a part of its id, depends on the index being whole, and so do
    // the rows of a run that has no digest to miss them.
    if (status == FV_OK && (!digested || length < 16)) status = store_check_frame(store, error);
    if (status != FV_OK) return status;
    if (step == SQLITE_ROW)
        status = fv_fail(error, FV_NOT_FOUND,
                         "run store %s has several runs whose ids begin with %s; give more digits",
                         store->path, prefix);
    else if (!found)
        status = fv_fail(error, FV_NOT_FOUND,
                         "run store %s has no run %s; 'fovea runs' lists what it has", store->path,
                         prefix);
    return status;
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

// A table of which a run has rows.
typedef struct part {
    int statement;
    char tag;
    int n_columns;
    row_reader read; // NULL where the rows are only to be digested
} part;

// Adds every row of a run to the digest and hands it on.
static fv_status read_rows(fv_store *store, const part *p, fv_record *record, fv_error *error) {
    sqlite3_stmt *rows = store_statement(store, p->statement);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    bind_text(rows, 1, record->id);
    fv_status status = FV_OK;
    int step;
    while (status == FV_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        sql_digest_add_columns(store->digest, p->tag, rows, p->n_columns);
        if (p->read != NULL) status = p->read(store, rows, record, error);
    }
    if (status == FV_OK && step != SQLITE_DONE) status = store_fail(store, "cannot be read", error);
    sqlite3_reset(rows);
    return status;
}

// Whether the current row of `runs` may stand, whose digest in `column` should be that of what was
// read. Only runs of before have none.
static fv_status check_digest(const fv_store *store, sqlite3_stmt *row, int column, const char *id,
                              fv_error *error) {
    bool before = sqlite3_column_type(row, COLUMN_NUMERICS) == SQLITE_NULL;
    if (before && sqlite3_column_type(row, column) == SQLITE_NULL) return FV_OK;
    if (sql_digest_is(row, column, sql_digest_value(store->digest))) return FV_OK;
    return store_damaged(store, id, "its rows do not have its digest", error);
}

static const part PARTS[] = {
    {STATEMENT_GET_SERIES, TAG_SERIES, SERIES_COLUMNS, store_read_series},
    {STATEMENT_GET_TENSORS, TAG_TENSOR, TENSOR_COLUMNS, NULL},
    {STATEMENT_GET_SNAPSHOTS, TAG_SNAPSHOT, SNAPSHOT_COLUMNS, store_read_snapshot}};
enum { N_PARTS = sizeof PARTS / sizeof *PARTS };

// Everything of a run but its row in `runs`.
static fv_status get_parts(fv_store *store, const char *id, fv_record *record, fv_error *error) {
    record->series = count_rows(store, STATEMENT_COUNT_SERIES, id, sizeof(fv_series), error);
    if (record->series == NULL) return error->status;
    record->snapshots =
        count_rows(store, STATEMENT_COUNT_SNAPSHOTS, id, sizeof(fv_snapshot), error);
    if (record->snapshots == NULL) return error->status;
    fv_status status = FV_OK;
    for (int i = 0; status == FV_OK && i < N_PARTS; i++)
        status = read_rows(store, &PARTS[i], record, error);
    return status;
}

// The row of a run in `runs`, with its digest begun; NULL after an error.
static sqlite3_stmt *begin_run(fv_store *store, const char *id, fv_error *error) {
    sqlite3_stmt *row = store_statement(store, STATEMENT_GET_RUN);
    if (row != NULL) bind_text(row, 1, id);
    if (row == NULL || sqlite3_step(row) != SQLITE_ROW) {
        store_fail(store, "cannot be read", error);
        if (row != NULL) sqlite3_reset(row);
        return NULL;
    }
    sql_digest_begin(store->digest);
    sql_digest_add_columns(store->digest, TAG_RUN, row, RUN_COLUMNS);
    return row;
}

// What could not be understood may be damaged, or of another Fovea: its digest tells.
static fv_status explain(fv_store *store, const char *id, fv_status status, fv_error *error) {
    fv_error digest = {0};
    fv_record none = {0};
    memcpy(none.id, id, sizeof none.id);
    sqlite3_stmt *row = begin_run(store, id, &digest);
    for (int i = 0; row != NULL && digest.status == FV_OK && i < N_PARTS; i++) {
        part unread = PARTS[i];
        unread.read = NULL;
        read_rows(store, &unread, &none, &digest);
    }
    if (row != NULL && digest.status == FV_OK) check_digest(store, row, RUN_DIGEST, id, &digest);
    if (row != NULL) sqlite3_reset(row);
    if (digest.status == FV_OK) return status;
    *error = digest;
    return digest.status;
}

static fv_status get(fv_store *store, const char *id, fv_record *record, fv_error *error) {
    sqlite3_stmt *row = begin_run(store, id, error);
    if (row == NULL) return error->status;
    fv_status status = store_read_run(store, row, record, error);
    if (status == FV_OK) status = get_parts(store, id, record, error);
    if (status == FV_OK) status = check_digest(store, row, RUN_DIGEST, id, error);
    sqlite3_reset(row);
    bool unclear = status != FV_OK && store_is_damage(store, status);
    return unclear ? explain(store, id, status, error) : status;
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
    if (status == FV_OK) status = store_check_listed(store, whole, error);
    if (status == FV_OK) status = get(store, whole, record, error);
    if (own_transaction) store_do(store, STATEMENT_COMMIT);
    if (status == FV_OK && record->n_snapshots > 0)
        status = store_check_n_params(store, record, error);
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

// Adds the current row of `rows` to the digest and to the finals; false without memory.
static bool add_final(fv_store *store, sqlite3_stmt *rows, final_list *finals) {
    if (!make_room(finals)) return false;
    sql_digest_add_columns(store->digest, TAG_FINAL, rows, FINAL_COLUMNS);
    char *name = finals->names[finals->n];
    name[0] = '\0';
    strncat(name, store_text(rows, 0), sizeof *finals->names - 1);
    bool is_null = sqlite3_column_type(rows, 1) == SQLITE_NULL;
    finals->items[finals->n++].value = is_null ? NAN : sqlite3_column_double(rows, 1);
    return true;
}

static fv_status read_finals(fv_store *store, const char *id, final_list *finals, fv_error *error) {
    sqlite3_stmt *rows = store_statement(store, STATEMENT_GET_FINALS);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    bind_text(rows, 1, id);
    finals->n = 0;
    int step;
    bool memory = true;
    while ((step = sqlite3_step(rows)) == SQLITE_ROW && memory)
        memory = add_final(store, rows, finals);
    fv_status status = FV_OK;
    if (!memory)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory reading run %s", id);
    else if (step != SQLITE_DONE)
        status = store_fail(store, "cannot be read", error);
    sqlite3_reset(rows);
    return status;
}

// All series of the store, row after row: the rows of a run stand together, in the order of runs.
typedef struct final_rows {
    sqlite3_stmt *rows; // NULL where they are not walked
    bool begun, ended;
} final_rows;

static bool next_row(final_rows *all) {
    all->begun = true;
    all->ended = all->ended || sqlite3_step(all->rows) != SQLITE_ROW;
    return !all->ended;
}

// The run's rows, if they are the next ones. Whether there are more of them elsewhere
// only the digest tells.
static bool take_finals(fv_store *store, final_rows *all, sqlite3_stmt *run, const char *id,
                        final_list *finals) {
    enum { RUN_ID = 2, FEW = 64 }; // rows of no run that are passed over
    bool more = all->rows != NULL && (all->begun ? !all->ended : next_row(all));
    for (int i = 0; more && i < FEW && strcmp(store_text(all->rows, RUN_ID), id) != 0; i++)
        more = next_row(all);
    finals->n = 0;
    while (more && strcmp(store_text(all->rows, RUN_ID), id) == 0) {
        if (!add_final(store, all->rows, finals)) return false;
        more = next_row(all);
    }
    return sql_digest_is(run, RUN_LISTED, sql_digest_value(store->digest));
}

// What listings read of the run in the current row. `all` may be NULL.
static fv_status read_listed(fv_store *store, sqlite3_stmt *row, final_rows *all, fv_record *record,
                             final_list *finals, fv_error *error) {
    char id[17];
    fv_status status = FV_OK;
    snprintf(id, sizeof id, "%s", store_text(row, COLUMN_ID));
    sql_digest_begin(store->digest);
    sql_digest_add_columns(store->digest, TAG_RUN, row, RUN_COLUMNS);
    if (all == NULL || !take_finals(store, all, row, id, finals)) {
        sql_digest_begin(store->digest);
        sql_digest_add_columns(store->digest, TAG_RUN, row, RUN_COLUMNS);
        status = read_finals(store, id, finals, error);
        if (status == FV_OK) status = check_digest(store, row, RUN_LISTED, id, error);
    }
    for (int i = 0; i < finals->n; i++) finals->items[i].name = finals->names[i];
    return status == FV_OK ? store_read_run(store, row, record, error) : status;
}

fv_status store_check_listed(fv_store *store, const char *id, fv_error *error) {
    sqlite3_stmt *row = store_statement(store, STATEMENT_GET_RUN);
    if (row == NULL) return store_fail(store, "cannot be read", error);
    bind_text(row, 1, id);
    final_list finals = {0};
    fv_record record;
    fv_record_init(&record);
    fv_status status = sqlite3_step(row) == SQLITE_ROW
                           ? read_listed(store, row, NULL, &record, &finals, error)
                           : store_fail(store, "cannot be read", error);
    sqlite3_reset(row);
    fv_record_free(&record);
    free(finals.items);
    free(finals.names);
    return status;
}

static fv_status each(fv_store *store, fv_store_visit visit, void *context, fv_error *error) {
    // Where the rows are in order, there is nothing to sort.
    sqlite3_stmt *rows =
        store_statement(store, store->ordered ? STATEMENT_EACH_ROW : STATEMENT_EACH_RUN);
    final_rows all = {.rows = store->ordered ? store_statement(store, STATEMENT_EACH_FINAL) : NULL};
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    final_list finals = {0};
    store_total seen = {0};
    fv_record record;
    fv_record_init(&record);
    fv_status status = FV_OK;
    int step;
    while (status == FV_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        status = read_listed(store, rows, &all, &record, &finals, error);
        if (status == FV_OK)
            status = visit(context, &record, store_text(rows, COLUMN_EXPERIMENT), finals.items,
                           finals.n);
        seen.n_runs++;
        seen.digest ^= store_digest_column(rows, RUN_DIGEST);
    }
    if (status == FV_OK && step != SQLITE_DONE) status = store_fail(store, "cannot be read", error);
    sqlite3_reset(rows);
    if (all.rows != NULL) sqlite3_reset(all.rows);
    fv_record_free(&record);
    free(finals.items);
    free(finals.names);
    return status == FV_OK ? store_check_total(store, &seen, error) : status;
}

fv_status fv_store_each(fv_store *store, fv_store_visit visit, void *context, fv_error *error) {
    // One read transaction, so that the runs and their number are of one instant.
    bool own_transaction = sqlite3_get_autocommit(store->db) != 0;
    if (own_transaction && !store_do(store, STATEMENT_READ))
        return store_fail(store, "cannot be read", error);
    fv_status status = store_check_frame(store, error);
    if (status == FV_OK) status = each(store, visit, context, error);
    if (own_transaction) store_do(store, STATEMENT_COMMIT);
    return status;
}
