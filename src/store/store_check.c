// Damage: found, and put out of the way. SQLite notices a few percent of flipped bits. The rest
// shows in a run's digest or, where a damaged index finds wrong rows or none, in the frame: the
// table of runs, its index and the store's own row must speak of the same runs.
#include "base/text.h"
#include "store/store_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- the frame ---------------------------------------------------------------------------------

fv_status store_scan(fv_store *store, int statement, store_frame *f, fv_error *error) {
    enum { ID, ROWID, DIGEST = 5, CREATED = 7 };
    char last[40] = "";
    sqlite3_stmt *rows = store_statement(store, statement);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    *f = (store_frame){.ordered = true};
    while (sqlite3_step(rows) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(rows, ID);
        uint64_t rowid = (uint64_t)sqlite3_column_int64(rows, ROWID);
        f->rows ^= text_hash(TEXT_HASH_START ^ rowid, id != NULL ? id : "");
        f->total.n_runs++;
        if (sqlite3_column_count(rows) <= DIGEST) continue;
        f->n_lacking += sqlite3_column_type(rows, DIGEST) == SQLITE_NULL;
        f->total.digest ^= store_digest_column(rows, DIGEST);
        const char *created = (const char *)sqlite3_column_text(rows, CREATED);
        f->ordered = f->ordered && created != NULL && strcmp(last, created) <= 0;
        snprintf(last, sizeof last, "%s", created != NULL ? created : "");
    }
    if (sqlite3_reset(rows) == SQLITE_OK) return FV_OK;
    return store_fail(store, "cannot be read", error);
}

// What a writer mends itself, and a reader's file unless it can no longer be written anew.
static fv_status fail_frame(fv_store *store, const char *what, const char *anew, fv_error *error) {
    bool mends = store->lock_path != NULL || store->is_copy || store_can_be_renewed(store);
    if (!mends)
        return fv_fail(error, FV_STORE, "run store %s is damaged: %s; " STORE_MOVE_AWAY,
                       store->path, what);
    return fv_fail(error, FV_STORE,
                   "run store %s is damaged: %s; 'fovea run' and 'fovea runs DIR --check --write' "
                   "make %s anew",
                   store->path, what, anew);
}

// The first fault of a check of SQLite's, whose line about a page stands below one about the file.
static void first_fault(const char *text, char what[STORE_WHY]) {
    const char *below = strncmp(text, "***", 3) == 0 ? strchr(text, '\n') : NULL;
    if (below != NULL) text = below + 1;
    snprintf(what, STORE_WHY, "%.*s", (int)strcspn(text, "\n"), text);
}

// Of runs without digests, rows that a damaged index hides would not be missed: SQLite compares the
// tables with their indexes.
static fv_status check_indexes(fv_store *store, const store_frame *table, fv_error *error) {
    if (table->n_lacking == 0 && store->schema == STORE_SCHEMA) return FV_OK;
    sqlite3_stmt *row = store_statement(store, STATEMENT_INTEGRITY_CHECK);
    if (row == NULL) return store_fail(store, "cannot be read", error);
    const char *text =
        sqlite3_step(row) == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
    char what[STORE_WHY] = "";
    if (text != NULL && strcmp(text, "ok") != 0) first_fault(text, what);
    if (sqlite3_reset(row) != SQLITE_OK) return store_fail(store, "cannot be read", error);
    return what[0] != '\0' ? fail_frame(store, what, "its indexes", error) : FV_OK;
}

fv_status store_compare_frame(fv_store *store, bool *indexed, fv_error *error) {
    *indexed = false;
    store_frame table, index;
    fv_status status = store_scan(store, STATEMENT_SCAN_TABLE, &table, error);
    if (status == FV_OK) status = store_scan(store, STATEMENT_SCAN_INDEX, &index, error);
    if (status != FV_OK) return status;
    if (table.total.n_runs != index.total.n_runs || table.rows != index.rows)
        return fail_frame(store, "its index of runs does not have what its table has", "it", error);
    status = check_indexes(store, &table, error);
    if (status != FV_OK) return status;
    *indexed = true;
    store->ordered = table.ordered;
    return store_check_total(store, &table.total, error);
}

