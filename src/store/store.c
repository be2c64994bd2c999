// The run store: SQLite in WAL mode with one writing connection. A run is inserted in one
// transaction, so that kill -9 at any instant leaves it there whole or not at all.
// synchronous=NORMAL survives every death of the process; a power cut can lose the last commits but
// not the file, and the next call trains what is missing.
//
// On network file systems WAL's shared memory does not work; there the rollback journal is used.
#include "base/sql_wait.h"
#include "base/system.h"
#include "store/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sql_file file_of(const fv_store *store) {
    return (sql_file){&STORE_KIND, store->path, store->db};
}

sqlite3_stmt *store_statement(fv_store *store, int statement) {
    static const char *const SQL[] = {
#define STATEMENT_SQL(name, sql) sql,
        STORE_STATEMENTS(STATEMENT_SQL)
#undef STATEMENT_SQL
    };
    sqlite3_stmt **kept = &store->statements[statement];
    if (*kept != NULL) return *kept;
    char text[512];
    snprintf(text, sizeof text, SQL[statement],
             store->schema == 1 ? "NULL, NULL, NULL, NULL, NULL"
                                : "numerics, kernels, probes, digest, listed");
    return sql_statement(store->db, kept, text);
}

bool store_do(fv_store *store, int statement) {
    return sql_done(store_statement(store, statement));
}

fv_status store_fail(fv_store *store, const char *doing, fv_error *error) {
    const sql_file file = file_of(store);
    int code = sqlite3_errcode(store->db) & 0xff;
    if (code == SQLITE_CORRUPT || code == SQLITE_ERROR)
        snprintf(store->unreadable, STORE_WHY, "%.300s", sqlite3_errmsg(store->db));
    if (code == SQLITE_CORRUPT && store_can_be_renewed(store))
        return fv_fail(error, FV_STORE, "run store %s is damaged: %s; " STORE_RENEW, store->path,
                       store->unreadable);
    return sql_fail(&file, doing, error);
}

fv_status store_damaged(const fv_store *store, const char *id, const char *what, fv_error *error) {
    return fv_fail(error, FV_STORE,
                   "run store %s: run %s is damaged: %s; 'fovea run' trains it again, 'fovea runs "
                   "DIR delete %s' deletes it",
                   store->path, id, what, id);
}

static fv_status check_schema(fv_store *store, fv_error *error) {
    const sql_file file = file_of(store);
    return sql_check(&file, &store->schema, error);
}

