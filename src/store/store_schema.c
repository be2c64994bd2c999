// The tables of a run store, and how a store of an older schema becomes one of this. Schema 1 had
// no `numerics` and what follows it, and no tables `total` and `damaged`; its runs have NULL there.
#include "store/store_db.h"

#include <stdio.h>

// Runs of schema 1 have these columns NULL.
#define COLUMNS_OF_2(X)                                                                            \
    X("numerics INTEGER")                                                                          \
    X("kernels TEXT")                                                                              \
    X("probes TEXT")                                                                               \
    X("digest TEXT")                                                                               \
    X("listed TEXT")

#define TABLES_OF_2                                                                                \
    "CREATE TABLE total ("                                                                         \
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"                                                     \
    "  n_runs INTEGER NOT NULL,"                                                                   \
    "  digest TEXT NOT NULL);"                                                                     \
    "INSERT INTO total SELECT 1, count(*), '0000000000000000' FROM runs;"                          \
    "CREATE TABLE damaged ("                                                                       \
    "  run_id TEXT NOT NULL, found TEXT NOT NULL, why TEXT NOT NULL, source TEXT NOT NULL,"        \
    "  c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14);"

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
    "  config TEXT NOT NULL"
#define DECLARE(column) ", " column
    COLUMNS_OF_2(DECLARE)
#undef DECLARE
        ");"
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
        "  UNIQUE (run_id, step));" TABLES_OF_2;

#define ADD(column) "ALTER TABLE runs ADD COLUMN " column ";"
static const char FROM_1_TO_2[] = COLUMNS_OF_2(ADD) TABLES_OF_2 "PRAGMA user_version = 2;";
#undef ADD

const sql_kind STORE_KIND = {.application_id = 0x466f7665, // "Fove"
                             .version = STORE_SCHEMA,
                             .schema = SCHEMA,
                             .title = "run store ",
                             .what = "a run store of Fovea",
                             .safe = "stored runs are",
                             .again = "run the experiments"};

fv_status store_execute(fv_store *store, const char *sql, fv_error *error) {
    const sql_file file = {&STORE_KIND, store->path, store->db};
    return sql_execute(&file, sql, "cannot be opened", error);
}

// One transaction: a store that is killed meanwhile has its old schema.
fv_status store_bring_up(fv_store *store, fv_error *error) {
    const sql_file file = {&STORE_KIND, store->path, store->db};
    if (store->schema == STORE_SCHEMA) return FV_OK;
    fv_status status = store_execute(store, "BEGIN IMMEDIATE", error);
    if (status == FV_OK)
        status =
            store->schema == 0 ? sql_stamp(&file, error) : store_execute(store, FROM_1_TO_2, error);
    if (status == FV_OK) status = store_execute(store, "COMMIT", error);
    if (status == FV_OK) store->schema = STORE_SCHEMA;
    return status;
}
