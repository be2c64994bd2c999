// Rows as arrays of values: what is bound to a statement and what a statement gives have one form,
// so that one digest serves both. Writing and reading again changes only what SQLite itself makes
// equal: NaN is NULL, and -0 in a REAL column is 0.
#ifndef BASE_SQL_ROW_H
#define BASE_SQL_ROW_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One value; bytes stay the caller's, or SQLite's until the statement goes on.
typedef struct sql_value {
    int type; // SQLITE_INTEGER, ...
    sqlite3_int64 integer;
    double real;
    const void *bytes; // of a text or blob
    size_t size;
} sql_value;

sql_value sql_null(void);
sql_value sql_integer(sqlite3_int64 value);
sql_value sql_real(double value);
sql_value sql_text(const char *text); // NULL: sql_null
sql_value sql_blob(const void *bytes, size_t size);

// Binds the values to the parameters from 1 on; what they point to must live until the statement is
// reset.
void sql_bind(sqlite3_stmt *statement, const sql_value *values, int n);

// The value of a column of the current row.
sql_value sql_column(sqlite3_stmt *row, int column);

// A hash of one value with its type and length.
uint64_t sql_value_hash(const sql_value *value);

// A digest of rows in their order: XXH3 (64 bits) over every value with its type and length. It
// finds damage; it is no defence against someone who looks for two contents with one digest.
typedef struct sql_digest sql_digest;
enum { SQL_DIGEST_SIZE = 17 }; // 16 hexadecimal digits

sql_digest *sql_digest_create(void); // NULL without memory
void sql_digest_free(sql_digest *digest);
void sql_digest_begin(sql_digest *digest);

// Adds a row; `table` tells rows of different tables apart.
void sql_digest_add(sql_digest *digest, char table, const sql_value *values, int n);

// Adds the first n columns of the current row.
void sql_digest_add_columns(sql_digest *digest, char table, sqlite3_stmt *row, int n);
uint64_t sql_digest_value(const sql_digest *digest);
void sql_digest_text(uint64_t value, char text[SQL_DIGEST_SIZE]);

// Whether a column holds the digest of this value as text.
bool sql_digest_is(sqlite3_stmt *row, int column, uint64_t value);

// Gives SQL on this connection row_digest(TABLE, VALUE...), the digest of a row as text, and
// digest_sum(A, B), two of them combined (exclusive or; NULL is 0). False without memory.
bool sql_digest_functions(sqlite3 *db);

// The number that a digest's text stands for; 0 for NULL.
uint64_t sql_digest_read(const char *text);

#endif