static fv_status open_writer(fv_store *store, fv_error *error) {
    fv_status status = check_schema(store, error);
    if (status != FV_OK) return status;
    if (sqlite3_db_readonly(store->db, "main") == 1)
        return fv_fail(error, FV_IO, "run store %s cannot be written: it is read-only",
                       store->path);
    status = store_execute(store,
                           system_is_on_network(store->path) ? "PRAGMA journal_mode = DELETE"
                                                             : "PRAGMA journal_mode = WAL",
                           error);
    if (status == FV_OK)
        status =
            store_execute(store, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON", error);
    return status == FV_OK ? store_bring_up(store, error) : status;
}

static fv_status open_reader(fv_store *store, fv_error *error) {
    fv_status status = check_schema(store, error);
    if (status == FV_OK && store->schema == 0)
        status = fv_fail(error, FV_STORE, "%s is empty, not a run store of Fovea", store->path);
    if (status == FV_OK) status = store_execute(store, "PRAGMA query_only = ON", error);
    return status;
}

// Opens the connection. Readers open the file for writing too where they may, because only then
// does SQLite remove its WAL files when the last connection closes; query_only keeps their hands
// off.
static fv_status connect_database(fv_store *store, const char *name, int flags, fv_error *error) {
    sql_file file = file_of(store);
    fv_status status = sql_connect(&file, name, flags, error);
    store->db = file.db;
    return status;
}

// The path as a file: URI that promises SQLite that nobody writes. NULL without memory.
static char *immutable_uri(const char *path) {
    static const char END[] = "?immutable=1";
    char *uri = malloc(sizeof "file:" + 3 * strlen(path) + sizeof END);
    if (uri == NULL) return NULL;
    char *next = uri + sprintf(uri, "file:");
    for (; *path != '\0'; path++) {
        if (strchr("?#%", *path) != NULL)
            next += sprintf(next, "%%%02X", (unsigned char)*path);
        else
            *next++ = *path;
    }
    memcpy(next, END, sizeof END);
    return uri;
}

// Even to read, WAL wants to make files in the folder. Where that is forbidden (an archive, someone
// else's results) nobody can be writing, so that the file alone is enough, unless a killed writer
// has left runs in its WAL.
static bool reopen_immutable(fv_store *store, fv_error *error) {
    int code = sqlite3_errcode(store->db) & 0xff;
    if (code != SQLITE_READONLY && code != SQLITE_CANTOPEN) return false;
    struct stat wal;
    char *uri = immutable_uri(store->path);
    char *wal_path = uri != NULL ? sqlite3_mprintf("%s-wal", store->path) : NULL;
    bool alone = wal_path != NULL && (stat(wal_path, &wal) != 0 || wal.st_size == 0);
    sqlite3_free(wal_path);
    if (alone) {
        sqlite3_close(store->db);
        store->db = NULL;
        int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
        alone = connect_database(store, uri, flags, error) == FV_OK;
    }
    free(uri);
    return alone;
}

// A link to a file that is not there: a store may lie elsewhere, where its folder exists.
static fv_status check_link(const char *path, fv_store_mode mode, fv_error *error) {
    int file = mode == FV_STORE_WRITE ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (file >= 0) close(file);
    if (file >= 0) return FV_OK;
    return fv_fail(error, FV_NOT_FOUND,
                   "run store %s is a link to a file that is not there%s; remove the link or put "
                   "the file back",
                   path, mode == FV_STORE_WRITE ? " and cannot be made" : "");
}

// What SQLite does not say clearly: a missing file, a folder.
static fv_status check_file(const char *path, fv_store_mode mode, fv_error *error) {
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno == ENOENT && lstat(path, &file) == 0) return check_link(path, mode, error);
        if (errno == ENOENT && mode == FV_STORE_WRITE) return FV_OK;
        if (errno == ENOENT)
            return fv_fail(
                error, FV_NOT_FOUND,
                "there is no run store %s; 'fovea run FILE --out DIR' makes DIR/fovea.db", path);
        return fv_fail(error, FV_IO, "cannot open run store %s: %s", path, strerror(errno));
    }
    if (S_ISREG(file.st_mode)) return FV_OK;
    return fv_fail(error, FV_STORE, "%s is not a file; a run store is a file such as DIR/fovea.db",
                   path);
}

fv_status fv_store_open(const char *path, fv_store_mode mode, fv_store **out, fv_error *error) {
    *out = NULL;
    fv_status status = check_file(path, mode, error);
    if (status != FV_OK) return status;
    fv_store *store = calloc(1, sizeof *store);
    if (store != NULL) store->path = strdup(path);
    if (store != NULL) store->digest = sql_digest_create();
    if (store == NULL || store->path == NULL || store->digest == NULL) {
        fv_store_close(store);
        return fv_fail(error, FV_NO_MEMORY, "out of memory opening run store %s", path);
    }
    bool writes = mode == FV_STORE_WRITE;
    int flags = SQLITE_OPEN_READWRITE | (writes ? SQLITE_OPEN_CREATE : 0);
    if (writes) status = store_lock(store, error);
    if (status == FV_OK) status = connect_database(store, path, flags, error);
    if (status == FV_OK) status = writes ? open_writer(store, error) : open_reader(store, error);
    if (status != FV_OK && !writes && store->db != NULL && reopen_immutable(store, error))
        status = open_reader(store, error);
    if (status == FV_OK)
        *out = store;
    else
        fv_store_close(store);
    return status;
}

void fv_store_on_wait(void (*say)(void *context, const char *text), void *context,
                      const volatile int *interrupted) {
    sql_on_wait(say, context, interrupted);
}

void fv_store_close(fv_store *store) {
    if (store == NULL) return;
    for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    store_unlock(store);
    sql_digest_free(store->digest);
    config_near_free(&store->near);
    free(store->sized);
    free(store->path);
    free(store);
}

fv_status fv_store_begin(fv_store *store, fv_error *error) {
    if (store_do(store, STATEMENT_BEGIN)) return FV_OK;
    return store_fail(store, "cannot be written", error);
}

fv_status fv_store_commit(fv_store *store, fv_error *error) {
    if (store->spoiled)
        return fv_fail(error, FV_NO_MEMORY,
                       "run store %s: out of memory; what this command last wrote is taken back",
                       store->path);
    if (store_do(store, STATEMENT_COMMIT)) return FV_OK;
    fv_status status = store_fail(store, "cannot be written", error);
    if (!sqlite3_get_autocommit(store->db)) store_do(store, STATEMENT_ROLLBACK);
    return status;
}
