// The run store: whole runs in and out bit for bit, one writer, and no damage that goes unnoticed.
#include "folder.h"

#include <fovea/config.h>
#include <fovea/model.h>
#include <fovea/store.h>

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int make_folder(void **state) {
    (void)state;
    return folder_make("fovea.db");
}

static fv_store *open_store(fv_store_mode mode) {
    fv_store *store;
    fv_error error = {0};
    if (fv_store_open(path, mode, &store, &error) != FV_OK) fail_msg("%s", error.text);
    return store;
}

// A run of the default configuration with odd values, every series length and two snapshots.
static void make_record(fv_record *record, const char *id, int seed) {
    fv_error error = {0};
    fv_record_init(record);
    strcpy(record->id, id);
    fv_record_set_config(record, NULL, NULL);
    assert_int_equal(fv_config_set(record->config, "train.learning_rate", "0.3", &error), FV_OK);
    assert_int_equal(fv_config_set(record->config, "train.snapshots", "[1, 7]", &error), FV_OK);
    assert_int_equal(fv_config_set(record->config, "model.layers", "[attention, mlp]", &error),
                     FV_OK);
    record->config->train.seed = seed;
    record->outcome = FV_OUTCOME_DIVERGED;
    record->numerics = 7;
    strcpy(record->kernels, "avx2");
    strcpy(record->probes, "alpha,zeta");
    record->steps = 1234;
    record->wall_seconds = 0.1;
    record->us_per_step = 2.5;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fv_record_add(record, "loss", 10 * i, (float)i / 3 + (float)seed), FV_OK);
    fv_record_add(record, "zeta", 0, -0.0f);
    fv_record_add(record, "zeta", 1, INFINITY);
    fv_record_add(record, "zeta", 2147483647, NAN);
    fv_record_add(record, "alpha", 0, 1e-45f);

    fv_model *model;
    assert_int_equal(fv_model_create(record->config, &model, &error), FV_OK);
    record->n_params = fv_model_n_params(model);
    float *params = calloc(record->n_params, sizeof *params);
    for (size_t i = 0; i < record->n_params; i++) params[i] = (float)seed + 1 / (float)(i + 1);
    assert_int_equal(fv_record_add_snapshot(record, 0, params), FV_OK);
    params[0] = NAN;
    assert_int_equal(fv_record_add_snapshot(record, 1234, params), FV_OK);
    free(params);
    fv_model_free(model);
}

static void put(fv_store *store, const char *id, int seed) {
    fv_record record;
    fv_error error = {0};
    make_record(&record, id, seed);
    if (fv_store_put(store, "an experiment", &record, &error) != FV_OK) fail_msg("%s", error.text);
    fv_record_free(&record);
}

static void assert_same(const fv_record *a, const fv_record *b) {
    assert_string_equal(a->id, b->id);
    assert_memory_equal(&a->config->train.seed, &b->config->train.seed, sizeof(int));
    char one[17], other[17];
    fv_config_id(a->config, FV_ARITHMETIC_FUSED, one);
    fv_config_id(b->config, FV_ARITHMETIC_FUSED, other);
    assert_string_equal(one, other);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->steps, b->steps);
    assert_true(a->wall_seconds == b->wall_seconds);
    assert_true(a->us_per_step == b->us_per_step);
    assert_int_equal(a->n_series, b->n_series);
    for (int i = 0; i < a->n_series; i++) {
        const fv_series *x = &a->series[i], *y = &b->series[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->n, y->n);
        assert_memory_equal(x->steps, y->steps, (size_t)x->n * sizeof *x->steps);
        assert_memory_equal(x->values, y->values, (size_t)x->n * sizeof *x->values);
    }
    assert_int_equal(a->n_params, b->n_params);
    assert_int_equal(a->n_snapshots, b->n_snapshots);
    for (int i = 0; i < a->n_snapshots; i++) {
        assert_int_equal(a->snapshots[i].step, b->snapshots[i].step);
        assert_memory_equal(a->snapshots[i].params, b->snapshots[i].params,
                            a->n_params * sizeof(float));
    }
}

