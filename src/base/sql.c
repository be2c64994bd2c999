#include "base/sql.h"

#include "base/sql_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// What a limit on the size of files has to do with a file that cannot grow, which SQLite does not
// say.
static void hint_limit(int cause, char hint[96]) {
    struct rlimit limit;
    hint[0] = '\0';
    if ((cause == 0 || cause == EFBIG) && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        snprintf(hint, 96, "; files may have %lld bytes here (ulimit -f)",
                 (long long)limit.rlim_cur);
}

fv_status sql_fail(const sql_file *file, const char *doing, fv_error *error) {
    const char *why = sqlite3_errmsg(file->db);
    char limit[96];
    int cause;
    switch (sqlite3_errcode(file->db) & 0xff) {
    case SQLITE_NOMEM:
        return fv_fail(error, FV_NO_MEMORY, "%s%s: %s: out of memory", file->kind->title,
                       file->path, doing);
    case SQLITE_NOTADB:
        return fv_fail(error, FV_STORE, "%s is not %s: %s", file->path, file->kind->what, why);
    case SQLITE_ERROR:
        // Statements are fixed texts: what they name is missing from a damaged schema.
        if (strncmp(why, "no such ", strlen("no such ")) != 0)
            return fv_fail(error, FV_STORE, "%s%s: %s: %s", file->kind->title, file->path, doing,
                           why);
        // fallthrough
    case SQLITE_CORRUPT:
        return fv_fail(error, FV_STORE, "%s%s is damaged: %s; move it away and %s again",
                       file->kind->title, file->path, why, file->kind->again);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fv_fail(error, FV_IO,
                       "%s%s: %s: another program has it locked; %s safe, repeat the "
                       "command once that has ended",
                       file->kind->title, file->path, doing, file->kind->safe);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        cause = sqlite3_system_errno(file->db);
        hint_limit(cause, limit);
        return fv_fail(error, FV_IO,
                       "%s%s: %s: %s%s%s%s%s; %s safe, repeat the command once the disk can be "
                       "written",
                       file->kind->title, file->path, doing, why, cause != 0 ? " (" : "",
                       cause != 0 ? strerror(cause) : "", cause != 0 ? ")" : "", limit,
                       file->kind->safe);
    default:
        return fv_fail(error, FV_STORE, "%s%s: %s: %s", file->kind->title, file->path, doing, why);
    }
}

// Whether the path has more than `most` bytes once it is absolute. SQLite does not say why it
// cannot make one so; a path that is not too long is left to whoever opens it.
static bool is_too_long(const char *path, int most, sqlite3_vfs *system, char *whole) {
    if (system->xFullPathname(system, path, system->mxPathname + 1, whole) == SQLITE_OK)
        return strlen(whole) > (size_t)most;
    char *here = *path != '/' ? getcwd(NULL, 0) : NULL;
    size_t length = strlen(path) + (here != NULL ? strlen(here) + 1 : 0);
    free(here);
    return length > (size_t)most;
}

fv_status sql_check_path(const char *path, fv_error *error) {
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    char *whole = system != NULL ? sqlite3_malloc(system->mxPathname + 1) : NULL;
    if (whole == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    int most = system->mxPathname - (int)strlen("-journal"); // SQLite's longest name beside it
    bool too_long = is_too_long(path, most, system, whole);
    sqlite3_free(whole);
    if (!too_long) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "the path of a database may have %d bytes as seen from the root, which is "
                   "SQLite's limit; choose a shorter folder than %.60s...",
                   most, path);
}

// SQLite would make it, and the files beside it, for others to read only, whatever the umask: in a
// group's folder nobody else could go on with a store. An older file keeps its mode, and is not
// opened here: to close it would drop the locks of this process.
static void make_file(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0) close(file);
}

fv_status sql_connect(sql_file *file, const char *name, int flags, fv_error *error) {
    fv_status status = sql_check_path(file->path, error);
    if (status != FV_OK) return status;
    if ((flags & SQLITE_OPEN_CREATE) != 0) make_file(file->path);
    if (sqlite3_open_v2(name, &file->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        if (file->db == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
        return sql_fail(file, "cannot be opened", error);
    }
    sqlite3_extended_result_codes(file->db, 1);
    sql_wait(file->db);
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return FV_OK;
}

// The first column of the first row.
static fv_status read_number(const sql_file *file, const char *sql, int *number, fv_error *error) {
    sqlite3_stmt *statement = NULL;
    bool read = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    if (read) *number = sqlite3_column_int(statement, 0);
    fv_status status = read ? FV_OK : sql_fail(file, "cannot be read", error);
    sqlite3_finalize(statement);
    return status;
}

fv_status sql_check(const sql_file *file, int *version, fv_error *error) {
    int application = 0, objects = 0;
    fv_status status = read_number(file, "PRAGMA application_id", &application, error);
    if (status == FV_OK) status = read_number(file, "PRAGMA user_version", version, error);
    if (status == FV_OK)
        status = read_number(file, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (status != FV_OK) return status;
    if (application == 0 && *version == 0 && objects == 0) return FV_OK;
    if (application != file->kind->application_id)
        return fv_fail(error, FV_STORE,
                       "%s is a database of another program, not %s; write to another folder",
                       file->path, file->kind->what);
    if (*version < 1 || objects == 0)
        return fv_fail(error, FV_STORE,
                       "%s%s is damaged: it has no schema; move it away and %s again",
                       file->kind->title, file->path, file->kind->again);
    if (*version > file->kind->version)
        return fv_fail(error, FV_NEWER,
                       "%s%s was made by a newer Fovea (schema %d, this one knows %d); use that "
                       "version, or write to another folder",
                       file->kind->title, file->path, *version, file->kind->version);
    return FV_OK;
}

fv_status sql_stamp(const sql_file *file, fv_error *error) {
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             file->kind->application_id, file->kind->version);
    fv_status status = sql_execute(file, file->kind->schema, "cannot be opened", error);
    if (status == FV_OK) status = sql_execute(file, stamp, "cannot be opened", error);
    return status;
}

fv_status sql_execute(const sql_file *file, const char *sql, const char *doing, fv_error *error) {
    if (sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK) return FV_OK;
    return sql_fail(file, doing, error);
}

sqlite3_stmt *sql_statement(sqlite3 *db, sqlite3_stmt **kept, const char *sql) {
    if (*kept == NULL) sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
    return *kept;
}

bool sql_done(sqlite3_stmt *statement) {
    if (statement == NULL) return false;
    sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK;
}