fv_status store_check_frame(fv_store *store, fv_error *error) {
    if (store->framed) return FV_OK;
    bool own_transaction = sqlite3_get_autocommit(store->db) != 0;
    if (own_transaction && !store_do(store, STATEMENT_READ))
        return store_fail(store, "cannot be read", error);
    bool indexed;
    fv_status status = store_compare_frame(store, &indexed, error);
    if (own_transaction) store_do(store, STATEMENT_COMMIT);
    store->framed = status == FV_OK;
    return status;
}

bool store_is_damage(const fv_store *store, fv_status status) {
    int code = sqlite3_errcode(store->db) & 0xff;
    return status != FV_OK && status != FV_NO_MEMORY && status != FV_IO &&
           status != FV_INTERRUPTED && code != SQLITE_NOMEM && code != SQLITE_IOERR;
}

// --- runs --------------------------------------------------------------------------------------

// Every run, whatever the index says. The caller frees *rows.
static fv_status list_rows(fv_store *store, store_row **rows, int *n, fv_error *error) {
    sqlite3_stmt *statement = store_statement(store, STATEMENT_ROWIDS);
    if (statement == NULL) return store_fail(store, "cannot be read", error);
    int capacity = 0, step;
    bool memory = true;
    *rows = NULL;
    *n = 0;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (*n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 256;
            store_row *more = realloc(*rows, (size_t)capacity * sizeof *more);
            memory = more != NULL;
            if (!memory) break;
            *rows = more;
        }
        store_row *row = &(*rows)[(*n)++];
        *row = (store_row){.rowid = sqlite3_column_int64(statement, 0)};
        const char *id = (const char *)sqlite3_column_text(statement, 1);
        if (id != NULL && strlen(id) == 16 && strspn(id, "0123456789abcdef") == 16)
            memcpy(row->id, id, sizeof row->id);
    }
    sqlite3_reset(statement);
    if (!memory) return fv_fail(error, FV_NO_MEMORY, "out of memory checking %s", store->path);
    return step == SQLITE_DONE ? FV_OK : store_fail(store, "cannot be read", error);
}

// Whether the run's rows have both its digests.
static fv_status check_run(fv_store *store, const store_row *row, fv_error *error) {
    if (row->id[0] == '\0')
        return fv_fail(error, FV_STORE,
                       "run store %s: row %lld of its runs has no id; 'fovea runs DIR --check "
                       "--write' moves it to the table damaged",
                       store->path, (long long)row->rowid);
    fv_record record;
    fv_status status = fv_store_get(store, row->id, &record, error);
    fv_record_free(&record);
    return status;
}

fv_status store_each_damaged(fv_store *store, store_damage_visit found, void *context,
                             fv_error *error) {
    store_row *rows;
    int n;
    fv_status status = list_rows(store, &rows, &n, error);
    for (int i = 0; i < n && status == FV_OK; i++) {
        fv_error why = {0};
        fv_status state = check_run(store, &rows[i], &why);
        if (state != FV_OK && !store_is_damage(store, state)) {
            status = state;
            if (error != NULL) *error = why;
        } else if (state != FV_OK) {
            status = found(context, &rows[i], why.text);
        }
    }
    free(rows);
    return status;
}

// --- for the writer ------------------------------------------------------------------------------

typedef struct mending {
    fv_store *store;
    fv_store_say say;
    void *context;
    fv_error *error;
    int n_damaged;
} mending;

static void say(const mending *m, const char *text) {
    if (m->say != NULL) m->say(m->context, text);
}

static bool do_with(fv_store *store, int statement, const sql_value *values, int n) {
    sqlite3_stmt *prepared = store_statement(store, statement);
    if (prepared == NULL) return false;
    sql_bind(prepared, values, n);
    return sql_done(prepared);
}

// Moves a run's rows into the table `damaged`.
static bool move(fv_store *store, const store_row *row, const char *why) {
    static const int PARTS[] = {STATEMENT_KEEP_SERIES,    STATEMENT_KEEP_TENSORS,
                                STATEMENT_KEEP_SNAPSHOTS, STATEMENT_DELETE_SERIES,
                                STATEMENT_DELETE_TENSORS, STATEMENT_DELETE_SNAPSHOTS};
    const sql_value run[] = {sql_integer(row->rowid), sql_text(why)};
    const sql_value part[] = {sql_text(row->id), sql_text(why)};
    bool moved = do_with(store, STATEMENT_KEEP_RUN, run, 2);
    for (size_t i = 0; moved && row->id[0] != '\0' && i < sizeof PARTS / sizeof *PARTS; i++)
        moved = do_with(store, PARTS[i], part, i < 3 ? 2 : 1);
    return moved && do_with(store, STATEMENT_DELETE_ROW, run, 1);
}