#define ID_A "00000000000000aa"
#define ID_B "00000000000000bb"
#define ID_C "c000000000000000"

static void gives_back_what_was_put(void **state) {
    (void)state;
    fv_record made, read;
    fv_error error = {0};
    make_record(&made, ID_A, 5);
    fv_store *store = open_store(FV_STORE_WRITE);
    assert_false(fv_store_has(store, ID_A));
    assert_int_equal(fv_store_put(store, "e", &made, &error), FV_OK);
    assert_true(fv_store_has(store, ID_A));
    assert_false(fv_store_has(store, ID_B));
    fv_store_close(store);

    store = open_store(FV_STORE_READ);
    assert_int_equal(fv_store_get(store, ID_A, &read, &error), FV_OK);
    assert_same(&made, &read);
    // A record from the store can grow like any other.
    assert_int_equal(fv_record_add(&read, "later", 0, 1), FV_OK);
    assert_int_equal(fv_record_add(&read, "loss", 5000, 1), FV_OK);
    fv_record_free(&read);
    fv_record_free(&made);
    fv_store_close(store);
}

static void finds_runs_by_prefix(void **state) {
    (void)state;
    fv_store *store = open_store(FV_STORE_WRITE);
    put(store, ID_A, 1);
    put(store, ID_B, 2);
    put(store, ID_C, 3);
    fv_record record;
    fv_error error = {0};
    assert_int_equal(fv_store_get(store, "c000", &record, &error), FV_OK);
    assert_string_equal(record.id, ID_C);
    fv_record_free(&record);
    static const struct {
        const char *id, *says;
    } BAD[] = {{"0000", "several runs"}, {"dddd", "has no run"},  {"c00", "not the id"},
               {"", "not the id"},       {"c000%", "not the id"}, {"C000", "not the id"},
               {"ffff", "has no run"},   {ID_A "0", "not the id"}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(fv_store_get(store, BAD[i].id, &record, &error), FV_NOT_FOUND);
        if (strstr(error.text, BAD[i].says) == NULL) fail_msg("%s: %s", BAD[i].id, error.text);
    }
    fv_store_close(store);
}

static void replaces_and_deletes_whole_runs(void **state) {
    (void)state;
    fv_error error = {0};
    fv_store *store = open_store(FV_STORE_WRITE);
    put(store, ID_A, 1);
    put(store, ID_A, 2);
    put(store, ID_B, 3);
    fv_record record;
    assert_int_equal(fv_store_get(store, ID_A, &record, &error), FV_OK);
    assert_int_equal(record.config->train.seed, 2);
    assert_int_equal(record.n_snapshots, 2);
    fv_record_free(&record);
    assert_int_equal(fv_store_delete(store, ID_A, &error), FV_OK);
    assert_false(fv_store_has(store, ID_A));
    assert_true(fv_store_has(store, ID_B));
    assert_int_equal(fv_store_delete(store, ID_A, &error), FV_NOT_FOUND);
    fv_store_close(store);

    // Nothing of the deleted run is left in any table.
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    static const char *const TABLES[] = {"series", "tensors", "snapshots"};
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0]; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE run_id <> '" ID_B "'", TABLES[i]);
        sqlite3_stmt *statement;
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(statement, 0), 0);
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
}

typedef struct visited {
    int n;
    char ids[8][17];
    double final_zeta, final_loss;
} visited;

static fv_status visit(void *context, const fv_record *record, const char *experiment,
                       const fv_final *final, int n_final) {
    visited *seen = context;
    assert_string_equal(experiment, "an experiment");
    assert_int_equal(record->n_series, 0);
    assert_int_equal(n_final, 3);
    strcpy(seen->ids[seen->n++], record->id);
    for (int i = 0; i < n_final; i++) {
        if (strcmp(final[i].name, "loss") == 0) seen->final_loss = final[i].value;
        if (strcmp(final[i].name, "zeta") == 0) seen->final_zeta = final[i].value;
    }
    return seen->n == 2 && record->config->train.seed == 9 ? FV_INTERRUPTED : FV_OK;
}

