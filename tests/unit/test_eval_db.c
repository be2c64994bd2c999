// eval.db under flipped bits: what is read is what was stored, or an error; what is damaged is put
// aside, and nothing else.
#include "eval/asks.h"

#include <fovea/eval.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_CELLS = 3, N_ASKS = 6 };

static const asks_key KEY = {"m", "chat", 7};

static const asks_group GROUP = {.task = "classic",
                                 .haystack = "essays",
                                 .length = 1000,
                                 .sampling = "{\"temperature\":0.0}",
                                 .extra = "{}",
                                 .max_tokens = 50,
                                 .whose = ASKS_ANYONES,
                                 .known_as = "m"};

// The last one is of unknown origin.
static asks_origin make_origin(int i) {
    if (i == N_ASKS - 1) return (asks_origin){0};
    return (asks_origin){.endpoint = "http://localhost:8000/v1",
                         .server = i % 2 ? "llama.cpp b1" : NULL,
                         .model = "m",
                         .returned = "m-q4",
                         .sampling = GROUP.sampling,
                         .extra = GROUP.extra,
                         .max_tokens = GROUP.max_tokens,
                         .fovea = "0.1.0"};
}

static asks_row make_row(int i) {
    return (asks_row){.model = KEY.model,
                      .api = KEY.api,
                      .task = "classic",
                      .haystack = "essays",
                      .unit = "tokens",
                      .seed = KEY.seed,
                      .prompt_hash = 0x123456789abcdefULL + (unsigned)i,
                      .length = 1000,
                      .sample = i,
                      .n_units = 30,
                      .depth = i == 0 ? NAN : 12.5 * i,
                      .answer = FV_ANSWER_FOUND,
                      .score = 1,
                      .expected = "[\"4711\"]",
                      .reply = "It is 4711, as the text says.",
                      .distractor_depth = NAN,
                      .http_status = 200,
                      .attempts = 1,
                      .prompt_tokens = 990,
                      .completion_tokens = -1,
                      .seconds = 0.25,
                      .logprob = -0.75,
                      .logprobs = i % 2 ? "[-0.5,-0.25]" : NULL,
                      .origin = make_origin(i)};
}

static void make(const char *folder) {
    fv_error error;
    fv_cells cells = {0};
    asks *a;
    for (int i = 0; i < N_CELLS; i++) {
        fv_cell cell = {.length = 1000, .depth = i == 0 ? NAN : 50.0 * i, .n = 4, .hits = i};
        snprintf(cell.model, sizeof cell.model, "m");
        snprintf(cell.task, sizeof cell.task, "kv");
        snprintf(cell.unit, sizeof cell.unit, "tokens");
        cell.counts[FV_ANSWER_FOUND] = i;
        cell.score = i / 4.0;
        assert_int_equal(fv_cells_put(&cells, &cell, &error), FV_OK);
    }
    assert_int_equal(fv_cells_save(folder, &cells, &error), FV_OK);
    assert_int_equal(fv_cells_save(folder, &cells, &error), FV_OK); // replaced: totals stay right
    fv_cells_free(&cells);
    assert_int_equal(asks_open(folder, true, &a, &error), FV_OK);
    assert_int_equal(asks_begin(a, &error), FV_OK);
    for (int i = 0; i < 2 * N_ASKS; i++) {
        const asks_row row = make_row(i % N_ASKS);
        assert_int_equal(asks_put(a, &row, &error), FV_OK);
    }
    assert_int_equal(asks_commit(a, &error), FV_OK);
    asks_close(a);
}

typedef struct seen {
    int n_cells, n_asks, n_wrong;
} seen;

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_origin(const asks_origin *a, const asks_origin *b) {
    return same_text(a->endpoint, b->endpoint) && same_text(a->server, b->server) &&
           same_text(a->model, b->model) && same_text(a->returned, b->returned) &&
           same_text(a->sampling, b->sampling) && same_text(a->extra, b->extra) &&
           a->max_tokens == b->max_tokens && same_text(a->fovea, b->fovea);
}

static void see(void *context, const asks_row *row) {
    seen *s = context;
    const asks_row e = make_row(row->sample < N_ASKS ? row->sample : 0);
    s->n_asks++;
    s->n_wrong += !(
        row->length == e.length && row->n_units == e.n_units && row->answer == e.answer &&
        (row->depth == e.depth || (isnan(row->depth) && isnan(e.depth))) && row->score == e.score &&
        row->prompt_hash == e.prompt_hash && same_text(row->reply, e.reply) &&
        same_text(row->expected, e.expected) && same_text(row->unit, e.unit) &&
        same_text(row->distractor, NULL) && same_text(row->error, NULL) &&
        row->attempts == e.attempts && row->http_status == e.http_status &&
        row->prompt_tokens == e.prompt_tokens && row->completion_tokens == -1 &&
        row->seconds == e.seconds && same_text(row->logprobs, e.logprobs) &&
        (row->logprob == e.logprob || (isnan(row->logprob) && e.logprobs == NULL)) &&
        same_origin(&row->origin, &e.origin));
}

