// What the parts of the run store share: the open database, its statements, its error messages.
//
//   store.c         opening and closing, schema, transactions
//   store_lock.c    one writing process at a time
//   store_runs.c    whole runs in and out
//   store_digest.c  two stores compared bit for bit
//   store_merge.c   one store's runs added to another
#ifndef FOVEA_LAB_STORE_DB_H
#define FOVEA_LAB_STORE_DB_H

#include "base/sql.h"

#include <fovea/store.h>

// Blobs hold little-endian numbers, as every machine that Fovea runs on has them.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the run store writes the host's order");

// Every statement, prepared at its first use and kept until the store closes. Ids are matched as
// ranges ("from ?1 on, but before ?2"), so that prefixes use the primary key.
#define STORE_STATEMENTS(S)                                                                        \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    S(READ, "BEGIN")                                                                               \
    S(COMMIT, "COMMIT")                                                                            \
    S(ROLLBACK, "ROLLBACK")                                                                        \
    S(SAVEPOINT, "SAVEPOINT put")                                                                  \
    S(RELEASE, "RELEASE put")                                                                      \
    S(ROLLBACK_TO, "ROLLBACK TO put")                                                              \
    S(HAS, "SELECT 1 FROM runs WHERE id = ?1")                                                     \
    S(RESOLVE, "SELECT id FROM runs WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2")               \
    S(DELETE, "DELETE FROM runs WHERE id = ?1")                                                    \
    S(PUT_RUN, "INSERT INTO runs (id, experiment, outcome, steps, wall_seconds, us_per_step, "     \
               "n_params, config) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                        \
    S(PUT_SERIES, "INSERT INTO series (run_id, name, n, final, steps, \"values\") "                \
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                               \
    S(PUT_TENSOR, "INSERT INTO tensors (run_id, name, shape, \"offset\", size) "                   \
                  "VALUES (?1, ?2, ?3, ?4, ?5)")                                                   \
    S(PUT_SNAPSHOT, "INSERT INTO snapshots (run_id, step, params) VALUES (?1, ?2, ?3)")            \
    S(GET_RUN, "SELECT id, outcome, steps, wall_seconds, us_per_step, n_params, config, "          \
               "experiment FROM runs WHERE id = ?1")                                               \
    S(EACH_RUN, "SELECT id, outcome, steps, wall_seconds, us_per_step, n_params, config, "         \
                "experiment FROM runs ORDER BY created, rowid")                                    \
    S(GET_SERIES, "SELECT name, n, steps, \"values\" FROM series WHERE run_id = ?1 "               \
                  "ORDER BY rowid")                                                                \
    S(GET_FINALS, "SELECT name, final FROM series WHERE run_id = ?1 ORDER BY rowid")               \
    S(COUNT_SERIES, "SELECT count(*) FROM series WHERE run_id = ?1")                               \
    S(COUNT_SNAPSHOTS, "SELECT count(*) FROM snapshots WHERE run_id = ?1")                         \
    S(GET_SNAPSHOTS, "SELECT step, params FROM snapshots WHERE run_id = ?1 ORDER BY step")         \
    S(IDS, "SELECT id FROM runs ORDER BY id")                                                      \
    S(DIGEST_RUN, "SELECT id, outcome, steps, config FROM runs WHERE id = ?1")                     \
    S(DIGEST_SERIES, "SELECT name, n, steps, \"values\" FROM series WHERE run_id = ?1 "            \
                     "ORDER BY name")

enum {
#define STATEMENT_ENUM(name, sql) STATEMENT_##name,
    STORE_STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        STATEMENT_COUNT
};

struct fv_store {
    char *path;
    char *lock_path; // NULL for a reader
    int lock;        // its file descriptor
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

// The statement, ready to bind. NULL on failure, which store_fail then explains.
sqlite3_stmt *store_statement(fv_store *store, int statement);

// Runs a statement without parameters and rows; true on success.
bool store_do(fv_store *store, int statement);

// Turns SQLite's last error into a status and a sentence: "run store PATH: `doing`: why".
fv_status store_fail(fv_store *store, const char *doing, fv_error *error);

// For contents that no Fovea writes: "run store PATH: run ID: `what`".
fv_status store_damaged(const fv_store *store, const char *id, const char *what, fv_error *error);

// The whole id of a unique prefix of 4 digits or more. Fails with FV_NOT_FOUND.
fv_status store_resolve(fv_store *store, const char *prefix, char id[17], fv_error *error);

// Takes the lock of a store to be written; see store_lock.c.
fv_status store_lock(fv_store *store, fv_error *error);
void store_unlock(fv_store *store);

#endif