static void walks_runs_oldest_first(void **state) {
    (void)state;
    fv_error error = {0};
    fv_store *store = open_store(FV_STORE_WRITE);
    put(store, ID_C, 1);
    put(store, ID_A, 2);
    put(store, ID_B, 3);
    visited seen = {0};
    assert_int_equal(fv_store_each(store, visit, &seen, &error), FV_OK);
    assert_int_equal(seen.n, 3);
    assert_string_equal(seen.ids[0], ID_C);
    assert_string_equal(seen.ids[1], ID_A);
    assert_string_equal(seen.ids[2], ID_B);
    assert_true(isnan(seen.final_zeta));
    assert_true(seen.final_loss == (double)(99.0f / 3 + 3));
    put(store, ID_A, 9); // replaced, so now the youngest
    seen = (visited){0};
    assert_int_equal(fv_store_each(store, visit, &seen, &error), FV_OK);
    assert_string_equal(seen.ids[2], ID_A);
    put(store, ID_B, 9);
    put(store, ID_C, 4);
    seen = (visited){0};
    assert_int_equal(fv_store_each(store, visit, &seen, &error), FV_INTERRUPTED);
    assert_int_equal(seen.n, 2);
    fv_store_close(store);
}

static void groups_are_kept_whole_or_not_at_all(void **state) {
    (void)state;
    fv_error error = {0};
    fv_store *store = open_store(FV_STORE_WRITE);
    assert_int_equal(fv_store_begin(store, &error), FV_OK);
    put(store, ID_A, 1);
    put(store, ID_B, 2);
    fv_record bad;
    make_record(&bad, ID_C, 3);
    bad.series[1].name[0] = 'l'; // "leta": then twice "loss" below
    strcpy(bad.series[1].name, "loss");
    assert_int_equal(fv_store_put(store, "e", &bad, &error), FV_STORE);
    fv_record_free(&bad);
    assert_false(fv_store_has(store, ID_C)); // not even half of it
    assert_int_equal(fv_store_commit(store, &error), FV_OK);
    assert_true(fv_store_has(store, ID_A));
    assert_int_equal(fv_store_begin(store, &error), FV_OK);
    put(store, ID_C, 1);
    fv_store_close(store); // without a commit
    store = open_store(FV_STORE_WRITE);
    assert_true(fv_store_has(store, ID_B));
    assert_false(fv_store_has(store, ID_C));
    fv_store_close(store);
}

static void digests_tell_results_apart_and_nothing_else(void **state) {
    (void)state;
    fv_error error = {0};
    char ab[17], ba[17], changed[17], one[17];
    fv_store *store = open_store(FV_STORE_WRITE);
    put(store, ID_A, 1);
    put(store, ID_B, 2);
    assert_int_equal(fv_store_digest(store, NULL, ab, &error), FV_OK);
    assert_int_equal(fv_store_digest(store, ID_A, one, &error), FV_OK);
    assert_int_equal(fv_store_digest(store, ID_C, one, &error), FV_NOT_FOUND);
    // Another order of arrival, other times, another origin: the same results.
    fv_record record;
    make_record(&record, ID_A, 1);
    record.wall_seconds = 77;
    record.us_per_step = 78;
    assert_int_equal(fv_store_put(store, "elsewhere", &record, &error), FV_OK);
    assert_int_equal(fv_store_digest(store, NULL, ba, &error), FV_OK);
    assert_string_equal(ab, ba);
    // One bit of one value, of a snapshot, of a step.
    uint32_t *bits[] = {(uint32_t *)&record.series[0].values[17],
                        (uint32_t *)&record.snapshots[1].params[record.n_params - 1],
                        (uint32_t *)&record.series[2].steps[0]};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        *bits[i] ^= 1;
        assert_int_equal(fv_store_put(store, "e", &record, &error), FV_OK);
        assert_int_equal(fv_store_digest(store, NULL, changed, &error), FV_OK);
        assert_string_not_equal(ab, changed);
        *bits[i] ^= 1;
    }
    fv_record_free(&record);
    fv_store_close(store);
}

