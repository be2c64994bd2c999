// What the SQLite files of Fovea share (the run store, the cells of an evaluation): how one knows a
// file of its own, keeps its statements and says what went wrong.
#ifndef BASE_SQL_H
#define BASE_SQL_H

#include <fovea/status.h>
#include <sqlite3.h>
#include <stdbool.h>

// A kind of file. Messages read "`title`PATH: ...", "PATH is not `what`", "`safe` safe", "move it
// away and `again` again".
typedef struct sql_kind {
    int application_id, version; // stamped into the file
    const char *schema;          // the statements that make it
    const char *title;           // "run store ", or ""
    const char *what;            // "a run store of Fovea"
    const char *safe;            // "stored runs are"
    const char *again;           // "run the experiments"
} sql_kind;

// An open file; `path` is the caller's.
typedef struct sql_file {
    const sql_kind *kind;
    const char *path;
    sqlite3 *db;
} sql_file;

// Whether SQLite can open a file of this path, there or not: FV_USAGE where the path, made
// absolute, is longer than SQLite takes.
fv_status sql_check_path(const char *path, fv_error *error);

// Opens a connection for this thread alone, which waits some seconds for others and trusts nothing
// that a schema says. `name` is the path, or a URI of it. The caller closes file->db, on failure
// too.
fv_status sql_connect(sql_file *file, const char *name, int flags, fv_error *error);

// Whether the file is one of its kind that this version reads, and its schema's version; 0 where it
// is nothing yet. FV_STORE for a file of another program, FV_NEWER for a newer schema.
fv_status sql_check(const sql_file *file, int *version, fv_error *error);

// Makes an empty file one of its kind, within a transaction of the caller's.
fv_status sql_stamp(const sql_file *file, fv_error *error);

// Runs statements without rows; `doing` is what a failure says.
fv_status sql_execute(const sql_file *file, const char *sql, const char *doing, fv_error *error);

// The statement in *kept, prepared at its first use. NULL on failure, which sql_fail explains.
sqlite3_stmt *sql_statement(sqlite3 *db, sqlite3_stmt **kept, const char *sql);

// Runs a bound statement that returns no rows and resets it; true on success.
bool sql_done(sqlite3_stmt *statement);

// Turns SQLite's last error into a status and a sentence: "`title`PATH: `doing`: why".
fv_status sql_fail(const sql_file *file, const char *doing, fv_error *error);

#endif