static fv_status set_aside(void *context, const store_row *row, const char *why) {
    mending *m = context;
    char text[1200];
    // The cause alone: the rest of the sentence says what to do, which is done here.
    char cause[600];
    snprintf(cause, sizeof cause, "%.*s", (int)strcspn(why, ";"), why);
    if (!move(m->store, row, cause)) return store_fail(m->store, "cannot be written", m->error);
    snprintf(text, sizeof text,
             "%s; it is trained again where it is asked for, and its rows are kept in the table "
             "damaged",
             cause);
    say(m, text);
    m->n_damaged++;
    return FV_OK;
}

static fv_status move_orphans(fv_store *store, fv_error *error) {
    static const int PARTS[] = {STATEMENT_KEEP_LOST_SERIES,    STATEMENT_KEEP_LOST_TENSORS,
                                STATEMENT_KEEP_LOST_SNAPSHOTS, STATEMENT_DELETE_LOST_SERIES,
                                STATEMENT_DELETE_LOST_TENSORS, STATEMENT_DELETE_LOST_SNAPSHOTS};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (!store_do(store, PARTS[i])) return store_fail(store, "cannot be written", error);
    return FV_OK;
}

// Counts the runs anew; where some have vanished, says so.
static fv_status recount(mending *m) {
    store_frame table;
    store_total was = {0};
    char text[600];
    fv_status status = store_scan(m->store, STATEMENT_SCAN_TABLE, &table, m->error);
    if (status == FV_OK) status = store_get_total(m->store, &was, m->error);
    if (status != FV_OK) return status;
    long long here = table.total.n_runs + m->n_damaged, there = was.n_runs;
    bool same = here == there && (m->n_damaged > 0 || was.digest == table.total.digest);
    if (!same) {
        snprintf(
            text, sizeof text,
            "run store %s is damaged: it should have %lld runs, and %lld are found; those that "
            "an experiment asks for are trained again",
            m->store->path, there, here);
        say(m, text);
    }
    return store_set_total(m->store, &table.total, m->error);
}

static fv_status mend(mending *m, const char *cause) {
    if (!store_do(m->store, STATEMENT_REINDEX))
        return store_fail(m->store, "its indexes cannot be made anew", m->error);
    bool indexed, whole = store_compare_frame(m->store, &indexed, NULL) == FV_OK;
    fv_status status = store_each_damaged(m->store, set_aside, m, m->error);
    if (status == FV_OK) status = move_orphans(m->store, m->error);
    if (status == FV_OK && whole && m->n_damaged == 0) {
        char text[700];
        snprintf(text, sizeof text, "%.*s; its indexes have been made anew",
                 (int)strcspn(cause, ";"), cause);
        say(m, text);
    }
    return status == FV_OK ? recount(m) : status;
}

fv_status store_mend(fv_store *store, const char *cause, fv_store_say tell_of, void *context,
                     fv_error *error) {
    fv_error own = {0};
    mending m = {store, tell_of, context, error != NULL ? error : &own, 0};
    fv_status status = fv_store_begin(store, error);
    if (status != FV_OK) return status;
    status = mend(&m, cause);
    if (status == FV_OK) status = fv_store_commit(store, error);
    if (status != FV_OK && !sqlite3_get_autocommit(store->db)) store_do(store, STATEMENT_ROLLBACK);
    store->framed = status == FV_OK;
    return status;
}

fv_status fv_store_mend(fv_store *store, fv_store_say tell_of, void *context, fv_error *error) {
    fv_error why = {0};
    fv_status status = store_check_frame(store, &why);
    if (status == FV_OK) return FV_OK;
    if (store_is_damage(store, status)) return store_mend(store, why.text, tell_of, context, error);
    if (error != NULL) *error = why;
    return status;
}

// --- what older stores lack ----------------------------------------------------------------------

