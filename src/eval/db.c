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

enum { VERSION = 2 }; // 1 had no digests, and no tables `total` and `damaged`

const char *const EVAL_TABLE_NAMES[] = {
#define NAME(name, text, columns) text,
    EVAL_TABLES(NAME)
#undef NAME
};

const char *const EVAL_TABLE_COLUMNS[] = {
#define COLUMNS(name, text, columns) columns,
    EVAL_TABLES(COLUMNS)
#undef COLUMNS
};

// A sample is known by everything above `class`: from these columns its prompt can be built again,
// and `prompt_hash` tells whether it came out the same. `units` is how many pieces of haystack the
// prompt has, which `fits` found for a length.
#define MAKE_CELLS                                                                                 \
    "CREATE TABLE cells ("                                                                         \
    "  model TEXT NOT NULL, task TEXT NOT NULL, unit TEXT NOT NULL, length INTEGER NOT NULL,"      \
    "  depth REAL, n INTEGER NOT NULL, hits INTEGER NOT NULL, low REAL NOT NULL,"                  \
    "  high REAL NOT NULL, score REAL NOT NULL, trained_length INTEGER NOT NULL,"                  \
    "  answers TEXT NOT NULL, digest TEXT);"                                                       \
    "CREATE UNIQUE INDEX cells_place ON cells (model, task, unit, length, ifnull(depth, -1));"
#define MAKE_FITS                                                                                  \
    "CREATE TABLE fits ("                                                                          \
    "  model TEXT NOT NULL, api TEXT NOT NULL, task TEXT NOT NULL, haystack TEXT NOT NULL,"        \
    "  seed INTEGER NOT NULL, length INTEGER NOT NULL, units INTEGER NOT NULL,"                    \
    "  tokens INTEGER NOT NULL, counted TEXT NOT NULL, digest TEXT,"                               \
    "  PRIMARY KEY (model, api, task, haystack, seed, length));"
#define MAKE_ASKS                                                                                  \
    "CREATE TABLE asks ("                                                                          \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  model TEXT NOT NULL, api TEXT NOT NULL, task TEXT NOT NULL, haystack TEXT NOT NULL,"        \
    "  seed INTEGER NOT NULL, length INTEGER NOT NULL, unit TEXT NOT NULL, depth REAL,"            \
    "  sample INTEGER NOT NULL, units INTEGER NOT NULL, prompt_hash TEXT NOT NULL,"                \
    "  class TEXT NOT NULL, score REAL NOT NULL, expected TEXT NOT NULL, reply TEXT,"              \
    "  distractor TEXT, distractor_depth REAL, finish TEXT, error_kind TEXT, error TEXT,"          \
    "  http_status INTEGER, attempts INTEGER NOT NULL, prompt_tokens INTEGER,"                     \
    "  completion_tokens INTEGER, seconds REAL,"                                                   \
    "  asked TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), digest TEXT);"         \
    "CREATE UNIQUE INDEX asks_place ON asks"                                                       \
    "  (model, api, task, haystack, seed, length, unit, ifnull(depth, -1), sample);"

// A damaged row's columns in the order of its table: c1 is its model.
#define MAKE_TOTALS                                                                                \
    "CREATE TABLE total (source TEXT NOT NULL, n INTEGER NOT NULL, digest TEXT);"                  \
    "INSERT INTO total VALUES ('cells', 0, NULL), ('fits', 0, NULL), ('asks', 0, NULL);"           \
    "CREATE TABLE damaged (source TEXT NOT NULL, row INTEGER, found TEXT NOT NULL,"                \
    "  c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20," \
    "  c21, c22, c23, c24, c25, c26, c27);"

const char *const EVAL_TABLE_SCHEMAS[] = {
#define MAKE_TABLE(name, text, columns) MAKE_##name,
    EVAL_TABLES(MAKE_TABLE)
#undef MAKE_TABLE
};

static const char SCHEMA[] = MAKE_CELLS MAKE_FITS MAKE_ASKS MAKE_TOTALS;

