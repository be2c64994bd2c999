// The run store: SQLite in WAL mode with one writing connection. A run is inserted in one
// transaction, so that kill -9 at any instant leaves it there whole or not at all.
// synchronous=NORMAL survives every death of the process; a power cut can lose the last commits but
// not the file, and the next call trains what is missing.
//
// On network file systems WAL's shared memory does not work; there the rollback journal is used.
#include "lab/store_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    APPLICATION_ID = 0x466f7665, // "Fove"
    SCHEMA_VERSION = 1,
    BUSY_MILLISECONDS = 10000
};

static const char SCHEMA[] =
    "CREATE TABLE runs ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  experiment TEXT NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  steps INTEGER NOT NULL,"
    "  wall_seconds REAL,"
    "  us_per_step REAL,"
    "  n_params INTEGER NOT NULL,"
    "  created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),"
    "  config TEXT NOT NULL);"
    "CREATE TABLE series ("
    "  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    "  name TEXT NOT NULL,"
    "  n INTEGER NOT NULL,"
    "  final REAL,"
    "  steps BLOB NOT NULL,"
    "  \"values\" BLOB NOT NULL,"
    "  UNIQUE (run_id, name));"
    "CREATE TABLE tensors ("
    "  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    "  name TEXT NOT NULL,"
    "  shape TEXT NOT NULL,"
    "  \"offset\" INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  UNIQUE (run_id, name));"
    "CREATE TABLE snapshots ("
    "  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    "  step INTEGER NOT NULL,"
    "  params BLOB NOT NULL,"
    "  UNIQUE (run_id, step));";

sqlite3_stmt *store_statement(fv_store *store, int statement) {
    static const char *const SQL[] = {
#define STATEMENT_SQL(name, sql) sql,
        STORE_STATEMENTS(STATEMENT_SQL)
#undef STATEMENT_SQL
    };
    sqlite3_stmt **prepared = &store->statements[statement];
    if (*prepared == NULL)
        sqlite3_prepare_v3(store->db, SQL[statement], -1, SQLITE_PREPARE_PERSISTENT, prepared,
                           NULL);
    return *prepared;
}

bool store_done(sqlite3_stmt *statement) {
    sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK;
}

bool store_do(fv_store *store, int statement) {
    sqlite3_stmt *prepared = store_statement(store, statement);
    return prepared != NULL && store_done(prepared);
}

fv_status store_fail(fv_store *store, const char *doing, fv_error *error) {
    const char *why = sqlite3_errmsg(store->db);
    switch (sqlite3_errcode(store->db) & 0xff) {
    case SQLITE_NOMEM:
        return fv_fail(error, FV_NO_MEMORY, "run store %s: %s: out of memory", store->path, doing);
    case SQLITE_NOTADB:
        return fv_fail(error, FV_STORE, "%s is not a run store of Fovea: %s", store->path, why);
    case SQLITE_CORRUPT:
        return fv_fail(error, FV_STORE,
                       "run store %s is damaged: %s; move it away and run the experiments again",
                       store->path, why);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return fv_fail(error, FV_IO,
                       "run store %s: %s: %s; stored runs are safe, repeat the command once the "
                       "disk can be written",
                       store->path, doing, why);
    default:
        return fv_fail(error, FV_STORE, "run store %s: %s: %s", store->path, doing, why);
    }
}

fv_status store_damaged(const fv_store *store, const char *id, const char *what, fv_error *error) {
    return fv_fail(error, FV_STORE, "run store %s: run %s: %s; 'fovea runs' can delete it",
                   store->path, id, what);
}

static fv_status execute(fv_store *store, const char *sql, fv_error *error) {
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK) return FV_OK;
    return store_fail(store, "cannot be opened", error);
}

// The first column of the first row.
static fv_status read_number(fv_store *store, const char *sql, int *number, fv_error *error) {
    sqlite3_stmt *statement = NULL;
    bool read = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    if (read) *number = sqlite3_column_int(statement, 0);
    fv_status status = read ? FV_OK : store_fail(store, "cannot be read", error);
    sqlite3_finalize(statement);
    return status;
}

