// WAL with synchronous=NORMAL: a commit survives every death of the process.
#include "eval/db.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    APPLICATION_ID = 0x46764576, // "FvEv"
    SCHEMA_VERSION = 1,
    BUSY_MILLISECONDS = 10000
};

// A sample is known by everything above `class`: from these columns its prompt can be built again,
// and `prompt_hash` tells whether it came out the same. `units` is how many pieces of haystack the
// prompt has, which `fits` found for a length.
static const char SCHEMA[] =
    "CREATE TABLE cells ("
    "  model TEXT NOT NULL, task TEXT NOT NULL, unit TEXT NOT NULL, length INTEGER NOT NULL,"
    "  depth REAL, n INTEGER NOT NULL, hits INTEGER NOT NULL, low REAL NOT NULL,"
    "  high REAL NOT NULL, score REAL NOT NULL, trained_length INTEGER NOT NULL,"
    "  answers TEXT NOT NULL);"
    "CREATE UNIQUE INDEX cells_place ON cells (model, task, unit, length, ifnull(depth, -1));"
    "CREATE TABLE fits ("
    "  model TEXT NOT NULL, api TEXT NOT NULL, task TEXT NOT NULL, haystack TEXT NOT NULL,"
    "  seed INTEGER NOT NULL, length INTEGER NOT NULL, units INTEGER NOT NULL,"
    "  tokens INTEGER NOT NULL, counted TEXT NOT NULL,"
    "  PRIMARY KEY (model, api, task, haystack, seed, length));"
    "CREATE TABLE asks ("
    "  id INTEGER PRIMARY KEY,"
    "  model TEXT NOT NULL, api TEXT NOT NULL, task TEXT NOT NULL, haystack TEXT NOT NULL,"
    "  seed INTEGER NOT NULL, length INTEGER NOT NULL, unit TEXT NOT NULL, depth REAL,"
    "  sample INTEGER NOT NULL, units INTEGER NOT NULL, prompt_hash TEXT NOT NULL,"
    "  class TEXT NOT NULL, score REAL NOT NULL, expected TEXT NOT NULL, reply TEXT,"
    "  distractor TEXT, distractor_depth REAL, finish TEXT, error_kind TEXT, error TEXT,"
    "  http_status INTEGER, attempts INTEGER NOT NULL, prompt_tokens INTEGER,"
    "  completion_tokens INTEGER, seconds REAL,"
    "  asked TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')));"
    "CREATE UNIQUE INDEX asks_place ON asks"
    "  (model, api, task, haystack, seed, length, unit, ifnull(depth, -1), sample);";

fv_status eval_db_fail(sqlite3 *db, const char *doing, fv_error *error) {
    const char *path = sqlite3_db_filename(db, "main"), *why = sqlite3_errmsg(db);
    if (path == NULL || *path == '\0') path = "eval.db";
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_NOMEM:
        return fv_fail(error, FV_NO_MEMORY, "%s: %s: out of memory", path, doing);
    case SQLITE_NOTADB:
        return fv_fail(error, FV_STORE, "%s is not a database of Fovea: %s", path, why);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return fv_fail(
            error, FV_IO,
            "%s: %s: %s; what is stored is safe, repeat the command once the disk can be "
            "written",
            path, doing, why);
    default:
        return fv_fail(error, FV_STORE, "%s: %s: %s", path, doing, why);
    }
}

static fv_status read_number(sqlite3 *db, const char *sql, int *number, fv_error *error) {
    sqlite3_stmt *statement = NULL;
    bool read = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    if (read) *number = sqlite3_column_int(statement, 0);
    fv_status status = read ? FV_OK : eval_db_fail(db, "cannot be read", error);
    sqlite3_finalize(statement);
    return status;
}

// Inside a write transaction, so that two commands that start together make one schema.
static fv_status prepare(sqlite3 *db, eval_db_mode mode, const char *path, fv_error *error) {
    int application = 0, version = 0, objects = 0;
    fv_status status = read_number(db, "PRAGMA application_id", &application, error);
    if (status == FV_OK) status = read_number(db, "PRAGMA user_version", &version, error);
    if (status == FV_OK)
        status = read_number(db, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (status != FV_OK) return status;
    if (application == 0 && version == 0 && objects == 0) {
        if (mode == EVAL_DB_READ)
            return fv_fail(error, FV_NOT_FOUND, "%s is empty: nothing was evaluated there", path);
        char stamp[96];
        snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 APPLICATION_ID, SCHEMA_VERSION);
        if (sqlite3_exec(db, SCHEMA, NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, stamp, NULL, NULL, NULL) != SQLITE_OK)
            return eval_db_fail(db, "cannot be made", error);
        return FV_OK;
    }
    if (application != APPLICATION_ID)
        return fv_fail(error, FV_STORE,
                       "%s is a database of another program; evaluate into another folder", path);
    if (version > SCHEMA_VERSION)
        return fv_fail(error, FV_NEWER,
                       "%s was made by a newer Fovea (schema %d, this one knows %d); use that "
                       "version, or another folder",
                       path, version, SCHEMA_VERSION);
    return FV_OK;
}

fv_status eval_make_folder(const char *folder, fv_error *error) {
    char path[4096];
    size_t n = strlen(folder);
    if (n == 0 || n >= sizeof path)
        return fv_fail(error, FV_USAGE, "an output folder is a path of 1 to %zu bytes",
                       sizeof path - 1);
    memcpy(path, folder, n + 1);
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char end = *at;
        *at = '\0';
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *at = end;
        if (!made)
            return fv_fail(error, FV_IO, "the folder %s cannot be made: %s; choose another", folder,
                           strerror(errno));
        if (end == '\0') return FV_OK;
    }
}

fv_status eval_db_open(const char *folder, eval_db_mode mode, sqlite3 **db, fv_error *error) {
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
    int flags = SQLITE_OPEN_READWRITE | (mode == EVAL_DB_WRITE ? SQLITE_OPEN_CREATE : 0);
    fv_status status = FV_OK;
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        status = *db == NULL ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                             : eval_db_fail(*db, "cannot be opened", error);
        goto done;
    }
    sqlite3_busy_timeout(*db, BUSY_MILLISECONDS);
    if (mode == EVAL_DB_WRITE &&
        sqlite3_exec(*db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
                     NULL, NULL, NULL) != SQLITE_OK) {
        status = eval_db_fail(*db, "cannot be opened", error);
        goto done;
    }
    status = prepare(*db, mode, path, error);
    if (mode == EVAL_DB_WRITE && status == FV_OK &&
        sqlite3_exec(*db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        status = eval_db_fail(*db, "cannot be written", error);
done:
    if (status != FV_OK) {
        sqlite3_close(*db);
        *db = NULL;
    }
    return status;
}