static const sql_kind KIND = {.application_id = 0x46764576, // "FvEv"
                              .version = VERSION,
                              .schema = SCHEMA,
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
    const char *name = EVAL_TABLE_NAMES[table], *columns = EVAL_TABLE_COLUMNS[table];
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

fv_status eval_db_rebuild(sqlite3 *db, eval_table table, int version, fv_error *error) {
    const char *name = EVAL_TABLE_NAMES[table], *columns = EVAL_TABLE_COLUMNS[table];
    text_buffer sql = {0};
    text_add(&sql, "CREATE TEMP TABLE kept AS SELECT rowid AS row, %s, ", columns);
    if (version < VERSION)
        text_add(&sql, "NULL AS digest, 1 AS good ");
    else
        text_add(&sql, "digest, digest IS row_digest('%s', %s) AS good ", name, columns);
    text_add(&sql,
             "FROM main.%s NOT INDEXED; DROP TABLE main.%s; DELETE FROM total WHERE source = '%s'; "
             "INSERT INTO total VALUES ('%s', 0, NULL); ",
             name, name, name, name);
    text_add_n(&sql, EVAL_TABLE_SCHEMAS[table], strlen(EVAL_TABLE_SCHEMAS[table]));
    fv_status status = eval_db_execute(db, &sql, error);
    if (status == FV_OK) status = make_triggers(db, table, error);
    if (status != FV_OK) return status;
    int n_columns = 1, most = 26;
    for (const char *c = columns; *c != '\0'; c++) n_columns += *c == ',';
    text_add(&sql,
             "INSERT OR IGNORE INTO main.%s (rowid, %s) SELECT row, %s FROM kept WHERE good ORDER "
             "BY row; INSERT INTO damaged SELECT '%s', row, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', "
             "'now'), %s, digest",
             name, columns, columns, name, columns);
    for (int i = n_columns; i < most; i++) text_add(&sql, ", NULL");
    text_add(&sql, " FROM kept WHERE row NOT IN (SELECT rowid FROM main.%s); DROP TABLE kept;",
             name);
    return eval_db_execute(db, &sql, error);
}

static fv_status bring_up(const sql_file *file, int version, fv_error *error) {
    if (version == 0) return sql_stamp(file, error);
    fv_status status = sql_execute(file, MAKE_TOTALS, "cannot be written", error);
    for (int t = 0; t < EVAL_N_TABLES && status == FV_OK; t++)
        status = eval_db_rebuild(file->db, (eval_table)t, version, error);
    if (status != FV_OK) return status;
    char stamp[64];
    snprintf(stamp, sizeof stamp, "PRAGMA user_version = %d", VERSION);
    return sql_execute(file, stamp, "cannot be written", error);
}

// --- opening -----------------------------------------------------------------------------------

// Within one transaction, so that two commands that start together make one schema. A row that is
// replaced leaves its table like one that is deleted: recursive_triggers.
static fv_status open_writer(const sql_file *file, fv_error *error) {
    int version;
    fv_status status = sql_execute(file,
                                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                                   "PRAGMA temp_store = MEMORY; PRAGMA recursive_triggers = ON; "
                                   "BEGIN IMMEDIATE",
                                   "cannot be opened", error);
    if (status == FV_OK) status = sql_check(file, &version, error);
    if (status == FV_OK && version < VERSION) status = bring_up(file, version, error);
    bool rebuilt = status == FV_OK && version > 0 && version < VERSION; // with triggers
    for (int t = 0; t < EVAL_N_TABLES && status == FV_OK && !rebuilt; t++)
        status = make_triggers(file->db, (eval_table)t, error);
    if (status == FV_OK) status = sql_execute(file, "COMMIT", "cannot be written", error);
    return status;
}

static fv_status open_reader(const sql_file *file, fv_error *error) {
    int version;
    fv_status status = sql_check(file, &version, error);
    if (status != FV_OK || version > 0) return status;
    return fv_fail(error, FV_NOT_FOUND, "%s is empty: nothing was evaluated there", file->path);
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
    fv_status status = sql_connect(
        &opened, path, SQLITE_OPEN_READWRITE | (mode == EVAL_DB_WRITE ? SQLITE_OPEN_CREATE : 0),
        error);
    if (status == FV_OK && !sql_digest_functions(opened.db))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK)
        status = mode == EVAL_DB_WRITE ? open_writer(&opened, error) : open_reader(&opened, error);
    if (status == FV_OK && tables != 0) status = eval_db_check(opened.db, tables, error);
    if (status == FV_OK)
        *db = opened.db;
    else
        sqlite3_close(opened.db);
    return status;
}
