// Sweeps: whatever is interrupted, repeated or spread over threads, the store and the records end
// up the same, bit for bit.
#include "config/numerics.h"
#include "store/store_db.h"

#include <fovea/config.h>
#include <fovea/lab.h>
#include <fovea/machine.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[40], file[64], database[64];

static const char SWEEP[] = "task: {context_length: 3}\n"
                            "train: {steps: 40, batch_size: 32, log_every: 5}\n"
                            "sweep: {task.vocab_size: [4, 9, 6], train.seed: 0..3}\n"
                            "probes: [effective_dimension]\n";
enum { N_RUNS = 12 };

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fovea-lab-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(file, sizeof file, "%s/sweep.yaml", folder);
    snprintf(database, sizeof database, "%s/fovea.db", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(file);
    unlink(database);
    return rmdir(folder);
}

static fv_experiment *read_experiment(const char *yaml) {
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(yaml, out);
    fclose(out);
    fv_experiment *experiment;
    fv_error error = {0};
    if (fv_experiment_read(file, NULL, 0, &experiment, &error) != FV_OK) fail_msg("%s", error.text);
    return experiment;
}

static fv_store *open_store(fv_store_mode mode) {
    fv_store *store;
    fv_error error = {0};
    if (fv_store_open(database, mode, &store, &error) != FV_OK) fail_msg("%s", error.text);
    return store;
}

// What the callbacks saw, and what they do.
typedef struct witness {
    int n_runs, n_cached, stop_after;
    volatile int interrupted;
    char seen[64][17];
    fv_store *store;
    fv_lab_progress last;
    int n_progress;
} witness;

static void on_run(void *context, const fv_record *record, bool cached) {
    witness *w = context;
    for (int i = 0; i < w->n_runs; i++) assert_string_not_equal(w->seen[i], record->id);
    strcpy(w->seen[w->n_runs++], record->id);
    w->n_cached += cached;
    assert_true(fv_store_has(w->store, record->id)); // told only once it is safe
    if (w->stop_after > 0 && w->n_runs - w->n_cached >= w->stop_after) w->interrupted = 1;
}

static void on_progress(void *context, const fv_lab_progress *progress) {
    witness *w = context;
    assert_true(progress->share >= w->last.share && progress->share <= 1.0001);
    assert_true(progress->n_done >= w->last.n_done && progress->n_done <= progress->n_runs);
    assert_true(progress->seconds >= w->last.seconds);
    w->last = *progress;
    w->n_progress++;
}

static fv_status run_with(const fv_experiment *experiment, fv_store *store, int n_jobs, witness *w,
                          fv_record ***records, fv_error *error) {
    w->store = store;
    const fv_lab_options options = {.n_jobs = n_jobs,
                                    .interrupted = &w->interrupted,
                                    .on_progress = on_progress,
                                    .on_run = on_run,
                                    .context = w};
    return fv_lab_run(experiment, store, &options, records, error);
}

// Trains the sweep in a fresh store and returns the digest of all of it.
static void digest_of(const char *yaml, int n_jobs, char digest[17]) {
    unlink(database);
    fv_experiment *experiment = read_experiment(yaml);
    fv_store *store = open_store(FV_STORE_WRITE);
    fv_record **records;
    fv_error error = {0};
    witness w = {0};
    if (run_with(experiment, store, n_jobs, &w, &records, &error) != FV_OK)
        fail_msg("%s", error.text);
    assert_int_equal(w.n_runs, experiment->n_runs);
    assert_int_equal(w.n_cached, 0);
    assert_true(w.n_progress >= 1);
    assert_int_equal(w.last.n_done, experiment->n_runs);
    fv_records_free(records, experiment->n_runs);
    assert_int_equal(fv_store_digest(store, NULL, digest, &error), FV_OK);
    fv_store_close(store);
    fv_experiment_free(experiment);
}

