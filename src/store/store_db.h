// What the parts of the run store share: the open database, its statements, its error messages.
//
//   store.c         opening and closing, transactions
//   store_schema.c  the tables, and older stores brought up
//   store_lock.c    one writing process at a time
//   store_put.c     whole runs in, and out of the way
//   store_rows.c    rows as parts of a record
//   store_runs.c    whole runs out, and what listings read of them
//   store_walk.c    many whole runs in one pass
//   store_check.c   damage noticed, and put out of the way
//   store_look.c    all damage told, each with what to do about it
//   store_digest.c  two stores compared bit for bit
//   store_merge.c   one store's runs added to another
#ifndef FOVEA_STORE_STORE_DB_H
#define FOVEA_STORE_STORE_DB_H

#include "base/sql.h"
#include "base/sql_row.h"
#include "store/config_near.h"

#include <fovea/store.h>

// Blobs hold little-endian numbers, as every machine that Fovea runs on has them.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the run store writes the host's order");

enum {
    STORE_SCHEMA = 2,
    // Columns of each table in the order of the schema. Those of `runs` from numerics on are NULL
    // in stores of schema 1; its last two are digests of all others.
    COLUMN_ID = 0,
    COLUMN_EXPERIMENT,
    COLUMN_OUTCOME,
    COLUMN_STEPS,
    COLUMN_WALL_SECONDS,
    COLUMN_US_PER_STEP,
    COLUMN_N_PARAMS,
    COLUMN_CREATED,
    COLUMN_CONFIG,
    COLUMN_NUMERICS,
    COLUMN_KERNELS,
    COLUMN_PROBES,
    RUN_COLUMNS,
    RUN_DIGEST = RUN_COLUMNS,
    RUN_LISTED,
    ALL_RUN_COLUMNS,
    SERIES_COLUMNS = 6,
    TENSOR_COLUMNS = 5,
    SNAPSHOT_COLUMNS = 3,
    FINAL_COLUMNS = 2,
    STORE_WHY = 320, // bytes of what SQLite says of a damage
};

// What a digest tells the rows of the tables apart by.
enum { TAG_RUN = 'r', TAG_SERIES = 's', TAG_TENSOR = 't', TAG_SNAPSHOT = 'p', TAG_FINAL = 'f' };

#define NOW "strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now')"
#define READ_RUN                                                                                   \
    "SELECT id, experiment, outcome, steps, wall_seconds, us_per_step, n_params, created, "        \
    "config, "                                                                                     \
    "%s FROM runs "

