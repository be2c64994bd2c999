// WAL with synchronous=NORMAL: a commit survives every death of the process.
//
// Triggers of the writing connection give every row that is written its digest, and keep the
// table's row of `total`, in the same transaction. They are no part of the file: other programs
// read it without Fovea's functions.
#include "eval/db.h"

#include "base/sql_row.h"

#include <errno.h>
#include <fovea/whole_file.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const sql_kind KIND = {.application_id = 0x46764576, // "FvEv"
                              .version = EVAL_DB_VERSION,
                              .schema = EVAL_DB_SCHEMA,
                              .title = "",
                              .what = "an evaluation of Fovea",
                              .safe = "what is stored is",
                              .again = "evaluate"};

static sql_file file_of(sqlite3 *db) {
    sql_file file = {&KIND, sqlite3_db_filename(db, "main"), db};
    if (file.path == NULL || *file.path == '\0') file.path = "eval.db";
    return file;
}

fv_status eval_db_fail(sqlite3 *db, const char *doing, fv_error *error) {
    sql_file file = file_of(db);
    return sql_fail(&file, doing, error);
}

fv_status eval_make_folder(const char *folder, fv_error *error) {
    return fv_folder_make(folder, "eval.db", error);
}

fv_status eval_db_execute(sqlite3 *db, text_buffer *sql, fv_error *error) {
    sql_file file = file_of(db);
    fv_status status = sql->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                   : sql_execute(&file, sql->data, "cannot be written", error);
    text_free(sql);
    return status;
}

int eval_db_version(sqlite3 *db) {
    sqlite3_stmt *row = NULL;
    int version = 0;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        version = sqlite3_column_int(row, 0);
    sqlite3_finalize(row);
    return version;
}

// --- digests -----------------------------------------------------------------------------------

// No trigger is for the column `digest`, which they write themselves.
static fv_status make_triggers(sqlite3 *db, eval_table table, fv_error *error) {
    const char *name = EVAL_TABLE_NAMES[table];
    const char *columns = eval_table_columns(table, EVAL_DB_VERSION);
    static const struct {
        const char *suffix, *event, *row;
        bool of_columns, writes, old;
    } KINDS[] = {{"in", "INSERT", "n + 1", false, true, false},
                 {"anew", "UPDATE OF ", "n", true, true, true},
                 {"out", "DELETE", "n - 1", false, false, true}};
    text_buffer sql = {0};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        text_add(&sql, "CREATE TEMP TRIGGER %s_%s AFTER %s%s ON main.%s BEGIN ", name,
                 KINDS[i].suffix, KINDS[i].event, KINDS[i].of_columns ? columns : "", name);
        if (KINDS[i].writes)
            text_add(&sql,
                     "UPDATE %s SET digest = row_digest('%s', %s) WHERE rowid = new.rowid; "
                     "UPDATE total SET digest = digest_sum(digest, (SELECT digest FROM %s WHERE "
                     "rowid = new.rowid)) WHERE source = '%s'; ",
                     name, name, columns, name, name);
        text_add(&sql,
                 "UPDATE total SET n = %s, digest = digest_sum(digest, %s) WHERE source = "
                 "'%s'; END;",
                 KINDS[i].row, KINDS[i].old ? "old.digest" : "NULL", name);
    }
    return eval_db_execute(db, &sql, error);
}

// Takes the rows out of their table and makes that anew.
static fv_status make_anew(sqlite3 *db, eval_table table, int version, fv_error *error) {
    const char *name = EVAL_TABLE_NAMES[table], *columns = eval_table_columns(table, version);
    const char *schema = eval_table_schema(table, EVAL_DB_VERSION);
    text_buffer sql = {0};
    text_add(&sql, "CREATE TEMP TABLE kept AS SELECT rowid AS row, %s, ", columns);
    if (version < EVAL_DB_FIRST_WITH_DIGESTS)
        text_add(&sql, "NULL AS digest, 1 AS good ");
    else
        text_add(&sql, "digest, digest IS row_digest('%s', %s) AS good ", name, columns);
    text_add(&sql,
             "FROM main.%s NOT INDEXED; DROP TABLE main.%s; DELETE FROM total WHERE source = '%s'; "
             "INSERT INTO total VALUES ('%s', 0, NULL); ",
             name, name, name, name);
    text_add_n(&sql, schema, strlen(schema));
    fv_status status = eval_db_execute(db, &sql, error);
    return status == FV_OK ? make_triggers(db, table, error) : status;
}