static void records_come_in_the_order_of_the_sweep(void **state) {
    (void)state;
    unlink(database);
    fv_experiment *experiment = read_experiment(SWEEP);
    fv_store *store = open_store(FV_STORE_WRITE);
    fv_error error = {0};
    for (int pass = 0; pass < 2; pass++) { // trained, then loaded
        fv_record **records;
        witness w = {0};
        assert_int_equal(run_with(experiment, store, 2, &w, &records, &error), FV_OK);
        assert_int_equal(w.n_cached, pass == 0 ? 0 : N_RUNS);
        static const int sizes[] = {4, 9, 6};
        for (int i = 0; i < N_RUNS; i++) {
            assert_int_equal(records[i]->config->task.vocab_size, sizes[i / 4]);
            assert_int_equal(records[i]->config->train.seed, i % 4);
            assert_int_equal(records[i]->steps, 40);
            char id[17];
            fv_config_id(records[i]->config, fv_kernels_arithmetic(), id);
            assert_string_equal(records[i]->id, id);
            assert_non_null(fv_record_find(records[i], "perplexity"));
            assert_non_null(fv_record_find(records[i], "effective_dimension.embed.W_E"));
        }
        fv_records_free(records, N_RUNS);
    }
    fv_store_close(store);
    fv_experiment_free(experiment);
}

static void threads_change_nothing(void **state) {
    (void)state;
    char one[17], three[17], many[17];
    digest_of(SWEEP, 1, one);
    digest_of(SWEEP, 3, three);
    digest_of(SWEEP, 40, many); // several threads a run
    assert_string_equal(one, three);
    assert_string_equal(one, many);
    char other[17];
    digest_of("train: {steps: 40, batch_size: 32}\n", 1, other);
    assert_string_not_equal(one, other); // the digest does tell
}

static void interrupted_sweeps_go_on(void **state) {
    (void)state;
    static const char sweep[] = "train: {steps: 1000, seed: 0..7}\n";
    enum { N = 8 };
    char whole[17], resumed[17];
    digest_of(sweep, 2, whole);
    unlink(database);
    fv_experiment *experiment = read_experiment(sweep);
    int stored = 0, n_interrupted = 0;
    while (stored < N) {
        fv_store *store = open_store(FV_STORE_WRITE);
        fv_record **records;
        fv_error error = {0};
        witness w = {.stop_after = 2};
        fv_status status = run_with(experiment, store, 1, &w, &records, &error);
        assert_int_equal(w.n_cached, stored); // nothing is trained twice
        stored = w.n_runs;
        n_interrupted += status == FV_INTERRUPTED;
        assert_int_equal(status, stored == N ? FV_OK : FV_INTERRUPTED);
        assert_int_equal(records != NULL, status == FV_OK);
        if (status != FV_OK) assert_non_null(strstr(error.text, "the same command goes on"));
        fv_records_free(records, N);
        assert_int_equal(fv_store_digest(store, NULL, resumed, &error), FV_OK);
        fv_store_close(store);
    }
    assert_true(n_interrupted >= 1);
    assert_string_equal(whole, resumed);
    fv_experiment_free(experiment);
}

static void a_long_run_stops_at_once(void **state) {
    (void)state;
    unlink(database);
    fv_experiment *experiment = read_experiment("train: {steps: 1000000000, log_every: 1000000}\n");
    fv_store *store = open_store(FV_STORE_WRITE);
    witness w = {.interrupted = 1};
    fv_record **records;
    fv_error error = {0};
    assert_int_equal(run_with(experiment, store, 1, &w, &records, &error), FV_INTERRUPTED);
    assert_null(records);
    assert_int_equal(w.n_runs, 0);
    fv_store_close(store);
    fv_experiment_free(experiment);
}

static void diverged_runs_are_results(void **state) {
    (void)state;
    unlink(database);
    fv_experiment *experiment =
        read_experiment("train: {steps: 300, batch_size: 32, optimizer: sgd}\n"
                        "sweep: {train.learning_rate: [1000, 1e-3]}\n");
    fv_store *store = open_store(FV_STORE_WRITE);
    witness w = {0};
    fv_record **records;
    fv_error error = {0};
    assert_int_equal(run_with(experiment, store, 2, &w, &records, &error), FV_OK);
    assert_int_equal(records[0]->outcome, FV_OUTCOME_DIVERGED);
    assert_int_equal(records[1]->outcome, FV_OUTCOME_DONE);
    assert_int_equal(w.last.diverged.n, 1);
    fv_records_free(records, 2);
    fv_store_close(store);
    fv_experiment_free(experiment);
}

