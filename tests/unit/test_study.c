// A study as a program asks for it: from a file to records and verdicts, without a line of output.
#include "engine.h"

#include <fovea/config.h>
#include <fovea/study.h>
#include <stdlib.h>
#include <unistd.h>

static const char file[] = "task: {name: copy, vocab_size: 4, context_length: 2}\n"
                           "train: {steps: 300, learning_rate: 0.01, log_every: 50}\n"
                           "sweep: {train.seed: [0, 1, 2]}\n"
                           "claims:\n"
                           "  - {statement: it learns, measure: final(accuracy), above: 0.9}\n"
                           "  - {statement: it does not, measure: final(accuracy), below: 0.1}\n";

typedef struct heard {
    int runs, cached, rounds, failures;
} heard;

static void on_run(void *context, const fv_record *record, bool cached) {
    heard *h = context;
    assert_int_equal(record->config->task.vocab_size, 4);
    h->runs++;
    h->cached += cached;
}

static void on_trained(void *context) {
    ((heard *)context)->rounds++;
}

static void on_failure(void *context, const fv_error *failure) {
    (void)failure;
    ((heard *)context)->failures++;
}

static heard run(const char *path, fv_store *store, bool keep, const volatile int *interrupted,
                 fv_status expected) {
    heard h = {0};
    const fv_study_options options = {
        .keep_records = keep,
        .lab = {.n_jobs = 2, .interrupted = interrupted, .on_run = on_run, .context = &h},
        .on_trained = on_trained,
        .on_failure = on_failure};
    fv_study *study = NULL;
    fv_error error;
    assert_int_equal(fv_study_read(path, NULL, 0, false, &study, &error), FV_OK);
    assert_int_equal(fv_study_run(study, store, &options, &error), expected);
    if (expected == FV_OK) {
        assert_true(study->finished);
        assert_int_equal(study->n_verdicts, 2);
        assert_int_equal(study->verdicts[0]->verdict, FV_REPRODUCED);
        assert_int_equal(study->verdicts[1]->verdict, FV_NOT_REPRODUCED);
        assert_int_equal(study->records != NULL, keep);
        for (int i = 0; keep && i < study->n_runs; i++)
            assert_int_equal(study->records[i]->config->train.seed, i);
    }
    fv_study_free(study);
    return h;
}

static void test_from_file_to_verdicts(void **state) {
    (void)state;
    char folder[] = "/tmp/fovea-study-XXXXXX", path[64], database[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/learns.yaml", folder);
    snprintf(database, sizeof database, "%s/fovea.db", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(file, f) >= 0 && fclose(f) == 0);
    fv_store *store = NULL;
    assert_int_equal(fv_store_open(database, FV_STORE_WRITE, &store, NULL), FV_OK);

    const int stop = 1;
    heard h = run(path, store, false, &stop, FV_INTERRUPTED);
    assert_int_equal(h.failures, 1);
    h = run(path, store, true, NULL, FV_OK);
    assert_true(h.runs == 3 && h.rounds == 1 && h.failures == 0);
    h = run(path, store, false, NULL, FV_OK);
    assert_true(h.runs == 3 && h.cached == 3);
    fv_store_close(store);

    fv_study *study = NULL;
    fv_error error;
    const char *const wrong[] = {"task.vocabsize=4"};
    assert_int_equal(fv_study_read(path, wrong, 1, false, &study, &error), FV_USAGE);
    assert_null(study);
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_from_file_to_verdicts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
