// WAL with synchronous=NORMAL: a commit survives every death of the process.
#include "eval/db.h"

#include <errno.h>
#include <fovea/whole_file.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static const sql_kind KIND = {.application_id = 0x46764576, // "FvEv"
                              .version = 1,
                              .schema = SCHEMA,
                              .title = "",
                              .what = "an evaluation of Fovea",
                              .safe = "what is stored is",
                              .again = "evaluate"};

fv_status eval_db_fail(sqlite3 *db, const char *doing, fv_error *error) {
    sql_file file = {&KIND, sqlite3_db_filename(db, "main"), db};
    if (file.path == NULL || *file.path == '\0') file.path = "eval.db";
    return sql_fail(&file, doing, error);
}

fv_status eval_make_folder(const char *folder, fv_error *error) {
    return fv_folder_make(folder, "eval.db", error);
}

// Within one transaction, so that two commands that start together make one schema.
static fv_status open_writer(const sql_file *file, fv_error *error) {
    int version;
    fv_status status =
        sql_execute(file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
                    "cannot be opened", error);
    if (status == FV_OK) status = sql_check(file, &version, error);
    if (status == FV_OK && version == 0) status = sql_stamp(file, error);
    if (status == FV_OK) status = sql_execute(file, "COMMIT", "cannot be written", error);
    return status;
}

static fv_status open_reader(const sql_file *file, fv_error *error) {
    int version;
    fv_status status = sql_check(file, &version, error);
    if (status != FV_OK || version > 0) return status;
    return fv_fail(error, FV_NOT_FOUND, "%s is empty: nothing was evaluated there", file->path);
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
    sql_file opened = {&KIND, path, NULL};
    fv_status status = sql_connect(
        &opened, path, SQLITE_OPEN_READWRITE | (mode == EVAL_DB_WRITE ? SQLITE_OPEN_CREATE : 0),
        error);
    if (status == FV_OK)
        status = mode == EVAL_DB_WRITE ? open_writer(&opened, error) : open_reader(&opened, error);
    if (status == FV_OK)
        *db = opened.db;
    else
        sqlite3_close(opened.db);
    return status;
}