fv_status eval_db_rebuild(sqlite3 *db, eval_table table, int version, fv_error *error) {
    const char *name = EVAL_TABLE_NAMES[table], *columns = eval_table_columns(table, version);
    int n_columns = 1, most = 1;
    for (const char *c = columns; *c != '\0'; c++) n_columns += *c == ',';
    for (const char *c = EVAL_ASKS_COLUMNS; *c != '\0'; c++) most += *c == ',';
    fv_status status = make_anew(db, table, version, error);
    if (status != FV_OK) return status;
    text_buffer sql = {0};
    text_add(&sql,
             "INSERT OR IGNORE INTO main.%s (rowid, %s) SELECT row, %s FROM kept WHERE good "
             "ORDER BY row; ",
             name, eval_table_columns(table, EVAL_DB_VERSION), eval_table_values(table, version));
    text_add(&sql,
             "INSERT INTO damaged SELECT '%s', row, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now'), "
             "%s, digest",
             name, columns);
    for (int i = n_columns; i < most; i++) text_add(&sql, ", NULL");
    text_add(&sql, " FROM kept WHERE row NOT IN (SELECT rowid FROM main.%s); DROP TABLE kept;",
             name);
    return eval_db_execute(db, &sql, error);
}

// Damage of an older file is not carried over: its digests go with the rows.
static fv_status bring_up(const sql_file *file, eval_db_mode mode, int version, fv_error *error) {
    if (version == 0) return sql_stamp(file, error);
    fv_status status = FV_OK;
    if (mode != EVAL_DB_MEND)
        status = eval_db_check(file->db, EVAL_TABLE_BIT(EVAL_N_TABLES) - 1, error);
    if (status == FV_OK) status = eval_db_make_totals(file->db, version, error);
    for (int t = 0; t < EVAL_N_TABLES && status == FV_OK; t++)
        status = eval_db_rebuild(file->db, (eval_table)t, version, error);
    if (status != FV_OK) return status;
    char stamp[64];
    snprintf(stamp, sizeof stamp, "PRAGMA user_version = %d", EVAL_DB_VERSION);
    return sql_execute(file, stamp, "cannot be written", error);
}

// --- opening -----------------------------------------------------------------------------------

// Within one transaction, so that two commands that start together make one schema. A row that is
// replaced leaves its table like one that is deleted: recursive_triggers.
static fv_status open_writer(const sql_file *file, eval_db_mode mode, fv_error *error) {
    int version;
    fv_status status = sql_execute(file,
                                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                                   "PRAGMA temp_store = MEMORY; PRAGMA recursive_triggers = ON; "
                                   "BEGIN IMMEDIATE",
                                   "cannot be opened", error);
    if (status == FV_OK) status = sql_check(file, &version, error);
    if (status == FV_OK && version < EVAL_DB_VERSION) status = bring_up(file, mode, version, error);
    bool rebuilt = status == FV_OK && version > 0 && version < EVAL_DB_VERSION; // with triggers
    for (int t = 0; t < EVAL_N_TABLES && status == FV_OK && !rebuilt; t++)
        status = make_triggers(file->db, (eval_table)t, error);
    if (status == FV_OK) status = sql_execute(file, "COMMIT", "cannot be written", error);
    return status;
}

static fv_status open_reader(const sql_file *file, fv_error *error) {
    int version;
    fv_status status = sql_check(file, &version, error);
    if (status != FV_OK) return status;
    if (version == 0)
        return fv_fail(error, FV_NOT_FOUND, "%s is empty: nothing was evaluated there", file->path);
    return version < EVAL_DB_VERSION ? eval_db_view_as_new(file->db, version, error) : FV_OK;
}

fv_status eval_db_open(const char *folder, eval_db_mode mode, unsigned tables, sqlite3 **db,
                       fv_error *error) {
    char path[4096];
    struct stat file;
    *db = NULL;
    int length = snprintf(path, sizeof path, "%s/eval.db", folder);
    if (length < 0 || (size_t)length >= sizeof path)
        return fv_fail(error, FV_USAGE, "the folder's name is too long: %.60s...", folder);
    if (mode == EVAL_DB_READ && stat(path, &file) != 0)
        return fv_fail(error, errno == ENOENT || errno == ENOTDIR ? FV_NOT_FOUND : FV_IO,
                       "%s cannot be read: %s; 'fovea needle --out %s' makes it", path,
                       strerror(errno), folder);
    sql_file opened = {&KIND, path, NULL};
    fv_status status =
        sql_connect(&opened, path,
                    SQLITE_OPEN_READWRITE | (mode != EVAL_DB_READ ? SQLITE_OPEN_CREATE : 0), error);
    if (status == FV_OK && !sql_digest_functions(opened.db))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK)
        status =
            mode != EVAL_DB_READ ? open_writer(&opened, mode, error) : open_reader(&opened, error);
    if (status == FV_OK && tables != 0) status = eval_db_check(opened.db, tables, error);
    if (status == FV_OK)
        *db = opened.db;
    else
        sqlite3_close(opened.db);
    return status;
}
