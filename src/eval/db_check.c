// Damage of eval.db: a reader finds it, a writer also moves it out of the way. A row's digest shows
// what is wrong in it, the table's row of `total` that one has vanished, SQLite's own check that an
// index or a page does not fit.
#include "eval/db.h"

#include "base/sql_row.h"

#include <fovea/eval.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct checker {
    sqlite3 *db;
    fv_error *error;
    fv_eval_say say; // of each finding
    void *context;
    const char *advice; // behind a finding about rows
    int version, n_found, n_rows;
} checker;

static fv_status failed(const checker *c) {
    return eval_db_fail(c->db, "cannot be read", c->error);
}

static void found(checker *c, const char *what, const char *advice) {
    char text[1024];
    c->n_found++;
    snprintf(text, sizeof text, "%s is damaged: %.300s; %s", sqlite3_db_filename(c->db, "main"),
             what, advice);
    if (c->say != NULL) c->say(c->context, text);
}

static sqlite3_stmt *prepare(const checker *c, text_buffer *sql) {
    sqlite3_stmt *row = NULL;
    if (!sql->failed) sqlite3_prepare_v2(c->db, sql->data, -1, &row, NULL);
    text_free(sql);
    return row;
}

// What SQLite itself finds: of the pages, which nothing here can mend, or else of the index.
static fv_status check_pages(const checker *c, const char *table, char index[256]) {
    text_buffer sql = {0};
    text_add(&sql, "PRAGMA main.integrity_check(%s)", table);
    sqlite3_stmt *row = prepare(c, &sql);
    fv_status status = row != NULL ? FV_OK : failed(c);
    *index = '\0';
    while (status == FV_OK && sqlite3_step(row) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(row, 0);
        const char *path = sqlite3_db_filename(c->db, "main");
        if (text == NULL || strcmp(text, "ok") == 0) continue;
        const char *line = strncmp(text, "***", 3) == 0 ? strchr(text, '\n') : NULL;
        if (line != NULL)
            status = fv_fail(c->error, FV_STORE,
                             "%s is damaged: %.*s; 'sqlite3 %s .recover' may save more of it; "
                             "move it away and evaluate again",
                             path, (int)strcspn(line + 1, "\n"), line + 1, path);
        else if (*index == '\0')
            snprintf(index, 256, "%s", text);
    }
    if (sqlite3_finalize(row) != SQLITE_OK && status == FV_OK) status = failed(c);
    return status;
}

// Whether the file says of a table and its index what made them.
static fv_status check_schema(checker *c, eval_table table) {
    const char *name = EVAL_TABLE_NAMES[table];
    text_buffer sql = {0};
    char text[160];
    text_add(&sql,
             "SELECT group_concat(sql || ';', '') FROM (SELECT sql FROM main.sqlite_schema WHERE "
             "name IN ('%s', '%s_place') ORDER BY type DESC)",
             name, name);
    sqlite3_stmt *row = prepare(c, &sql);
    if (row == NULL) return failed(c);
    const char *made =
        sqlite3_step(row) == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
    bool same = made != NULL && strcmp(made, eval_table_schema(table, c->version)) == 0;
    if (sqlite3_finalize(row) != SQLITE_OK) return failed(c);
    snprintf(text, sizeof text, "its table %s is not declared as it was made", name);
    if (!same) found(c, text, c->advice);
    return FV_OK;
}

typedef struct sum {
    sqlite3_int64 n, n_damaged;
    uint64_t digest;
} sum;

// Every row, not by an index.
static fv_status check_rows(checker *c, eval_table table, sum *all) {
    const char *name = EVAL_TABLE_NAMES[table], *columns = eval_table_columns(table, c->version);
    text_buffer sql = {0};
    text_add(&sql,
             "SELECT rowid, digest IS row_digest('%s', %s), digest, model, task, length FROM "
             "main.%s NOT INDEXED",
             name, columns, name);
    sqlite3_stmt *row = prepare(c, &sql);
    if (row == NULL) return failed(c);
    while (sqlite3_step(row) == SQLITE_ROW) {
        char text[256];
        all->n++;
        all->digest ^= sql_digest_read((const char *)sqlite3_column_text(row, 2));
        if (sqlite3_column_int(row, 1) == 1) continue;
        all->n_damaged++;
        const char *model = (const char *)sqlite3_column_text(row, 3);
        const char *task = (const char *)sqlite3_column_text(row, 4);
        snprintf(text, sizeof text,
                 "row %lld of its table %s (%.60s, %.60s, length %lld) is not what was stored",
                 (long long)sqlite3_column_int64(row, 0), name, model != NULL ? model : "",
                 task != NULL ? task : "", (long long)sqlite3_column_int64(row, 5));
        found(c, text, c->advice);
    }
    return sqlite3_finalize(row) == SQLITE_OK ? FV_OK : failed(c);
}