// What a reader gets; a status, or all that it was told.
static fv_status read_all(const char *folder, seen *s, fv_error *error) {
    fv_cells cells = {0};
    asks *a = NULL;
    *s = (seen){0};
    fv_status status = fv_cells_load(folder, &cells, error);
    for (int i = 0; i < cells.n && status == FV_OK; i++) {
        const fv_cell *c = &cells.items[i];
        int k = c->hits;
        s->n_wrong += !(k >= 0 && k < N_CELLS && c->n == 4 && c->score == k / 4.0 &&
                        c->counts[FV_ANSWER_FOUND] == k && c->length == 1000 &&
                        (k == 0 ? isnan(c->depth) : c->depth == 50.0 * k) &&
                        same_text(c->model, "m") && same_text(c->task, "kv"));
    }
    s->n_cells = cells.n;
    fv_cells_free(&cells);
    if (status == FV_OK) status = asks_open(folder, false, &a, error);
    if (status == FV_OK) status = asks_each(a, &KEY, &GROUP, see, s, error);
    asks_close(a);
    return status;
}

static void count(void *context, const char *text) {
    assert_non_null(strstr(text, "is damaged: "));
    ++*(int *)context;
}

static int count_damaged(const char *folder) {
    fv_error error;
    sqlite3 *db;
    sqlite3_stmt *row = NULL;
    assert_int_equal(eval_db_open(folder, EVAL_DB_READ, 0, &db, &error), FV_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM damaged", -1, &row, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int n = sqlite3_column_int(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return n;
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const char *bytes, size_t size) {
    char beside[96];
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    snprintf(beside, sizeof beside, "%s-wal", path);
    unlink(beside);
    snprintf(beside, sizeof beside, "%s-shm", path);
    unlink(beside);
}

typedef struct counts {
    int n_noticed, n_mended;
} counts;

static void one_flip(const char *folder, size_t bit, counts *n) {
    fv_error error;
    seen s;
    int n_said = 0;
    fv_status status = read_all(folder, &s, &error);
    bool whole = s.n_cells == N_CELLS && s.n_asks == N_ASKS && s.n_wrong == 0;
    if (status == FV_OK && !whole)
        fail_msg("bit %zu is silent: %d cells, %d answers, %d wrong", bit, s.n_cells, s.n_asks,
                 s.n_wrong);
    if (status == FV_OK) return;
    n->n_noticed++;
    if (fv_eval_mend(folder, count, &n_said, &error) != FV_OK) return;
    n->n_mended++;
    if (n_said == 0) fail_msg("bit %zu: mended without a word: %s", bit, error.text);
    status = read_all(folder, &s, &error);
    if (status != FV_OK) fail_msg("bit %zu: still damaged after mending: %s", bit, error.text);
    int n_rows = s.n_cells + s.n_asks + count_damaged(folder);
    if (s.n_wrong > 0 || n_rows < N_CELLS + N_ASKS)
        fail_msg("bit %zu: mending left %d of %d rows, %d wrong", bit, n_rows, N_CELLS + N_ASKS,
                 s.n_wrong);
}

static void test_flips(void **state) {
    (void)state;
    enum { STRIDE = 211 };
    char folder[] = "/tmp/fovea-flips-XXXXXX", path[64], command[64];
    assert_non_null(mkdtemp(folder));
    make(folder);
    snprintf(path, sizeof path, "%s/eval.db", folder);
    size_t size;
    char *bytes = read_file(path, &size);
    counts n = {0};
    seen s;
    fv_error error;
    assert_int_equal(read_all(folder, &s, &error), FV_OK);
    for (size_t bit = 3; bit < 8 * size; bit += STRIDE) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        write_file(path, bytes, size);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        one_flip(folder, bit, &n);
    }
    print_message("%zu bytes: %d flips noticed, %d mended\n", size, n.n_noticed, n.n_mended);
    assert_true(n.n_noticed > 20 && n.n_mended > 10);
    free(bytes);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

// --- older files ---------------------------------------------------------------------------------

// A file of schema 2 or 3, changed by `change`.
static void make_older(const char *folder, int schema, const char *change) {
    char path[64];
    size_t n;
    sqlite3 *db;
    char *sql = read_file(schema == 2 ? FOVEA_SOURCE_DIR "/tests/served/schema2.sql"
                                      : FOVEA_SOURCE_DIR "/tests/served/schema3.sql",
                          &n);
    sql[n] = '\0';
    snprintf(path, sizeof path, "%s/eval.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, change, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(sql);
}

static int version_of(const char *folder) {
    fv_error error;
    sqlite3 *db;
    assert_int_equal(eval_db_open(folder, EVAL_DB_READ, 0, &db, &error), FV_OK);
    int version = eval_db_version(db);
    sqlite3_close(db);
    return version;
}

// The first writer brings the file up; one that finds damage leaves it to a command that mends.
static void test_older(void **state) {
    (void)state;
    static const char *const CHANGES[] = {"", "UPDATE asks SET reply = 'no' WHERE id = 2",
                                          "DELETE FROM cells WHERE hits = 0"};
    for (int k = 0; k < 6; k++) {
        char folder[] = "/tmp/fovea-older-XXXXXX", command[64];
        int i = k % 3, schema = 2 + k / 3;
        const fv_cells none = {0};
        fv_error error;
        int n_said = 0;
        assert_non_null(mkdtemp(folder));
        make_older(folder, schema, CHANGES[i]);
        fv_status status = fv_cells_save(folder, &none, &error);
        assert_int_equal(status, i == 0 ? FV_OK : FV_STORE);
        assert_int_equal(version_of(folder), i == 0 ? EVAL_DB_VERSION : schema);
        assert_int_equal(fv_eval_mend(folder, count, &n_said, &error), FV_OK);
        assert_int_equal(version_of(folder), EVAL_DB_VERSION);
        assert_int_equal(n_said, i == 0 ? 0 : 1);
        assert_int_equal(count_damaged(folder), i == 1);
        assert_int_equal(fv_cells_save(folder, &none, &error), FV_OK);
        snprintf(command, sizeof command, "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
