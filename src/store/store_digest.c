// The digest of a store: FNV-1a (64 bits) over what its runs computed, each part preceded by its
// length, so that no two different stores feed it the same bytes. It tells results apart; it is no
// defence against someone who looks for two stores with one digest.
#include "store/store_db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

// Adds every column of a row: its bytes as text or blob, behind their count.
static uint64_t hash_row(uint64_t hash, sqlite3_stmt *row) {
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        const void *bytes = sqlite3_column_blob(row, i);
        uint64_t size = (uint64_t)sqlite3_column_bytes(row, i);
        hash = hash_bytes(hash, &size, sizeof size);
        hash = hash_bytes(hash, bytes, (size_t)size);
    }
    return hash;
}

// Adds every row that a statement gives for one run.
static fv_status hash_rows(fv_store *store, int statement, const char *id, uint64_t *hash,
                           fv_error *error) {
    sqlite3_stmt *rows = store_statement(store, statement);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    sqlite3_bind_text(rows, 1, id, -1, SQLITE_STATIC);
    while (sqlite3_step(rows) == SQLITE_ROW) *hash = hash_row(*hash, rows);
    if (sqlite3_reset(rows) == SQLITE_OK) return FV_OK;
    return store_fail(store, "cannot be read", error);
}

// Of what is damaged no digest is given.
static fv_status hash_run(fv_store *store, const char *id, uint64_t *hash, fv_error *error) {
    fv_record record;
    static const int PARTS[] = {STATEMENT_DIGEST_RUN, STATEMENT_DIGEST_SERIES,
                                STATEMENT_DIGEST_SNAPSHOTS};
    fv_status status = fv_store_get(store, id, &record, error);
    fv_record_free(&record);
    for (size_t i = 0; status == FV_OK && i < sizeof PARTS / sizeof PARTS[0]; i++)
        status = hash_rows(store, PARTS[i], id, hash, error);
    return status;
}

static fv_status hash_all(fv_store *store, uint64_t *hash, fv_error *error) {
    sqlite3_stmt *ids = store_statement(store, STATEMENT_IDS);
    if (ids == NULL) return store_fail(store, "cannot be read", error);
    fv_status status = store_check_frame(store, error);
    while (status == FV_OK && sqlite3_step(ids) == SQLITE_ROW) {
        char id[17];
        const char *text = (const char *)sqlite3_column_text(ids, 0);
        snprintf(id, sizeof id, "%s", text != NULL ? text : "");
        status = hash_run(store, id, hash, error);
    }
    bool read = sqlite3_reset(ids) == SQLITE_OK;
    if (status == FV_OK && !read) status = store_fail(store, "cannot be read", error);
    return status;
}

fv_status fv_store_digest(fv_store *store, const char *id, char digest[17], fv_error *error) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char whole[17];
    fv_status status = id != NULL ? store_resolve(store, id, whole, error) : FV_OK;
    if (status == FV_OK)
        status = id != NULL ? hash_run(store, whole, &hash, error) : hash_all(store, &hash, error);
    if (status == FV_OK) snprintf(digest, 17, "%016" PRIx64, hash);
    return status;
}
