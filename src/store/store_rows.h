// Rows of a run's tables as parts of its record, checked as anything from a file is.
#ifndef FOVEA_STORE_STORE_ROWS_H
#define FOVEA_STORE_STORE_ROWS_H

#include "store/store_db.h"

// The text in a column of the current row; "" where it is NULL.
const char *store_text(sqlite3_stmt *row, int column);

// Reads a row of READ_RUN into a record that has been initialised, in the place of what it has of
// another run. It is freed by the caller also where this fails.
fv_status store_read_run(fv_store *store, sqlite3_stmt *row, fv_record *record, fv_error *error);

// Read a row of the table as the next series or snapshot of the record, whose array has room for it.
fv_status store_read_series(fv_store *store, sqlite3_stmt *row, fv_record *record, fv_error *error);
fv_status store_read_snapshot(fv_store *store, sqlite3_stmt *row, fv_record *record,
                              fv_error *error);

// What is wrong with a row of `series` or `snapshots`, whatever its digest says; NULL: nothing.
const char *store_series_fault(sqlite3_stmt *row);
const char *store_snapshot_fault(sqlite3_stmt *row, size_t n_params);

// FV_STORE where a record that has snapshots has not the number of parameters of its configuration.
fv_status store_check_n_params(fv_store *store, const fv_record *record, fv_error *error);

#endif