static void lets_one_process_write_and_others_read(void **state) {
    (void)state;
    fv_error error = {0};
    fv_store *writer = open_store(FV_STORE_WRITE), *second;
    put(writer, ID_A, 1);
    assert_int_equal(fv_store_open(path, FV_STORE_WRITE, &second, &error), FV_STORE);
    char process[32];
    snprintf(process, sizeof process, "process %ld", (long)getpid());
    assert_non_null(strstr(error.text, process));
    fv_store *reader = open_store(FV_STORE_READ);
    assert_true(fv_store_has(reader, ID_A));
    put(writer, ID_B, 2);
    assert_true(fv_store_has(reader, ID_B));
    fv_record record;
    make_record(&record, ID_C, 1);
    assert_int_not_equal(fv_store_put(reader, "e", &record, &error), FV_OK); // readers only read
    fv_record_free(&record);
    fv_store_close(reader);
    fv_store_close(writer);
    fv_store_close(open_store(FV_STORE_WRITE));
}

static void survives_a_writer_that_is_killed(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        fv_store *store;
        if (fv_store_open(path, FV_STORE_WRITE, &store, NULL) != FV_OK) _exit(1);
        fv_record record;
        make_record(&record, ID_A, 1);
        if (fv_store_put(store, "e", &record, NULL) != FV_OK) _exit(1);
        strcpy(record.id, ID_B);
        fv_store_begin(store, NULL);
        fv_store_put(store, "e", &record, NULL);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fv_store *store = open_store(FV_STORE_WRITE);
    assert_true(fv_store_has(store, ID_A));
    assert_false(fv_store_has(store, ID_B));
    fv_store_close(store);
}

static void execute(const char *sql) {
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static void assert_open_fails(fv_status status, const char *says) {
    for (int mode = FV_STORE_READ; mode <= FV_STORE_WRITE; mode++) {
        fv_store *store;
        fv_error error = {0};
        assert_int_equal(fv_store_open(path, (fv_store_mode)mode, &store, &error), status);
        assert_null(store);
        if (strstr(error.text, says) == NULL) fail_msg("'%s' lacks '%s'", error.text, says);
    }
}

static void refuses_what_is_no_store_of_this_version(void **state) {
    (void)state;
    fv_store *store;
    fv_error error = {0};
    assert_int_equal(fv_store_open(path, FV_STORE_READ, &store, &error), FV_NOT_FOUND);
    fv_store_close(open_store(FV_STORE_WRITE));
    execute("PRAGMA user_version = 999");
    assert_open_fails(FV_NEWER, "newer Fovea");
    unlink(path);
    execute("CREATE TABLE other (x)");
    assert_open_fails(FV_STORE, "another program");
    unlink(path);
    FILE *out = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs("not a database ", out);
    fclose(out);
    assert_open_fails(FV_STORE, "not a run store");
    assert_int_equal(fv_store_open(folder, FV_STORE_WRITE, &store, &error), FV_STORE);
    assert_int_equal(fv_store_open("/proc/fovea.db", FV_STORE_WRITE, &store, &error), FV_IO);
    assert_int_equal(fv_store_open("/nonexistent/fovea.db", FV_STORE_WRITE, &store, &error), FV_IO);
}

// What schema 1 did not have.
static const char *const BACK_TO_1[] = {"DROP TABLE total",
                                        "DROP TABLE damaged",
                                        "ALTER TABLE runs DROP COLUMN numerics",
                                        "ALTER TABLE runs DROP COLUMN kernels",
                                        "ALTER TABLE runs DROP COLUMN probes",
                                        "ALTER TABLE runs DROP COLUMN digest",
                                        "ALTER TABLE runs DROP COLUMN listed",
                                        "PRAGMA user_version = 1"};

static void expect_schema(int version) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), version);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

