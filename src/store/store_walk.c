// The rows of a run stand together in every table, in the order of the runs, because they were
// inserted together. So one cursor a table goes through all of it once, as the file lies on the
// disk, where asking for a run goes down seven trees.
#include "store/store_walk.h"

#include "store/store_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 0, FEW = 64 }; // column of the run's id; rows of no run that are passed over

// A table of which runs have rows.
typedef struct table {
    const char *name;
    int each, index; // statements: its rows, and where its index says that they are
    int rowid;       // column of the first
} table;
static const table TABLES[] = {
    {"series", STATEMENT_EACH_SERIES, STATEMENT_INDEX_OF_SERIES, SERIES_COLUMNS},
    {"tensors", STATEMENT_EACH_TENSOR, STATEMENT_INDEX_OF_TENSORS, TENSOR_COLUMNS},
    {"snapshots", STATEMENT_EACH_SNAPSHOT, STATEMENT_INDEX_OF_SNAPSHOTS, SNAPSHOT_COLUMNS}};
enum { SERIES, TENSORS, SNAPSHOTS, N_TABLES };

typedef struct cursor {
    sqlite3_stmt *rows;
    int rowid;
    bool ended;
    uint64_t sum; // of the hashes of all rows so far, in whatever order
} cursor;

typedef struct pass {
    fv_store *store;
    const store_walker *walker;
    sql_digest *listed; // beside the store's own, of the whole run
    cursor cursors[N_TABLES];
    fv_record *record; // of the run that is read; NULL where it is not wanted
    int n_snapshots;   // of that run
    fv_error unsaid;   // why a run is passed over
} pass;

// Of what an index knows of a row: its first two columns, which are the index's, and its place.
static uint64_t hash_entry(sqlite3_stmt *row, int rowid) {
    const int columns[] = {FIRST, FIRST + 1, rowid};
    uint64_t hash = 0;
    for (int i = 0; i < 3; i++) {
        sql_value value = sql_column(row, columns[i]);
        hash = (hash ^ sql_value_hash(&value)) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash;
}

static void advance(cursor *c) {
    c->ended = c->ended || sqlite3_step(c->rows) != SQLITE_ROW;
    if (!c->ended) c->sum += hash_entry(c->rows, c->rowid);
}

static bool is_of(const cursor *c, const char *id) {
    return !c->ended && strcmp(store_text(c->rows, FIRST), id) == 0;
}

// Goes to the run's first row, if that is near. Whether it has rows elsewhere its digest tells.
static void find(cursor *c, const char *id) {
    for (int i = 0; i < FEW && !c->ended && !is_of(c, id); i++) advance(c);
}

// An array with room for one element more; NULL without memory.
static void *grow(void *array, int n, size_t size) {
    bool full = n == 0 || (n >= 4 && (n & (n - 1)) == 0); // room for 4, 8, 16, ...
    return full ? realloc(array, (n == 0 ? 4 : 2 * (size_t)n) * size) : array;
}

// The last point alone; none where the curve has no points.
static fv_status read_end(sqlite3_stmt *row, fv_record *record) {
    enum { NAME = 1, N = 2, FINAL = 3 };
    if (store_series_fault(row) != NULL) return FV_STORE;
    if (sqlite3_column_int64(row, N) == 0) return FV_OK;
    bool is_null = sqlite3_column_type(row, FINAL) == SQLITE_NULL;
    float value = is_null ? NAN : (float)sqlite3_column_double(row, FINAL);
    return fv_record_add(record, store_text(row, NAME), record->steps, value);
}

static fv_status read_curve(pass *p) {
    fv_record *r = p->record;
    if (p->walker->brief) return read_end(p->cursors[SERIES].rows, r);
    fv_series *more = grow(r->series, r->n_series, sizeof *more);
    if (more == NULL) return FV_NO_MEMORY;
    r->series = more;
    more[r->n_series] = (fv_series){0};
    return store_read_series(p->store, p->cursors[SERIES].rows, r, &p->unsaid);
}

static fv_status read_curves(pass *p, const char *id) {
    fv_status status = FV_OK;
    cursor *c = &p->cursors[SERIES];
    for (find(c, id); is_of(c, id); advance(c)) {
        if (p->record == NULL || status != FV_OK) continue;
        sqlite3_stmt *row = c->rows;
        const sql_value final[FINAL_COLUMNS] = {sql_column(row, 1), sql_column(row, 3)};
        sql_digest_add(p->listed, TAG_FINAL, final, FINAL_COLUMNS);
        sql_digest_add_columns(p->store->digest, TAG_SERIES, row, SERIES_COLUMNS);
        status = read_curve(p);
    }
    return status;
}

static void digest_tensors(pass *p, const char *id) {
    cursor *c = &p->cursors[TENSORS];
    for (find(c, id); is_of(c, id); advance(c))
        if (p->record != NULL)
            sql_digest_add_columns(p->store->digest, TAG_TENSOR, c->rows, TENSOR_COLUMNS);
}

static fv_status read_snapshots(pass *p, const char *id) {
    fv_status status = FV_OK;
    cursor *c = &p->cursors[SNAPSHOTS];
    for (find(c, id); is_of(c, id); advance(c)) {
        fv_record *r = p->record;
        if (r == NULL || status != FV_OK) continue;
        sql_digest_add_columns(p->store->digest, TAG_SNAPSHOT, c->rows, SNAPSHOT_COLUMNS);
        p->n_snapshots++;
        if (store_snapshot_fault(c->rows, r->n_params) != NULL) status = FV_STORE;
        if (p->walker->brief || status != FV_OK) continue;
        fv_snapshot *more = grow(r->snapshots, r->n_snapshots, sizeof *more);
        if (more == NULL) return FV_NO_MEMORY;
        r->snapshots = more;
        more[r->n_snapshots] = (fv_snapshot){0};
        status = store_read_snapshot(p->store, c->rows, r, &p->unsaid);
    }
    return status;
}

// Reads the parts of the current row's run, into the record if there is one.
static fv_status read_parts(pass *p, sqlite3_stmt *row, const char *id) {
    fv_status status = FV_OK;
    if (p->record != NULL) {
        sql_digest_begin(p->store->digest);
        sql_digest_begin(p->listed);
        sql_digest_add_columns(p->store->digest, TAG_RUN, row, RUN_COLUMNS);
        sql_digest_add_columns(p->listed, TAG_RUN, row, RUN_COLUMNS);
        status = store_read_run(p->store, row, p->record, &p->unsaid);
    }
    fv_status curves = read_curves(p, id);
    digest_tensors(p, id);
    fv_status snapshots = read_snapshots(p, id);
    return status != FV_OK ? status : curves != FV_OK ? curves : snapshots;
}

static bool has_its_digests(const pass *p, sqlite3_stmt *row) {
    return sql_digest_is(row, RUN_DIGEST, sql_digest_value(p->store->digest)) &&
           sql_digest_is(row, RUN_LISTED, sql_digest_value(p->listed));
}

static fv_status read_one(pass *p, sqlite3_stmt *row) {
    char id[17] = "";
    const char *text = store_text(row, COLUMN_ID);
    if (strlen(text) < sizeof id) strcpy(id, text);
    fv_record record;
    fv_record_init(&record);
    p->record = p->walker->wants(p->walker->context, id) ? &record : NULL;
    p->n_snapshots = 0;
    fv_status status = read_parts(p, row, id);
    if (p->record == NULL) return FV_OK;
    bool whole =
        status == FV_OK && has_its_digests(p, row) &&
        (p->n_snapshots == 0 || store_check_n_params(p->store, &record, &p->unsaid) == FV_OK);
    if (whole) return p->walker->take(p->walker->context, &record);
    fv_record_free(&record);
    return FV_OK;
}

// To the end of the tables, where rows of no run may be, and whether all were read.
static fv_status drain(pass *p, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < N_TABLES; i++) {
        cursor *c = &p->cursors[i];
        while (!c->ended) advance(c);
        if (status == FV_OK && sqlite3_reset(c->rows) != SQLITE_OK)
            status = store_fail(p->store, "cannot be read", error);
    }
    return status;
}