// Whether the database is a run store that this version reads; *empty where it is nothing yet.
static fv_status check_schema(fv_store *store, bool *empty, fv_error *error) {
    int application = 0, version = 0, objects = 0;
    fv_status status = read_number(store, "PRAGMA application_id", &application, error);
    if (status == FV_OK) status = read_number(store, "PRAGMA user_version", &version, error);
    if (status == FV_OK)
        status = read_number(store, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (status != FV_OK) return status;
    *empty = application == 0 && version == 0 && objects == 0;
    if (*empty) return FV_OK;
    if (application != APPLICATION_ID)
        return fv_fail(error, FV_STORE,
                       "%s is a database of another program, not a run store of "
                       "Fovea; write to another folder",
                       store->path);
    if (version > SCHEMA_VERSION)
        return fv_fail(error, FV_NEWER,
                       "run store %s was made by a newer Fovea (schema %d, this one knows %d); use "
                       "that version, or write to another folder",
                       store->path, version, SCHEMA_VERSION);
    return FV_OK;
}

static fv_status create_schema(fv_store *store, fv_error *error) {
    char stamp[128];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    fv_status status = execute(store, "BEGIN IMMEDIATE", error);
    if (status == FV_OK) status = execute(store, SCHEMA, error);
    if (status == FV_OK) status = execute(store, stamp, error);
    return status;
}

static bool on_network(const char *path) {
    static const unsigned KINDS[] = {0x6969 /* NFS */,        0x517b /* SMB */,
                                     0xff534d42 /* CIFS */,   0xfe534d42 /* SMB2 */,
                                     0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */,
                                     0x19830326 /* BeeGFS */, 0x00c36400 /* Ceph */,
                                     0x5346414f /* AFS */,    0x01021997 /* 9P */};
    struct statfs system;
    if (statfs(path, &system) != 0) return false;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if ((unsigned)system.f_type == KINDS[i]) return true;
    return false;
}

static fv_status open_writer(fv_store *store, fv_error *error) {
    bool empty = false;
    fv_status status = check_schema(store, &empty, error);
    if (status != FV_OK) return status;
    if (sqlite3_db_readonly(store->db, "main") == 1)
        return fv_fail(error, FV_IO, "run store %s cannot be written: it is read-only",
                       store->path);
    status = execute(store,
                     on_network(store->path) ? "PRAGMA journal_mode = DELETE"
                                             : "PRAGMA journal_mode = WAL",
                     error);
    if (status == FV_OK)
        status = execute(store, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON", error);
    if (status == FV_OK && empty) status = create_schema(store, error);
    return status;
}

static fv_status open_reader(fv_store *store, fv_error *error) {
    bool empty = false;
    fv_status status = check_schema(store, &empty, error);
    if (status == FV_OK && empty)
        status = fv_fail(error, FV_STORE, "%s is empty, not a run store of Fovea", store->path);
    if (status == FV_OK) status = execute(store, "PRAGMA query_only = ON", error);
    return status;
}

// Opens the connection. Readers open the file for writing too where they may, because only then
// does SQLite remove its WAL files when the last connection closes; query_only keeps their hands
// off.
static fv_status connect_database(fv_store *store, const char *name, int flags, fv_error *error) {
    if (sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        if (store->db == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
        return store_fail(store, "cannot be opened", error);
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MILLISECONDS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return FV_OK;
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

// What SQLite does not say clearly: a missing file, a folder.
static fv_status check_file(const char *path, fv_store_mode mode, fv_error *error) {
    struct stat file;
    if (stat(path, &file) != 0) {
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
    if (store == NULL || store->path == NULL) {
        free(store);
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

void fv_store_close(fv_store *store) {
    if (store == NULL) return;
    for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    store_unlock(store);
    free(store->path);
    free(store);
}

fv_status fv_store_begin(fv_store *store, fv_error *error) {
    if (store_do(store, STATEMENT_BEGIN)) return FV_OK;
    return store_fail(store, "cannot be written", error);
}

fv_status fv_store_commit(fv_store *store, fv_error *error) {
    if (store_do(store, STATEMENT_COMMIT)) return FV_OK;
    fv_status status = store_fail(store, "cannot be written", error);
    if (!sqlite3_get_autocommit(store->db)) store_do(store, STATEMENT_ROLLBACK);
    return status;
}