// Gives a run its digests, which fv_store_get and store_check_listed have just computed.
static fv_status add_digests(fv_store *store, const store_row *row, store_total *total,
                             fv_error *error) {
    fv_record record;
    char digest[SQL_DIGEST_SIZE], listed[SQL_DIGEST_SIZE];
    fv_status status = fv_store_get(store, row->id, &record, error);
    fv_record_free(&record);
    if (status != FV_OK) return status;
    uint64_t value = sql_digest_value(store->digest);
    status = store_check_listed(store, row->id, error);
    if (status != FV_OK) return status;
    sql_digest_text(value, digest);
    sql_digest_text(sql_digest_value(store->digest), listed);
    const sql_value v[] = {sql_integer(row->rowid), sql_text(digest), sql_text(listed)};
    if (!do_with(store, STATEMENT_SET_DIGESTS, v, 3))
        return store_fail(store, "cannot be written", error);
    total->digest ^= value;
    return FV_OK;
}

// Runs without an id cannot be asked for, nor deleted by it.
static fv_status move_nameless(fv_store *store, store_total *total, fv_error *error) {
    store_frame before, after;
    store_row *rows = NULL;
    int n = 0;
    fv_status status = store_scan(store, STATEMENT_SCAN_TABLE, &before, error);
    if (status == FV_OK) status = list_rows(store, &rows, &n, error);
    for (int i = 0; i < n && status == FV_OK; i++)
        if (rows[i].id[0] == '\0' && !move(store, &rows[i], "its id is damaged"))
            status = store_fail(store, "cannot be written", error);
    free(rows);
    if (status == FV_OK) status = store_scan(store, STATEMENT_SCAN_TABLE, &after, error);
    if (status != FV_OK) return status;
    total->n_runs += after.total.n_runs - before.total.n_runs;
    total->digest ^= before.total.digest ^ after.total.digest;
    return FV_OK;
}

static fv_status complete(fv_store *store, int *n_added, fv_error *error) {
    store_total total;
    store_row *rows = NULL;
    int n = 0;
    if (!store_do(store, STATEMENT_REINDEX))
        return store_fail(store, "its indexes cannot be made anew", error);
    fv_status status = store_get_total(store, &total, error);
    if (status == FV_OK) status = move_nameless(store, &total, error);
    if (status == FV_OK) status = list_rows(store, &rows, &n, error);
    for (int i = 0; i < n && status == FV_OK; i++) {
        sqlite3_stmt *lacks = store_statement(store, STATEMENT_LACKS_DIGEST);
        if (lacks == NULL) status = store_fail(store, "cannot be read", error);
        if (status != FV_OK) break;
        sqlite3_bind_int64(lacks, 1, rows[i].rowid);
        bool without = sqlite3_step(lacks) == SQLITE_ROW;
        sqlite3_reset(lacks);
        if (!without) continue;
        fv_error why = {0};
        fv_status state = add_digests(store, &rows[i], &total, &why);
        *n_added += state == FV_OK;
        if (state != FV_OK && !store_is_damage(store, state)) status = state;
        if (status != FV_OK && error != NULL) *error = why;
    }
    free(rows);
    if (status == FV_OK) status = store_set_total(store, &total, error);
    return status == FV_OK ? move_orphans(store, error) : status;
}

// Damage in the unused bytes of a page harms no row, and stays until the file is written anew.
static fv_status renew_pages(fv_store *store, fv_error *error) {
    char why[STORE_WHY];
    fv_status status = store_check_pages(store, why, error);
    if (status != FV_OK || why[0] == '\0') return status;
    if (!store_do(store, STATEMENT_VACUUM))
        return store_fail(store, "cannot be written anew", error);
    status = store_check_pages(store, why, error);
    if (status != FV_OK || why[0] == '\0') return status;
    return fv_fail(error, FV_STORE, "run store %s is damaged: %s; " STORE_MOVE_AWAY, store->path,
                   why);
}

fv_status fv_store_complete(fv_store *store, int *n_added, fv_error *error) {
    *n_added = 0;
    fv_status status = fv_store_begin(store, error);
    if (status != FV_OK) return status;
    status = complete(store, n_added, error);
    if (status == FV_OK) status = fv_store_commit(store, error);
    if (status != FV_OK && !sqlite3_get_autocommit(store->db)) store_do(store, STATEMENT_ROLLBACK);
    return status == FV_OK ? renew_pages(store, error) : status;
}