// Older stores are read as they are, and get what they lack from the first who writes.
static void brings_up_older_stores(void **state) {
    (void)state;
    fv_store *store = open_store(FV_STORE_WRITE);
    fv_record made, read;
    fv_error error = {0};
    make_record(&made, ID_A, 1);
    put(store, ID_A, 1);
    put(store, ID_B, 2);
    fv_store_close(store);
    for (size_t i = 0; i < sizeof BACK_TO_1 / sizeof *BACK_TO_1; i++) execute(BACK_TO_1[i]);
    for (int mode = FV_STORE_READ; mode <= FV_STORE_WRITE; mode++) {
        store = open_store((fv_store_mode)mode);
        assert_int_equal(fv_store_get(store, ID_A, &read, &error), FV_OK);
        assert_same(&made, &read);
        assert_int_equal(read.numerics, 0);
        fv_record_free(&read);
        visited seen = {0};
        assert_int_equal(fv_store_each(store, visit, &seen, &error), FV_OK);
        assert_int_equal(seen.n, 2);
        fv_store_close(store);
        expect_schema(mode == FV_STORE_READ ? 1 : 2);
    }
    fv_record_free(&made);
    // Runs of both kinds live in one store.
    store = open_store(FV_STORE_WRITE);
    put(store, ID_C, 3);
    assert_int_equal(fv_store_delete(store, ID_B, &error), FV_OK);
    visited seen = {0};
    assert_int_equal(fv_store_each(store, visit, &seen, &error), FV_OK);
    assert_int_equal(seen.n, 2);
    fv_store_close(store);
}

static void notices_damaged_runs(void **state) {
    (void)state;
    static const char *const DAMAGE[] = {
        "UPDATE series SET n = n + 1 WHERE name = 'loss'",
        "UPDATE series SET n = -1 WHERE name = 'loss'",
        "UPDATE series SET n = 4611686018427387905 WHERE name = 'loss'",
        "UPDATE series SET steps = zeroblob(400) WHERE name = 'loss'",
        "UPDATE series SET \"values\" = 'text' WHERE name = 'loss'",
        "UPDATE series SET name = printf('%.100c', 'x') WHERE name = 'loss'",
        "UPDATE snapshots SET params = zeroblob(4) WHERE step = 0",
        "UPDATE snapshots SET step = -1 WHERE step = 0",
        "UPDATE runs SET n_params = n_params - 1",
        "UPDATE runs SET n_params = 0; UPDATE snapshots SET params = zeroblob(0)",
        "UPDATE runs SET n_params = 9223372036854775807",
        "UPDATE runs SET outcome = 'won'",
        "UPDATE runs SET steps = -5",
        "UPDATE runs SET created = '2001-01-01T00:00:00.000Z'",
        "UPDATE runs SET experiment = 'another'",
        "UPDATE runs SET wall_seconds = wall_seconds / 2",
        "UPDATE runs SET kernels = 'avx512'",
        "UPDATE runs SET probes = 'alpha'",
        "UPDATE runs SET digest = NULL",
        "UPDATE series SET final = 1 WHERE name = 'loss'",
        "UPDATE series SET \"values\" = zeroblob(400) WHERE name = 'loss'",
        "UPDATE tensors SET shape = '[2,100]' WHERE \"offset\" = 0",
        "UPDATE tensors SET \"offset\" = \"offset\" + 1",
        "DELETE FROM tensors WHERE \"offset\" = 0",
        "DELETE FROM series WHERE name = 'alpha'",
        "DELETE FROM snapshots WHERE step = 0",
        "UPDATE snapshots SET params = zeroblob(length(params)) WHERE step = 0",
        "UPDATE runs SET config = '{'",
        "UPDATE runs SET config = '[]'",
        "UPDATE runs SET config = '{\"task.vocab_size\": \"many\"}'",
        "UPDATE runs SET config = '{\"task.vocab_size\": {}}'",
        "UPDATE runs SET config = '{\"task.vocab\": 3}'",
        "UPDATE runs SET config = '{\"model.layers\": [[\"attention\"]]}'",
        "UPDATE runs SET config = '{\"task.vocab_size\": 1, \"task.vocab_size\": 2}'",
    };
    for (size_t i = 0; i < sizeof DAMAGE / sizeof DAMAGE[0]; i++) {
        fv_store *store = open_store(FV_STORE_WRITE);
        put(store, ID_A, 1);
        fv_store_close(store);
        execute(DAMAGE[i]);
        store = open_store(FV_STORE_READ);
        fv_record record;
        fv_error error = {0};
        fv_status status = fv_store_get(store, ID_A, &record, &error);
        if (status == FV_OK) fail_msg("%s went unnoticed", DAMAGE[i]);
        assert_non_null(strstr(error.text, path));
        fv_store_close(store);
        unlink(path);
    }
}