static fv_status check_total(checker *c, const char *table, const sum *all) {
    text_buffer sql = {0};
    char text[160];
    sum stored = {.n = -1};
    text_add(&sql, "SELECT n, digest FROM total WHERE source = '%s'", table);
    sqlite3_stmt *row = prepare(c, &sql);
    if (row == NULL) return failed(c);
    if (sqlite3_step(row) == SQLITE_ROW) {
        stored.n = sqlite3_column_int64(row, 0);
        stored.digest = sql_digest_read((const char *)sqlite3_column_text(row, 1));
    }
    if (sqlite3_finalize(row) != SQLITE_OK) return failed(c);
    if (stored.n < 0)
        snprintf(text, sizeof text, "it does not say how many rows its table %s should have",
                 table);
    else if (stored.n != all->n)
        snprintf(text, sizeof text, "its table %s should have %lld rows, and %lld are found", table,
                 (long long)stored.n, (long long)all->n);
    else if (stored.digest != all->digest && all->n_damaged == 0)
        snprintf(text, sizeof text, "the rows of its table %s are not those that were stored",
                 table);
    else
        return FV_OK;
    found(c, text, c->advice);
    return FV_OK;
}

static fv_status check_table(checker *c, eval_table table) {
    char index[256];
    sum all = {0};
    int before = c->n_found;
    fv_status status = check_pages(c, EVAL_TABLE_NAMES[table], index);
    bool digests = c->version >= EVAL_DB_FIRST_WITH_DIGESTS;
    if (status == FV_OK && digests) status = check_schema(c, table);
    if (status == FV_OK && digests) status = check_rows(c, table, &all);
    if (status == FV_OK && digests) status = check_total(c, EVAL_TABLE_NAMES[table], &all);
    if (status == FV_OK && *index != '\0' && c->n_found == before) found(c, index, c->advice);
    c->n_rows += (int)all.n;
    return status;
}

// --- for readers -------------------------------------------------------------------------------

static const char FOR_READERS[] =
    "'fovea needle' and 'fovea middle' with this --out put what is damaged aside, and ask again "
    "what they are asked for";

// All tables of one state of the file, whoever writes meanwhile.
static fv_status check_tables(checker *c, unsigned tables) {
    bool inside = !sqlite3_get_autocommit(c->db); // a transaction of the caller's
    if (!inside && sqlite3_exec(c->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) return failed(c);
    fv_status status = FV_OK;
    c->version = eval_db_version(c->db);
    for (int t = 0; t < EVAL_N_TABLES && status == FV_OK; t++)
        if (tables & EVAL_TABLE_BIT(t)) status = check_table(c, (eval_table)t);
    if (!inside) sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
    return status;
}

static void keep_first(void *context, const char *text) {
    fv_error *first = context;
    if (first->text[0] == '\0') fv_fail(first, FV_STORE, "%s", text);
}

fv_status eval_db_check(sqlite3 *db, unsigned tables, fv_error *error) {
    fv_error first = {0};
    checker c = {.db = db, .error = error, .say = keep_first, .context = &first};
    c.advice = FOR_READERS;
    fv_status status = check_tables(&c, tables);
    if (status != FV_OK || c.n_found == 0) return status;
    return fv_fail(error, FV_STORE, "%s", first.text);
}

fv_status fv_eval_check(const char *folder, fv_eval_say say, void *context, int *n_rows,
                        fv_error *error) {
    checker c = {.error = error, .say = say, .context = context, .advice = FOR_READERS};
    fv_status status = eval_db_open(folder, EVAL_DB_READ, 0, &c.db, error);
    if (status == FV_OK) status = check_tables(&c, EVAL_TABLE_BIT(EVAL_N_TABLES) - 1);
    *n_rows = c.n_rows;
    sqlite3_close(c.db);
    return status;
}

// --- for whoever writes --------------------------------------------------------------------------

static fv_status mend(checker *c) {
    fv_status status = FV_OK;
    c->version = eval_db_version(c->db);
    for (int t = 0; t < EVAL_N_TABLES && status == FV_OK; t++) {
        int before = c->n_found;
        status = check_table(c, (eval_table)t);
        if (status == FV_OK && c->n_found > before)
            status = eval_db_rebuild(c->db, (eval_table)t, c->version, c->error);
    }
    return status;
}

// Names what is damaged in an older file, before it is brought up.
static fv_status check_older(checker *c, const char *folder) {
    fv_status status = eval_db_open(folder, EVAL_DB_READ, 0, &c->db, c->error);
    if (status == FV_NOT_FOUND) return FV_OK;
    if (status == FV_OK && eval_db_version(c->db) < EVAL_DB_VERSION)
        status = check_tables(c, EVAL_TABLE_BIT(EVAL_N_TABLES) - 1);
    sqlite3_close(c->db);
    c->db = NULL;
    return status;
}

fv_status fv_eval_mend(const char *folder, fv_eval_say say, void *context, fv_error *error) {
    checker c = {.error = error, .say = say, .context = context};
    c.advice = "what is damaged is kept in its table damaged, its indexes are made anew, and what "
               "is asked for is asked again";
    char path[4096];
    struct stat file;
    snprintf(path, sizeof path, "%s/eval.db", folder);
    if (stat(path, &file) != 0) return FV_OK;
    fv_status status = check_older(&c, folder);
    if (status == FV_OK) status = eval_db_open(folder, EVAL_DB_MEND, 0, &c.db, error);
    if (status != FV_OK) return status;
    if (sqlite3_exec(c.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) status = failed(&c);
    if (status == FV_OK) status = mend(&c);
    if (status == FV_OK && sqlite3_exec(c.db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        status = eval_db_fail(c.db, "cannot be written", error);
    sqlite3_close(c.db);
    return status;
}
