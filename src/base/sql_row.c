#include "base/sql_row.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

sql_value sql_null(void) {
    return (sql_value){.type = SQLITE_NULL};
}

sql_value sql_integer(sqlite3_int64 value) {
    return (sql_value){.type = SQLITE_INTEGER, .integer = value};
}

sql_value sql_real(double value) {
    if (isnan(value)) return sql_null();
    return (sql_value){.type = SQLITE_FLOAT, .real = value + 0.0}; // -0 becomes 0
}

sql_value sql_text(const char *text) {
    if (text == NULL) return sql_null();
    return (sql_value){.type = SQLITE_TEXT, .bytes = text, .size = strlen(text)};
}

sql_value sql_blob(const void *bytes, size_t size) {
    return (sql_value){.type = SQLITE_BLOB, .bytes = bytes, .size = size};
}

void sql_bind(sqlite3_stmt *statement, const sql_value *values, int n) {
    for (int i = 0; i < n; i++) {
        const sql_value *v = &values[i];
        switch (v->type) {
        case SQLITE_INTEGER:
            sqlite3_bind_int64(statement, i + 1, v->integer);
            break;
        case SQLITE_FLOAT:
            sqlite3_bind_double(statement, i + 1, v->real);
            break;
        case SQLITE_TEXT:
            sqlite3_bind_text64(statement, i + 1, v->bytes, v->size, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case SQLITE_BLOB: // a NULL pointer would bind SQL NULL; an empty blob is none
            if (v->size == 0)
                sqlite3_bind_zeroblob(statement, i + 1, 0);
            else
                sqlite3_bind_blob64(statement, i + 1, v->bytes, v->size, SQLITE_STATIC);
            break;
        default:
            sqlite3_bind_null(statement, i + 1);
        }
    }
}

sql_value sql_column(sqlite3_stmt *row, int column) {
    sql_value v = {.type = sqlite3_column_type(row, column)};
    switch (v.type) {
    case SQLITE_INTEGER:
        v.integer = sqlite3_column_int64(row, column);
        break;
    case SQLITE_FLOAT:
        v.real = sqlite3_column_double(row, column) + 0.0;
        break;
    case SQLITE_TEXT: // as bytes: a terminated copy would need memory
    case SQLITE_BLOB:
        v.size = (size_t)sqlite3_column_bytes(row, column);
        v.bytes = sqlite3_column_blob(row, column);
        break;
    }
    return v;
}

uint64_t sql_value_hash(const sql_value *v) {
    uint64_t type = (uint64_t)v->type;
    if (v->type == SQLITE_TEXT || v->type == SQLITE_BLOB)
        return XXH3_64bits_withSeed(v->size > 0 ? v->bytes : "", v->size, type);
    uint64_t content = 0;
    if (v->type == SQLITE_INTEGER) memcpy(&content, &v->integer, sizeof content);
    if (v->type == SQLITE_FLOAT) memcpy(&content, &v->real, sizeof content);
    return XXH3_64bits_withSeed(&content, sizeof content, type);
}

sql_digest *sql_digest_create(void) {
    return (sql_digest *)XXH3_createState();
}

void sql_digest_free(sql_digest *digest) {
    XXH3_freeState((XXH3_state_t *)digest);
}

void sql_digest_begin(sql_digest *digest) {
    XXH3_64bits_reset((XXH3_state_t *)digest);
}

static void add(sql_digest *digest, const void *bytes, size_t size) {
    if (size > 0) XXH3_64bits_update((XXH3_state_t *)digest, bytes, size);
}

// Type and length stand before the bytes, so that no two rows give the same sequence.
static void add_value(sql_digest *digest, const sql_value *v) {
    struct {
        uint64_t type, content;
    } head = {(uint64_t)v->type, v->size};
    if (v->type == SQLITE_INTEGER) memcpy(&head.content, &v->integer, sizeof head.content);
    if (v->type == SQLITE_FLOAT) memcpy(&head.content, &v->real, sizeof head.content);
    add(digest, &head, sizeof head);
    add(digest, v->bytes, v->size);
}

void sql_digest_add(sql_digest *digest, char table, const sql_value *values, int n) {
    add(digest, &table, 1);
    for (int i = 0; i < n; i++) add_value(digest, &values[i]);
}

void sql_digest_add_columns(sql_digest *digest, char table, sqlite3_stmt *row, int n) {
    add(digest, &table, 1);
    for (int i = 0; i < n; i++) {
        sql_value value = sql_column(row, i);
        add_value(digest, &value);
    }
}

uint64_t sql_digest_value(const sql_digest *digest) {
    return XXH3_64bits_digest((const XXH3_state_t *)digest);
}

void sql_digest_text(uint64_t value, char text[SQL_DIGEST_SIZE]) {
    snprintf(text, SQL_DIGEST_SIZE, "%016" PRIx64, value);
}

bool sql_digest_is(sqlite3_stmt *row, int column, uint64_t value) {
    char text[SQL_DIGEST_SIZE];
    sql_digest_text(value, text);
    return sqlite3_column_type(row, column) == SQLITE_TEXT &&
           sqlite3_column_bytes(row, column) == SQL_DIGEST_SIZE - 1 &&
           memcmp(sqlite3_column_blob(row, column), text, SQL_DIGEST_SIZE - 1) == 0;
}

// --- in SQL --------------------------------------------------------------------------------------

// An argument of a function as a value, like sql_column.
static sql_value argument(sqlite3_value *from) {
    sql_value v = {.type = sqlite3_value_type(from)};
    switch (v.type) {
    case SQLITE_INTEGER:
        v.integer = sqlite3_value_int64(from);
        break;
    case SQLITE_FLOAT:
        v.real = sqlite3_value_double(from) + 0.0;
        break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        v.size = (size_t)sqlite3_value_bytes(from);
        v.bytes = sqlite3_value_blob(from);
        break;
    }
    return v;
}

static void give(sqlite3_context *context, uint64_t value) {
    char text[SQL_DIGEST_SIZE];
    sql_digest_text(value, text);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void row_digest(sqlite3_context *context, int n, sqlite3_value **values) {
    sql_digest *digest = sqlite3_user_data(context);
    sql_digest_begin(digest);
    for (int i = 0; i < n; i++) {
        sql_value value = argument(values[i]);
        add_value(digest, &value);
    }
    give(context, sql_digest_value(digest));
}

uint64_t sql_digest_read(const char *text) {
    return text != NULL ? strtoull(text, NULL, 16) : 0;
}

static void digest_sum(sqlite3_context *context, int n, sqlite3_value **values) {
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) sum ^= sql_digest_read((const char *)sqlite3_value_text(values[i]));
    give(context, sum);
}

static void free_digest(void *digest) {
    sql_digest_free(digest);
}

bool sql_digest_functions(sqlite3 *db) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    sql_digest *digest = sql_digest_create();
    return digest != NULL && // freed by SQLite, on failure too
           sqlite3_create_function_v2(db, "row_digest", -1, flags, digest, row_digest, NULL, NULL,
                                      free_digest) == SQLITE_OK &&
           sqlite3_create_function_v2(db, "digest_sum", 2, flags, NULL, digest_sum, NULL, NULL,
                                      NULL) == SQLITE_OK;
}