static fv_status compare_index(const pass *p, int i, fv_error *error) {
    uint64_t sum = 0;
    sqlite3_stmt *rows = store_statement(p->store, TABLES[i].index);
    if (rows == NULL) return store_fail(p->store, "cannot be read", error);
    while (sqlite3_step(rows) == SQLITE_ROW) sum += hash_entry(rows, 2);
    if (sqlite3_reset(rows) != SQLITE_OK) return store_fail(p->store, "cannot be read", error);
    if (sum == p->cursors[i].sum) return FV_OK;
    return fv_fail(error, FV_STORE,
                   "run store %s is damaged: its index of %s does not have what its table has; "
                   "'fovea run' and 'fovea runs DIR --check --write' make it anew",
                   p->store->path, TABLES[i].name);
}

static fv_status open_cursors(pass *p, fv_error *error) {
    for (int i = 0; i < N_TABLES; i++) {
        cursor *c = &p->cursors[i];
        *c = (cursor){.rows = store_statement(p->store, TABLES[i].each), .rowid = TABLES[i].rowid};
        if (c->rows == NULL) return store_fail(p->store, "cannot be read", error);
    }
    for (int i = 0; i < N_TABLES; i++) advance(&p->cursors[i]);
    return FV_OK;
}

static fv_status walk(pass *p, fv_error *error) {
    fv_store *store = p->store;
    sqlite3_stmt *runs = store_statement(store, STATEMENT_EACH_ROW);
    if (runs == NULL) return store_fail(store, "cannot be read", error);
    fv_status status = open_cursors(p, error);
    int step = SQLITE_DONE;
    while (status == FV_OK && (step = sqlite3_step(runs)) == SQLITE_ROW) status = read_one(p, runs);
    if (status == FV_OK && step != SQLITE_DONE) status = store_fail(store, "cannot be read", error);
    sqlite3_reset(runs);
    if (status == FV_OK) status = drain(p, error);
    for (int i = 0; i < N_TABLES; i++) sqlite3_reset(p->cursors[i].rows); // NULL is fine
    for (int i = 0; status == FV_OK && i < N_TABLES; i++) status = compare_index(p, i, error);
    return status;
}

fv_status store_walk(fv_store *store, const store_walker *walker, fv_error *error) {
    pass p = {.store = store, .walker = walker, .listed = sql_digest_create()};
    if (p.listed == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory reading runs");
    bool own_transaction = sqlite3_get_autocommit(store->db) != 0;
    fv_status status = FV_OK;
    if (own_transaction && !store_do(store, STATEMENT_READ))
        status = store_fail(store, "cannot be read", error);
    if (status == FV_OK) status = walk(&p, error);
    if (own_transaction) store_do(store, STATEMENT_COMMIT);
    sql_digest_free(p.listed);
    return status;
}