static void a_store_that_cannot_be_written_is_one_error(void **state) {
    (void)state;
    unlink(database);
    fv_store_close(open_store(FV_STORE_WRITE));
    fv_experiment *experiment = read_experiment(SWEEP);
    fv_store *store = open_store(FV_STORE_READ);
    witness w = {0};
    fv_record **records;
    fv_error error = {0};
    fv_status status = run_with(experiment, store, 2, &w, &records, &error);
    assert_true(status == FV_IO || status == FV_STORE);
    assert_non_null(strstr(error.text, "fovea.db"));
    assert_null(records);
    assert_int_equal(w.n_runs, 0);
    fv_store_close(store);
    fv_experiment_free(experiment);
}

// Shares are disjoint, whole together, about equally long, and the same whatever the store has.
static void shares_make_up_the_sweep(void **state) {
    (void)state;
    unlink(database);
    fv_experiment *experiment = read_experiment(SWEEP);
    fv_store *store = open_store(FV_STORE_WRITE);
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int share = 1; share <= 5; share++) {
            witness w = {.store = store};
            const fv_lab_options options = {
                .n_jobs = 2, .share = share, .n_shares = 5, .on_run = on_run, .context = &w};
            fv_record **records;
            assert_int_equal(fv_lab_run(experiment, store, &options, &records, NULL), FV_OK);
            assert_in_range(w.n_runs, 2, 3);
            assert_int_equal(w.n_cached, pass == 0 ? 0 : w.n_runs);
            int there = 0;
            for (int i = 0; i < N_RUNS; i++) there += records[i] != NULL;
            assert_int_equal(there, w.n_runs);
            if (pass == 0) n += w.n_runs;
            fv_records_free(records, N_RUNS);
        }
    }
    assert_int_equal(n, N_RUNS);
    fv_store_close(store);
    fv_experiment_free(experiment);
}

// That the runs of two experiments have the same identities.
static void expect_same_runs(const char *yaml, const char *explicit_yaml) {
    fv_experiment *a = read_experiment(yaml), *b = read_experiment(explicit_yaml);
    assert_int_equal(a->n_runs, b->n_runs);
    for (int i = 0; i < a->n_runs; i++) {
        fv_config of_a, of_b;
        char id_a[17], id_b[17];
        fv_experiment_config(a, i, &of_a);
        fv_experiment_config(b, i, &of_b);
        fv_config_id(&of_a, FV_ARITHMETIC_FUSED, id_a);
        fv_config_id(&of_b, FV_ARITHMETIC_FUSED, id_b);
        assert_string_equal(id_a, id_b);
        assert_int_equal(of_a.task.context_length, of_b.task.context_length);
    }
    fv_experiment_free(a);
    fv_experiment_free(b);
}

