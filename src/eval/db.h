// The SQLite file of an evaluation, FOLDER/eval.db: cells of any model (cells_store.c), and the
// questions put to served models with what came of each (asks.c).
#ifndef FOVEA_EVAL_DB_H
#define FOVEA_EVAL_DB_H

#include "base/sql.h"

typedef enum eval_db_mode {
    EVAL_DB_READ,  // must exist
    EVAL_DB_WRITE, // made where it does not exist
} eval_db_mode;

// Opens the file, with its tables. FV_NOT_FOUND, FV_NEWER for a newer schema, FV_STORE for a file
// of another program, FV_IO where the folder cannot be written. NULL in *db on failure.
fv_status eval_db_open(const char *folder, eval_db_mode mode, sqlite3 **db, fv_error *error);

// Makes the folder of such a file, and those above it.
fv_status eval_make_folder(const char *folder, fv_error *error);

// sql_fail for it: "FOLDER/eval.db: `doing`: why".
fv_status eval_db_fail(sqlite3 *db, const char *doing, fv_error *error);

#endif