// Every statement, prepared at its first use and kept until the store closes; %s is what schema 1
// lacks. Ids are matched as ranges ("from ?1 on, but before ?2"), so that prefixes use the primary
// key.
#define STORE_STATEMENTS(S)                                                                         \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                     \
    S(READ, "BEGIN")                                                                                \
    S(COMMIT, "COMMIT")                                                                             \
    S(ROLLBACK, "ROLLBACK")                                                                         \
    S(SAVEPOINT, "SAVEPOINT put")                                                                   \
    S(RELEASE, "RELEASE put")                                                                       \
    S(ROLLBACK_TO, "ROLLBACK TO put")                                                               \
    S(HAS, "SELECT 1 FROM runs WHERE id = ?1")                                                      \
    S(RESOLVE, "SELECT id, %s FROM runs WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2")            \
    S(DELETE, "DELETE FROM runs WHERE id = ?1")                                                     \
    S(DELETE_SERIES, "DELETE FROM series WHERE run_id = ?1")                                        \
    S(DELETE_TENSORS, "DELETE FROM tensors WHERE run_id = ?1")                                      \
    S(DELETE_SNAPSHOTS, "DELETE FROM snapshots WHERE run_id = ?1")                                  \
    S(PUT_RUN, "INSERT INTO runs (id, experiment, outcome, steps, wall_seconds, us_per_step, "      \
               "n_params, created, config, numerics, kernels, probes, digest, listed) "             \
               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")              \
    S(PUT_SERIES, "INSERT INTO series (run_id, name, n, final, steps, \"values\") "                 \
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                \
    S(PUT_TENSOR, "INSERT INTO tensors (run_id, name, shape, \"offset\", size) "                    \
                  "VALUES (?1, ?2, ?3, ?4, ?5)")                                                    \
    S(PUT_SNAPSHOT, "INSERT INTO snapshots (run_id, step, params) VALUES (?1, ?2, ?3)")             \
    S(GET_DIGEST, "SELECT digest FROM runs WHERE id = ?1")                                          \
    S(GET_TOTAL, "SELECT n_runs, digest FROM total WHERE id = 1")                                   \
    S(SET_TOTAL, "UPDATE total SET n_runs = ?1, digest = ?2 WHERE id = 1")                          \
    S(GET_RUN, READ_RUN "WHERE id = ?1")                                                            \
    S(EACH_RUN, READ_RUN "ORDER BY created, rowid")                                                 \
    S(EACH_ROW, READ_RUN "NOT INDEXED ORDER BY rowid")                                              \
    S(GET_SERIES, "SELECT run_id, name, n, final, steps, \"values\" FROM series "                   \
                  "WHERE run_id = ?1 ORDER BY rowid")                                               \
    S(GET_TENSORS, "SELECT run_id, name, shape, \"offset\", size FROM tensors "                     \
                   "WHERE run_id = ?1 ORDER BY rowid")                                              \
    S(GET_SNAPSHOTS, "SELECT run_id, step, params FROM snapshots WHERE run_id = ?1 ORDER BY step")  \
    S(GET_FINALS, "SELECT name, final FROM series WHERE run_id = ?1 ORDER BY rowid")                \
    S(EACH_FINAL, "SELECT name, final, run_id FROM series NOT INDEXED ORDER BY rowid")              \
    S(EACH_SERIES, "SELECT run_id, name, n, final, steps, \"values\", rowid FROM series "           \
                   "NOT INDEXED ORDER BY rowid")                                                    \
    S(EACH_TENSOR, "SELECT run_id, name, shape, \"offset\", size, rowid FROM tensors "              \
                   "NOT INDEXED ORDER BY rowid")                                                    \
    S(EACH_SNAPSHOT, "SELECT run_id, step, params, rowid FROM snapshots "                           \
                     "NOT INDEXED ORDER BY rowid")                                                  \
    S(INDEX_OF_SERIES,                                                                              \
      "SELECT run_id, name, rowid FROM series INDEXED BY sqlite_autoindex_series_1")                \
    S(INDEX_OF_TENSORS,                                                                             \
      "SELECT run_id, name, rowid FROM tensors INDEXED BY sqlite_autoindex_tensors_1")              \
    S(INDEX_OF_SNAPSHOTS,                                                                           \
      "SELECT run_id, step, rowid FROM snapshots INDEXED BY sqlite_autoindex_snapshots_1")          \
    S(COUNT_SERIES, "SELECT count(*) FROM series WHERE run_id = ?1")                                \
    S(COUNT_SNAPSHOTS, "SELECT count(*) FROM snapshots WHERE run_id = ?1")                          \
    S(SCAN_TABLE, "SELECT id, rowid, %s, created FROM runs NOT INDEXED ORDER BY rowid")             \
    S(SCAN_INDEX, "SELECT id, rowid FROM runs INDEXED BY sqlite_autoindex_runs_1")                  \
    S(ROWIDS, "SELECT rowid, id FROM runs NOT INDEXED ORDER BY rowid")                              \
    S(QUICK_CHECK, "PRAGMA quick_check")                                                            \
    S(INTEGRITY_CHECK, "PRAGMA integrity_check(1)")                                                 \
    /* A row is without a run where both its table and the index say so: where one of them does, */ \
    /* the other is damaged, which shows in a run. */                                               \
    S(ORPHANS,                                                                                      \
      "SELECT run_id FROM (SELECT run_id FROM series INDEXED BY sqlite_autoindex_series_1 UNION "   \
      "SELECT run_id FROM tensors INDEXED BY sqlite_autoindex_tensors_1 UNION "                     \
      "SELECT run_id FROM snapshots INDEXED BY sqlite_autoindex_snapshots_1) "                      \
      "WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED) INTERSECT "                            \
      "SELECT run_id FROM (SELECT run_id FROM series NOT INDEXED UNION "                            \
      "SELECT run_id FROM tensors NOT INDEXED UNION SELECT run_id FROM snapshots NOT INDEXED)")     \
    S(REINDEX, "REINDEX")                                                                           \
    S(VACUUM, "VACUUM")                                                                             \
    S(LACKS_DIGEST, "SELECT 1 FROM runs WHERE rowid = ?1 AND digest IS NULL AND numerics IS NULL")  \
    S(SET_DIGESTS, "UPDATE runs SET digest = ?2, listed = ?3 WHERE rowid = ?1")                     \
    S(DELETE_ROW, "DELETE FROM runs WHERE rowid = ?1")                                              \
    S(KEEP_RUN, "INSERT INTO damaged SELECT ifnull(id, ''), " NOW ", ?2, 'runs', "                  \
                "id, experiment, outcome, steps, wall_seconds, us_per_step, n_params, created, "    \
                "config, numerics, kernels, probes, digest, listed FROM runs WHERE rowid = ?1")     \
    S(KEEP_SERIES, "INSERT INTO damaged SELECT ifnull(run_id, ''), " NOW ", ?2, 'series', "         \
                   "run_id, name, n, final, steps, \"values\", NULL, NULL, NULL, NULL, NULL, "      \
                   "NULL, NULL, NULL FROM series WHERE run_id = ?1")                                \
    S(KEEP_TENSORS, "INSERT INTO damaged SELECT ifnull(run_id, ''), " NOW ", ?2, 'tensors', "       \
                    "run_id, name, shape, \"offset\", size, NULL, NULL, NULL, NULL, NULL, NULL, "   \
                    "NULL, NULL, NULL FROM tensors WHERE run_id = ?1")                              \
    S(KEEP_SNAPSHOTS, "INSERT INTO damaged SELECT ifnull(run_id, ''), " NOW ", ?2, 'snapshots', "   \
                      "run_id, step, params, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "      \
                      "NULL, NULL, NULL FROM snapshots WHERE run_id = ?1")                          \
    S(KEEP_LOST_SERIES,                                                                             \
      "INSERT INTO damaged SELECT ifnull(run_id, ''), " NOW ", 'its run is missing', 'series', "    \
      "run_id, name, n, final, steps, \"values\", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "  \
      "FROM series WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED)")                          \
    S(KEEP_LOST_TENSORS,                                                                            \
      "INSERT INTO damaged SELECT ifnull(run_id, ''), " NOW ", 'its run is missing', 'tensors', "   \
      "run_id, name, shape, \"offset\", size, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "     \
      "NULL FROM tensors WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED)")                    \
    S(KEEP_LOST_SNAPSHOTS,                                                                          \
      "INSERT INTO damaged SELECT ifnull(run_id, ''), " NOW                                         \
      ", 'its run is missing', 'snapshots', "                                                       \
      "run_id, step, params, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "     \
      "FROM snapshots WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED)")                       \
    S(DELETE_LOST_SERIES,                                                                           \
      "DELETE FROM series WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED)")                   \
    S(DELETE_LOST_TENSORS,                                                                          \
      "DELETE FROM tensors WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED)")                  \
    S(DELETE_LOST_SNAPSHOTS,                                                                        \
      "DELETE FROM snapshots WHERE run_id NOT IN (SELECT id FROM runs NOT INDEXED)")                \
    S(IDS, "SELECT id FROM runs ORDER BY id")                                                       \
    S(DIGEST_RUN, "SELECT id, outcome, steps, config FROM runs WHERE id = ?1")                      \
    S(DIGEST_SERIES, "SELECT name, n, steps, \"values\" FROM series WHERE run_id = ?1 "             \
                     "ORDER BY name")                                                               \
    S(DIGEST_SNAPSHOTS, "SELECT step, params FROM snapshots WHERE run_id = ?1 ORDER BY step")

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
    int schema;                 // of the file; 0 while it is empty
    sql_digest *digest;         // of one run at a time
    char unreadable[STORE_WHY]; // why SQLite last could not follow pages or schema; "" so far
    bool is_copy;               // made to see whether the store can be written anew
    int renewable; // what came of that: 0 while it is not known, 1 it can, -1 it cannot
    bool spoiled;  // half a run could not be taken back: the transaction is not to be committed
    bool framed;   // its table of runs, their index and its total are known to agree
    bool ordered;  // then the rows of its runs stand in the order of their times
    long long last_created; // microseconds; no two runs of a store are of the same instant
    config_near near;       // the configuration that was last read whole
    fv_config *sized;       // of the run whose number of parameters was last looked at,
    size_t sized_n_params;  // and that number; 0 so far
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

// The statement, ready to bind. NULL on failure, which store_fail then explains.
sqlite3_stmt *store_statement(fv_store *store, int statement);

extern const sql_kind STORE_KIND;

// Makes the tables of an empty store, or gives an older one what it lacks, in one transaction.
fv_status store_bring_up(fv_store *store, fv_error *error);

// Runs statements without rows.
fv_status store_execute(fv_store *store, const char *sql, fv_error *error);

// Runs a statement without parameters and rows; true on success.
bool store_do(fv_store *store, int statement);

// Turns SQLite's last error into a status and a sentence: "run store PATH: `doing`: why".
fv_status store_fail(fv_store *store, const char *doing, fv_error *error);

// For contents that no Fovea writes: "run store PATH: run ID: `what`".
fv_status store_damaged(const fv_store *store, const char *id, const char *what, fv_error *error);

// The whole id of a unique prefix of 4 digits or more. Fails with FV_NOT_FOUND.
fv_status store_resolve(fv_store *store, const char *prefix, char id[17], fv_error *error);

// The number of runs and their combined digest, as the store's one row of `total` says.
typedef struct store_total {
    sqlite3_int64 n_runs;
    uint64_t digest; // exclusive or of all runs' digests
} store_total;
fv_status store_get_total(fv_store *store, store_total *total, fv_error *error);

// Fails where the runs that were seen are not those of the total. Stores of schema 1 have none.
fv_status store_check_total(fv_store *store, const store_total *seen, fv_error *error);

fv_status store_set_total(fv_store *store, const store_total *total, fv_error *error);

// What a look at every run's row gives.
typedef struct store_frame {
    store_total total; // as the rows say
    uint64_t rows;     // hashes of all ids and places combined
    long n_lacking;    // runs without a digest
    bool ordered;      // no run is older than the one before
} store_frame;

// Every run that a statement gives: its id and, if there are more columns, its digest and time.
fv_status store_scan(fv_store *store, int statement, store_frame *frame, fv_error *error);

// Whether the table of runs, its index and the total speak of the same runs, within a transaction
// of the caller's. *indexed: the index does what it should, and what is wrong is a run's absence.
fv_status store_compare_frame(fv_store *store, bool *indexed, fv_error *error);

// store_compare_frame, done once.
fv_status store_check_frame(fv_store *store, fv_error *error);

// Whether what listings read of a run has its digest.
fv_status store_check_listed(fv_store *store, const char *id, fv_error *error);

// Whether a failure says that what is stored is damaged, not that it could not be read now.
bool store_is_damage(const fv_store *store, fv_status status);

typedef struct store_row {
    sqlite3_int64 rowid;
    char id[17]; // "" where it is none
} store_row;

// Calls `found` for every damaged run, with its row; what it returns ends the walk unless FV_OK.
typedef fv_status (*store_damage_visit)(void *context, const store_row *row, const char *why);
fv_status store_each_damaged(fv_store *store, store_damage_visit found, void *context,
                             fv_error *error);

// SQLite's own check of its pages: what it first finds wrong with them; "" where that is nothing.
fv_status store_check_pages(fv_store *store, char why[STORE_WHY], fv_error *error);

// Whether fv_store_complete would make the file whole: tried once, on a copy in a temporary file.
bool store_can_be_renewed(fv_store *store);

#define STORE_RENEW     "'fovea runs DIR --check --write' writes it anew"
#define STORE_MOVE_AWAY "it cannot be written anew: move it away and run the experiments again"

// fv_store_mend although the frame stands, for the damage that `cause` tells of.
fv_status store_mend(fv_store *store, const char *cause, fv_store_say tell_of, void *context,
                     fv_error *error);

// The digest in a column of the current row; 0 where it is none.
uint64_t store_digest_column(sqlite3_stmt *row, int column);

// Takes the lock of a store to be written; see store_lock.c.
fv_status store_lock(fv_store *store, fv_error *error);
void store_unlock(fv_store *store);

#endif