static void a_length_that_follows_is_that_length(void **state) {
    (void)state;
#define RECALL "task: {name: recall, vocab_size: 64, context_length: 0}\n"
    expect_same_runs(RECALL "sweep: {task.n_pairs: [2, 4, 1], train.seed: 0..1}\n",
                     "task: {name: recall, vocab_size: 64}\nsweep:\n"
                     "  - {task.n_pairs: 2, task.context_length: 5, train.seed: 0..1}\n"
                     "  - {task.n_pairs: 4, task.context_length: 9, train.seed: 0..1}\n"
                     "  - {task.n_pairs: 1, task.context_length: 3, train.seed: 0..1}\n");
    // Said in both ways it is one run; beside other tasks it is their axis.
    expect_same_runs("task: {name: recall, vocab_size: 64, n_pairs: 2}\n"
                     "sweep: {task.context_length: [0, 5]}\n",
                     "task: {name: recall, vocab_size: 64, n_pairs: 2, context_length: 5}\n");
    expect_same_runs("task: {n_pairs: 2}\nsweep: [{task.name: copy, task.context_length: 7},\n"
                     "  {task.name: recall, task.context_length: 0}]\n",
                     "task: {n_pairs: 2}\nsweep: [{task.name: copy, task.context_length: 7},\n"
                     "  {task.name: recall, task.context_length: 5}]\n");
    fv_experiment_free(
        read_experiment(RECALL "sweep: {random: 9, task.n_pairs: {range: [1, 30]}}\n"));
    fv_experiment_free(
        read_experiment(RECALL "sweep:\n"
                               "  adaptive: {measure: final(accuracy), threshold: 0.5, rounds: 2}\n"
                               "  task.n_pairs: {from: 1, to: 9, steps: 2}\n"
                               "  model.n_embd: {from: 2, to: 10, steps: 2}\n"));
    // Runs left out as optional are named by the length that they would have.
    fv_experiment *experiment = read_experiment(
        RECALL "sweep: {task.n_pairs: [2, 4]}\noptional: {task.context_length: 9}\n");
    assert_int_equal(experiment->n_runs, 1);
    fv_experiment_free(experiment);
#undef RECALL
}

// Puts a run of the sweep's run i into the store as a Fovea of older numerics left it.
static void put_older(fv_store *store, const fv_experiment *experiment, int i, const char *probes,
                      int version) {
    fv_record record;
    fv_error error = {0};
    fv_record_init(&record);
    assert_int_equal(fv_record_set_config(&record, NULL, NULL), FV_OK);
    fv_experiment_config(experiment, i, record.config);
    numerics_id(record.config, fv_kernels_arithmetic(), probes, version, record.id);
    record.numerics = version;
    strcpy(record.kernels, "avx2");
    if (fv_store_put(store, experiment->name, &record, &error) != FV_OK) fail_msg("%s", error.text);
    fv_record_free(&record);
}

static void keep_notice(void *context, const char *text) {
    char *all = context;
    snprintf(all + strlen(all), 400 - strlen(all), "%s\n", text);
}

static void expect_notice(const fv_experiment *experiment, fv_store *store, const char *expected) {
    char text[400] = "";
    fv_record **records;
    const fv_lab_options options = {.n_jobs = 1, .on_notice = keep_notice, .context = text};
    assert_int_equal(fv_lab_run(experiment, store, &options, &records, NULL), FV_OK);
    fv_records_free(records, experiment->n_runs);
    assert_string_equal(text, expected);
}

static void runs_of_older_numerics_are_told_and_stay(void **state) {
    (void)state;
    unlink(database);
    fv_experiment *one = read_experiment("train: {steps: 2}\n");
    fv_experiment *experiment = read_experiment("train: {steps: 2, seed: 0..3}\n"
                                                "probes: [effective_rank, embedding_norm]\n");
    fv_store *store = open_store(FV_STORE_WRITE);
    char id[17];
    put_older(store, one, 0, "", 4);
    put_older(store, one, 0, "", 2); // the newest counts
    expect_notice(one, store,
                  "sweep: 1 stored run is of numerics 4, older than this Fovea's 5, and is trained "
                  "again; the old one stays in the store\n");
    expect_notice(one, store, "");
    put_older(store, experiment, 1, "", 3);
    put_older(store, experiment, 2, "effective_rank,embedding_norm", 4); // the ids of that time
    put_older(store, experiment, 3, "effective_rank", 4);                // of another experiment
    expect_notice(experiment, store,
                  "sweep: 2 stored runs are of numerics 3 to 4, older than this Fovea's 5, and are "
                  "trained again; the old ones stay in the store\n"
                  "sweep: 1 stored run was not measured by effective_rank,embedding_norm and is "
                  "trained again\n");
    numerics_id(one->base, fv_kernels_arithmetic(), "", 4, id);
    assert_true(fv_store_has(store, id));
    fv_store_close(store);
    fv_experiment_free(one);
    fv_experiment_free(experiment);
}

// --- many runs ---------------------------------------------------------------------------------

// What on_run is told of a run whose records are not kept.
typedef struct told_run {
    char id[17];
    float loss;
    int n_points, n_snapshots;
} told_run;