static void stores_a_run_without_curves(void **state) {
    (void)state;
    fv_record made, read;
    fv_error error = {0};
    fv_record_init(&made);
    strcpy(made.id, ID_A);
    fv_record_set_config(&made, NULL, NULL);
    fv_store *store = open_store(FV_STORE_WRITE);
    assert_int_equal(fv_store_put(store, "", &made, &error), FV_OK);
    assert_int_equal(fv_store_get(store, ID_A, &read, &error), FV_OK);
    assert_same(&made, &read);
    fv_record_free(&made);
    fv_record_free(&read);
    fv_record_free(&made);
    fv_store_close(store);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// A sweep must not wait for its store: prints how fast it takes runs of 4 curves with 301 points
// and two snapshots, in groups as the lab does (docs/store.md quotes this).
static void takes_runs_faster_than_they_train(void **state) {
    (void)state;
    enum { N_RUNS = 2000, POINTS = 301, GROUP = 20 };
    static const char *const CURVES[] = {"loss", "perplexity", "accuracy", "learning_rate"};
    fv_record record;
    fv_error error = {0};
    make_record(&record, ID_A, 1);
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < POINTS; i++)
            fv_record_add(&record, CURVES[c], 10000 + 10 * i, 1 / (float)(i + 1));
    fv_store *store = open_store(FV_STORE_WRITE);
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < N_RUNS; i++) {
        snprintf(record.id, sizeof record.id, "%016x", (unsigned)i * 2654435769u);
        if (i % GROUP == 0) assert_int_equal(fv_store_begin(store, &error), FV_OK);
        assert_int_equal(fv_store_put(store, "e", &record, &error), FV_OK);
        if (i % GROUP == GROUP - 1) assert_int_equal(fv_store_commit(store, &error), FV_OK);
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    print_message("%.0f runs stored a second, %.0f us of CPU time each\n", N_RUNS / wall,
                  cpu / N_RUNS * 1e6);
    for (int i = 0; i < N_RUNS; i++) {
        snprintf(record.id, sizeof record.id, "%016x", (unsigned)i * 2654435769u);
        assert_true(fv_store_has(store, record.id));
    }
    fv_store_close(store);
    fv_record_free(&record);
}

// A second store beside `path`, with the given runs; unlinked when closed by drop_other.
// Wherever a run's id stands in the file, in tables or indexes: damaged, it is noticed, or harms
// nothing.
static void notices_damaged_indexes_of_older_stores(void **state) {
    (void)state;
    fv_store *store = open_store(FV_STORE_WRITE);
    fv_record made, read;
    make_record(&made, ID_A, 1);
    put(store, ID_A, 1);
    fv_store_close(store);
    for (size_t i = 0; i < sizeof BACK_TO_1 / sizeof *BACK_TO_1; i++) execute(BACK_TO_1[i]);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    static char bytes[1 << 18];
    size_t n = fread(bytes, 1, sizeof bytes, file);
    int n_noticed = 0;
    for (size_t i = 0; i + 16 <= n; i++) {
        if (memcmp(bytes + i, ID_A, 16) != 0) continue;
        assert_int_equal(fseek(file, (long)i + 15, SEEK_SET), 0);
        fputc(bytes[i + 15] ^ 1, file);
        fflush(file);
        store = open_store(FV_STORE_READ);
        fv_status status = fv_store_get(store, ID_A, &read, NULL);
        if (status == FV_OK) {
            assert_same(&made, &read);
            fv_record_free(&read);
        }
        visited seen = {0};
        status = fv_store_each(store, visit, &seen, NULL);
        if (status == FV_OK) {
            assert_int_equal(fv_store_get(store, ID_A, &read, NULL), FV_OK);
            assert_same(&made, &read);
            fv_record_free(&read);
        }
        n_noticed += status != FV_OK;
        fv_store_close(store);
        fseek(file, (long)i + 15, SEEK_SET);
        fputc(bytes[i + 15], file);
        fflush(file);
    }
    fclose(file);
    fv_record_free(&made);
    assert_true(n_noticed > 4);
}

