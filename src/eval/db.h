// The SQLite file of an evaluation, FOLDER/eval.db: cells of any model (cells_store.c), and the
// questions put to served models with what came of each (asks.c). Each row has a digest, each table
// the number of its rows and their combined digest (db.c), and what is read is checked
// (db_check.c). What its tables are, and were in older files, is in db_schema.c.
#ifndef FOVEA_EVAL_DB_H
#define FOVEA_EVAL_DB_H

#include "base/sql.h"
#include "base/text.h"

typedef enum eval_db_mode {
    EVAL_DB_READ,  // must exist; an older file is read as it is
    EVAL_DB_WRITE, // made where it does not exist, brought up where it is older and whole
    EVAL_DB_MEND,  // the same, but for what is damaged in an older file, which is put aside
} eval_db_mode;

// The tables of rows, and their columns but for the digest, which comes last.
#define EVAL_CELLS_COLUMNS                                                                         \
    "model, task, unit, length, depth, n, hits, low, high, score, trained_length, answers, "       \
    "settings, first_token, prefill, decode, timed_by, thought_tokens"
#define EVAL_FITS_COLUMNS "model, api, task, haystack, seed, length, units, tokens, counted"
#define EVAL_ASKED_COLUMNS                                                                         \
    "model, api, task, haystack, seed, length, unit, depth, sample, units, prompt_hash, class, "   \
    "score, expected, reply, distractor, distractor_depth, finish, error_kind, error, "            \
    "http_status, attempts, prompt_tokens, completion_tokens, seconds"
#define EVAL_ORIGIN_COLUMNS                                                                        \
    "endpoint, server, model_asked, model_returned, sampling, extra, max_tokens, fovea"
#define EVAL_LOAD_COLUMNS "in_flight, load"
#define EVAL_SPEED_COLUMNS                                                                         \
    "first_token, prefill, decode, timed_by, cached_tokens, thought_tokens, thought_by"
#define EVAL_LOGPROB_COLUMNS "answer_logprob, answer_logprobs"
#define EVAL_ASKS_COLUMNS                                                                          \
    EVAL_ASKED_COLUMNS ", asked, " EVAL_ORIGIN_COLUMNS ", " EVAL_LOAD_COLUMNS                      \
                       ", " EVAL_SPEED_COLUMNS ", " EVAL_LOGPROB_COLUMNS

#define EVAL_TABLES(T)                                                                             \
    T(CELLS, "cells", EVAL_CELLS_COLUMNS)                                                          \
    T(FITS, "fits", EVAL_FITS_COLUMNS)                                                             \
    T(ASKS, "asks", EVAL_ASKS_COLUMNS)

typedef enum eval_table {
#define EVAL_TABLE_ENUM(name, text, columns) EVAL_##name,
    EVAL_TABLES(EVAL_TABLE_ENUM)
#undef EVAL_TABLE_ENUM
        EVAL_N_TABLES
} eval_table;

#define EVAL_TABLE_BIT(table) (1U << (table))

// Opens the file, with its tables, and checks those of `tables`, a sum of bits. FV_NOT_FOUND,
// FV_NEWER for a newer schema, FV_STORE for a file of another program and for damage, FV_IO where
// the folder cannot be written. NULL in *db on failure.
fv_status eval_db_open(const char *folder, eval_db_mode mode, unsigned tables, sqlite3 **db,
                       fv_error *error);

// Makes the folder of such a file, and those above it.
fv_status eval_make_folder(const char *folder, fv_error *error);

// sql_fail for it: "FOLDER/eval.db: `doing`: why".
fv_status eval_db_fail(sqlite3 *db, const char *doing, fv_error *error);

// --- between db.c, db_schema.c and db_check.c ----------------------------------------------------

enum {
    // 1 had no digests, and no tables `total` and `damaged`; 2 did not say who answered; 3 had no
    // log-probabilities, and no answers of models of the lab.
    EVAL_DB_VERSION = 4,
    EVAL_DB_FIRST_WITH_DIGESTS = 2
};

extern const char *const EVAL_TABLE_NAMES[EVAL_N_TABLES];
extern const char EVAL_DB_SCHEMA[]; // the statements that make a file

// The columns of a table in a file of that version, and the statements that made it, or NULL where
// they are not known.
const char *eval_table_columns(eval_table table, int version);
const char *eval_table_schema(eval_table table, int version);

// What a row of an older file is now: "model, ..., NULL AS endpoint, ...", all columns of today.
const char *eval_table_values(eval_table table, int version);

// Adds to an older file what is not a table of rows, before these are made anew.
fv_status eval_db_make_totals(sqlite3 *db, int version, fv_error *error);

// Lets queries of today's columns read an older file.
fv_status eval_db_view_as_new(sqlite3 *db, int version, fv_error *error);

// Runs statements built by text_add, without rows, and frees them.
fv_status eval_db_execute(sqlite3 *db, text_buffer *sql, fv_error *error);

// The version of the schema; 0 where it cannot be read.
int eval_db_version(sqlite3 *db);

// Fails with the first damage of the tables.
fv_status eval_db_check(sqlite3 *db, unsigned tables, fv_error *error);

// Makes a table anew from its rows, with their digests, within a transaction. Rows that are not
// what was stored go into the table `damaged`, and so do those that their table does not take.
fv_status eval_db_rebuild(sqlite3 *db, eval_table table, int version, fv_error *error);

#endif