typedef struct listener {
    told_run runs[64];
    int n, n_cached;
} listener;

static void listen_to_run(void *context, const fv_record *record, bool cached) {
    listener *l = context;
    const fv_series *loss = fv_record_find(record, "loss");
    told_run *run = &l->runs[l->n++];
    *run = (told_run){"", loss->values[loss->n - 1], loss->n, record->n_snapshots};
    strcpy(run->id, record->id);
    l->n_cached += cached;
}

static void keep_nothing(const fv_experiment *experiment, fv_store *store, listener *l) {
    const fv_lab_options options = {.n_jobs = 2, .on_run = listen_to_run, .context = l};
    fv_error error = {0};
    *l = (listener){.n = 0};
    if (fv_lab_run(experiment, store, &options, NULL, &error) != FV_OK) fail_msg("%s", error.text);
}

// Trained, then found: the same runs and final values, of which only those are read.
static void records_need_not_be_kept(void **state) {
    (void)state;
    unlink(database);
    fv_experiment *experiment = read_experiment(SWEEP);
    fv_store *store = open_store(FV_STORE_WRITE);
    listener trained, found;
    keep_nothing(experiment, store, &trained);
    keep_nothing(experiment, store, &found);
    assert_int_equal(trained.n, N_RUNS);
    assert_int_equal(trained.n_cached, 0);
    assert_int_equal(found.n, N_RUNS);
    assert_int_equal(found.n_cached, N_RUNS);
    for (int i = 0; i < N_RUNS; i++) { // both in the order of the store
        assert_string_equal(found.runs[i].id, trained.runs[i].id);
        assert_true(found.runs[i].loss == trained.runs[i].loss);
        assert_true(trained.runs[i].n_points > 1);
        assert_int_equal(found.runs[i].n_points, 1);
        assert_int_equal(found.runs[i].n_snapshots, 0);
    }
    fv_store_close(store);
    fv_experiment_free(experiment);
}

static int count_statement(unsigned event, void *context, void *statement, void *text) {
    (void)event, (void)statement, (void)text;
    ++*(int *)context;
    return 0;
}

// SQLite's statements for a sweep of `n` seeds of which all is there.
static int statements_of(int n, bool keep) {
    char yaml[200];
    unlink(database);
    snprintf(yaml, sizeof yaml,
             "task: {context_length: 3}\ntrain: {steps: 1, batch_size: 8, seed: 0..%d}\n", n - 1);
    fv_experiment *experiment = read_experiment(yaml);
    fv_store *store = open_store(FV_STORE_WRITE);
    const fv_lab_options options = {.n_jobs = 2};
    fv_record **records = NULL;
    int n_statements = 0;
    assert_int_equal(fv_lab_run(experiment, store, &options, NULL, NULL), FV_OK);
    sqlite3_trace_v2(store->db, SQLITE_TRACE_STMT, count_statement, &n_statements);
    assert_int_equal(fv_lab_run(experiment, store, &options, keep ? &records : NULL, NULL), FV_OK);
    fv_records_free(records, n);
    fv_store_close(store);
    fv_experiment_free(experiment);
    return n_statements;
}

// A sweep that is there is read in one pass, however long it is.
static void a_repeated_sweep_is_one_pass(void **state) {
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        int few = statements_of(8, keep != 0), many = statements_of(64, keep != 0);
        assert_true(few > 0 && few < 30);
        assert_int_equal(many, few);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_the_order_of_the_sweep),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(interrupted_sweeps_go_on),
        cmocka_unit_test(a_long_run_stops_at_once),
        cmocka_unit_test(diverged_runs_are_results),
        cmocka_unit_test(a_store_that_cannot_be_written_is_one_error),
        cmocka_unit_test(shares_make_up_the_sweep),
        cmocka_unit_test(runs_of_older_numerics_are_told_and_stay),
        cmocka_unit_test(a_length_that_follows_is_that_length),
        cmocka_unit_test(records_need_not_be_kept),
        cmocka_unit_test(a_repeated_sweep_is_one_pass),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