static char other_path[64];

static fv_store *open_other(fv_store_mode mode) {
    fv_store *store;
    fv_error error = {0};
    snprintf(other_path, sizeof other_path, "%s/other.db", folder);
    if (fv_store_open(other_path, mode, &store, &error) != FV_OK) fail_msg("%s", error.text);
    return store;
}

static void put_run_of(fv_store *store, const char *id, int seed, int flaw) {
    fv_record record;
    make_record(&record, id, seed);
    if (flaw == 1) record.series[0].values[50] += 1;
    if (flaw == 2) record.snapshots[1].params[1] += 1;
    if (flaw == 3) record.steps++;
    if (flaw == 4) strcpy(record.series[2].name, "beta");
    assert_int_equal(fv_store_put(store, "origin", &record, NULL), FV_OK);
    fv_record_free(&record);
}

static void merges_what_is_missing(void **state) {
    (void)state;
    fv_store *into = open_store(FV_STORE_WRITE), *from = open_other(FV_STORE_WRITE);
    put_run_of(into, "00000000000000aa", 1, 0);
    put_run_of(from, "00000000000000aa", 1, 0);
    put_run_of(from, "00000000000000bb", 2, 0);
    char theirs[17], ours[17];
    fv_merged merged = {0};
    fv_error error = {0};
    assert_int_equal(fv_store_merge(into, from, &merged, &error), FV_OK);
    assert_int_equal(merged.added, 1);
    assert_int_equal(merged.same, 1);
    assert_int_equal(fv_store_digest(into, NULL, ours, NULL), FV_OK);
    assert_int_equal(fv_store_digest(from, NULL, theirs, NULL), FV_OK);
    assert_string_equal(ours, theirs);
    assert_int_equal(fv_store_merge(into, from, &merged, &error), FV_OK);
    assert_int_equal(merged.added, 1);
    assert_int_equal(merged.same, 3);
    fv_store_close(from);
    fv_store_close(into);
    unlink(other_path);
}

// Whatever the results differ in, it is noticed, and a merge that was begun leaves no trace.
static void refuses_to_merge_two_results_of_one_run(void **state) {
    (void)state;
    static const char *const whats[] = {"", "curves", "snapshots", "outcomes", "curves"};
    for (int flaw = 1; flaw <= 4; flaw++) {
        fv_store *into = open_store(FV_STORE_WRITE), *from = open_other(FV_STORE_WRITE);
        put_run_of(into, "00000000000000bb", 2, 0);
        put_run_of(from, "00000000000000aa", 1, 0);
        put_run_of(from, "00000000000000bb", 2, flaw);
        fv_merged merged = {0};
        fv_error error = {0};
        assert_int_equal(fv_store_begin(into, &error), FV_OK);
        assert_int_equal(fv_store_merge(into, from, &merged, &error), FV_STORE);
        assert_non_null(strstr(error.text, "00000000000000bb"));
        assert_non_null(strstr(error.text, whats[flaw]));
        fv_store_close(into);
        into = open_store(FV_STORE_READ);
        assert_false(fv_store_has(into, "00000000000000aa"));
        assert_true(fv_store_has(into, "00000000000000bb"));
        fv_store_close(into);
        fv_store_close(from);
        unlink(other_path);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gives_back_what_was_put),
        TEST(finds_runs_by_prefix),
        TEST(replaces_and_deletes_whole_runs),
        TEST(walks_runs_oldest_first),
        TEST(groups_are_kept_whole_or_not_at_all),
        TEST(digests_tell_results_apart_and_nothing_else),
        TEST(merges_what_is_missing),
        TEST(refuses_to_merge_two_results_of_one_run),
        TEST(lets_one_process_write_and_others_read),
        TEST(survives_a_writer_that_is_killed),
        TEST(refuses_what_is_no_store_of_this_version),
        TEST(brings_up_older_stores),
        TEST(notices_damaged_indexes_of_older_stores),
        TEST(notices_damaged_runs),
        TEST(stores_a_run_without_curves),
        TEST(takes_runs_faster_than_they_train),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
