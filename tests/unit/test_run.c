// Whole runs: the curves, snapshots and endings that a record holds, and the values that the first
// post publishes of its models.
#include "configurations.h"

#include "train/optimizer.h"

#include <fovea/train.h>

static fv_record run(const char *words, const fv_run_options *options) {
    static const fv_run_options plain = {.n_threads = 1};
    fv_config config = configure(words);
    fv_record record;
    fv_error error = {0};
    fv_record_init(&record);
    if (fv_run(&config, options ? options : &plain, &record, &error) != FV_OK)
        fail_msg("%s: %s", words, error.text);
    return record;
}

static const fv_series *series_of(const fv_record *record, const char *name) {
    const fv_series *series = fv_record_find(record, name);
    if (series == NULL) fail_msg("no series %s", name);
    return series;
}

static double value_at(const fv_record *record, const char *name, int step) {
    const fv_series *series = series_of(record, name);
    for (int i = 0; i < series->n; i++)
        if (series->steps[i] == step) return (double)series->values[i];
    fail_msg("%s has no point at step %d", name, step);
    return NAN;
}

static double last_value(const fv_record *record, const char *name) {
    const fv_series *series = series_of(record, name);
    return (double)series->values[series->n - 1];
}

// A trainer after some steps, to compare a run with.
static fv_trainer *trainer_after(const char *words, int steps) {
    fv_config config = configure(words);
    fv_trainer *trainer;
    check_ok(fv_trainer_create(&config, 1, &trainer, NULL));
    for (int i = 0; i < steps; i++) fv_trainer_step(trainer, NULL);
    return trainer;
}

#define SMALL "task.vocab_size=10 train.batch_size=32 "

// A run of a sweep may have fields that only others read: they change nothing.
static void test_unread_fields_change_nothing(void **state) {
    (void)state;
    static const char *const unread[][2] = {{"model.score_power_learned", "true"},
                                            {"model.score_beta", "4"},
                                            {"model.d_positions", "1"},
                                            {"task.sample_repetition", "0.5"},
                                            {"task.depth", "50"},
                                            {"model.d_mlp", "3"}};
    fv_config config = configure(SMALL "train.steps=25");
    fv_record plain = run(SMALL "train.steps=25", NULL), record;
    for (size_t i = 0; i < sizeof unread / sizeof *unread; i++)
        check_ok(fv_config_set(&config, unread[i][0], unread[i][1], NULL));
    fv_record_init(&record);
    const fv_run_options options = {.n_threads = 1};
    check_ok(fv_run(&config, &options, &record, NULL));
    assert_int_equal(record.n_params, plain.n_params);
    assert_int_equal(record.n_series, plain.n_series);
    const float *result = record.snapshots[record.n_snapshots - 1].params;
    const float *expected = plain.snapshots[plain.n_snapshots - 1].params;
    assert_memory_equal(result, expected, plain.n_params * sizeof *expected);
    assert_true(record.config->model.score_power_learned); // what was asked for stays on record
    fv_record_free(&record);
    fv_record_free(&plain);
}

static void test_curves(void **state) {
    (void)state;
    fv_record record = run(SMALL "train.steps=25 train.log_every=10 train.schedule=linear", NULL);
    assert_int_equal(record.outcome, FV_OUTCOME_DONE);
    assert_int_equal(record.steps, 25);
    static const char *const names[] = {"loss", "perplexity", "accuracy", "learning_rate"};
    static const int steps[] = {0, 10, 20, 24};
    for (int i = 0; i < 4; i++) {
        const fv_series *series = series_of(&record, names[i]);
        assert_int_equal(series->n, 4);
        for (int k = 0; k < 4; k++) assert_int_equal(series->steps[k], steps[k]);
    }
    for (int k = 0; k < 4; k++) {
        double accuracy, loss = value_at(&record, "loss", steps[k]);
        fv_trainer *trainer = trainer_after(SMALL "train.steps=25 train.schedule=linear", steps[k]);
        check_near(loss, fv_trainer_step(trainer, &accuracy), 1e-6);
        check_near(value_at(&record, "accuracy", steps[k]), accuracy, 1e-6);
        check_near(value_at(&record, "perplexity", steps[k]), exp(loss), 1e-5);
        check_near(value_at(&record, "learning_rate", steps[k]),
                   schedule_rate(&record.config->train, steps[k]), 1e-9);
        fv_trainer_free(trainer);
    }
    assert_true(record.wall_seconds > 0 && record.us_per_step > 0);
    assert_null(fv_record_find(&record, "test_loss"));
    fv_record_free(&record);
}

static void test_snapshots(void **state) {
    (void)state;
    static const struct {
        const char *words;
        int n, steps[6];
    } cases[] = {
        {SMALL "train.steps=20", 1, {20}},
        {SMALL "train.steps=20 train.snapshots=[0,7,20]", 3, {0, 7, 20}},
        {SMALL "train.steps=20 train.snapshot_every=6", 5, {0, 6, 12, 18, 20}},
        {SMALL "train.steps=20 train.snapshot_every=10 train.snapshots=[10,3,3]",
         4,
         {0, 3, 10, 20}},
        {SMALL "train.steps=0", 1, {0}},
        {SMALL "train.steps=0 train.snapshots=[0] train.snapshot_every=1", 1, {0}},
        {SMALL "train.steps=5 train.snapshots=[4,9]", 2, {4, 5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_record record = run(cases[i].words, NULL);
        assert_int_equal(record.n_snapshots, cases[i].n);
        for (int k = 0; k < cases[i].n; k++) {
            const fv_snapshot *snapshot = &record.snapshots[k];
            assert_int_equal(snapshot->step, cases[i].steps[k]);
            fv_trainer *trainer = trainer_after(cases[i].words, snapshot->step);
            assert_int_equal(record.n_params, fv_model_n_params(fv_trainer_model(trainer)));
            assert_memory_equal(snapshot->params, fv_trainer_params(trainer),
                                record.n_params * sizeof(float));
            fv_trainer_free(trainer);
        }
        fv_record_free(&record);
    }
}

static void test_first_snapshot_is_the_initialisation(void **state) {
    (void)state;
    fv_record record = run(SMALL "train.steps=3 train.snapshots=[0] train.seed=9", NULL);
    fv_trainer *trainer = trainer_after(SMALL, 0);
    float *params = malloc(record.n_params * sizeof *params);
    fv_model_init_params(fv_trainer_model(trainer), 9, params);
    assert_memory_equal(record.snapshots[0].params, params, record.n_params * sizeof *params);
    assert_memory_not_equal(record.snapshots[1].params, params, record.n_params * sizeof *params);
    free(params);
    fv_trainer_free(trainer);
    fv_record_free(&record);
}

static void test_held_out_curves(void **state) {
    (void)state;
    const char *words = SMALL "train.steps=30 task.data=fixed task.n_train=64 task.n_test=50";
    fv_record record = run(words, NULL);
    const fv_series *series = series_of(&record, "test_loss");
    assert_int_equal(series->n, 5); // 0, 10, 20, 29 and the result
    assert_int_equal(series->steps[3], 29);
    assert_int_equal(series->steps[4], 30);
    for (int i = 0; i < series->n; i++) {
        double loss, accuracy;
        fv_trainer *trainer = trainer_after(words, series->steps[i]);
        fv_trainer_test(trainer, &loss, &accuracy);
        check_near((double)series->values[i], loss, 1e-6);
        check_near(value_at(&record, "test_accuracy", series->steps[i]), accuracy, 1e-6);
        check_near(value_at(&record, "test_perplexity", series->steps[i]), exp(loss), 1e-5);
        fv_trainer_free(trainer);
    }
    fv_record_free(&record);
}

// A run ends at the first logged point that is good enough, and not before.
static void check_early_stop(const char *words, const char *series, double goal, bool above) {
    fv_record record = run(words, NULL);
    assert_int_equal(record.outcome, FV_OUTCOME_STOPPED);
    assert_true(record.steps < record.config->train.steps);
    const fv_series *s = series_of(&record, series);
    int first = 0;
    while (first < s->n && !(above ? s->values[first] >= goal : s->values[first] <= goal)) first++;
    assert_true(first > 0 && first < s->n);
    assert_int_equal(record.steps, s->steps[first] + 1);
    assert_int_equal(record.snapshots[record.n_snapshots - 1].step, record.steps);
    fv_record_free(&record);
}

static void test_early_stop(void **state) {
    (void)state;
#define QUICK "task.vocab_size=10 model.n_embd=8 train.learning_rate=0.01 train.batch_size=64 "
    check_early_stop(QUICK "train.stop_metric=perplexity train.stop_value=2", "perplexity", 2,
                     false);
    check_early_stop(QUICK "train.stop_metric=loss train.stop_value=0.5", "loss", 0.5, false);
    check_early_stop(QUICK "train.stop_metric=accuracy train.stop_value=0.9", "accuracy", 0.9,
                     true);
    check_early_stop(QUICK "train.stop_metric=test_accuracy train.stop_value=0.5 task.data=fixed "
                           "task.n_train=200 task.n_test=64",
                     "test_accuracy", 0.5, true);
    fv_record record =
        run(QUICK "train.steps=20 train.stop_metric=loss train.stop_value=1e-9", NULL);
    assert_int_equal(record.outcome, FV_OUTCOME_DONE);
    fv_record_free(&record);
}

// A step of a thousand gradients throws the parameters so far that logits overflow: the run ends
// there and keeps what it has.
static void test_divergence(void **state) {
    (void)state;
    fv_record record = run("train.optimizer=sgd train.learning_rate=1000 train.steps=500 "
                           "train.log_every=1 train.snapshots=[0,1]",
                           NULL);
    assert_int_equal(record.outcome, FV_OUTCOME_DIVERGED);
    assert_true(record.steps >= 2 && record.steps < 500);
    const fv_series *loss = series_of(&record, "loss");
    assert_true(loss->n >= 1 && loss->n < record.steps + 1);
    for (int i = 0; i < loss->n; i++) assert_true(isfinite(loss->values[i]));
    assert_string_equal(fv_outcome_text(record.outcome), "diverged");
    assert_int_equal(record.snapshots[0].step, 0);
    for (size_t i = 0; i < record.n_params; i++)
        assert_true(isfinite(record.snapshots[0].params[i]));
    fv_record_free(&record);
}

// What a run reports while it trains; stops it after some reports.
typedef struct listener {
    int n, last_step, stop_at;
    double last_perplexity;
    volatile int interrupted;
} listener;

static void listen(void *context, int step, double perplexity) {
    listener *l = context;
    l->n++;
    l->last_step = step;
    l->last_perplexity = perplexity;
    if (step >= l->stop_at) l->interrupted = 1;
}

static void test_interruption(void **state) {
    (void)state;
    listener heard = {.stop_at = 50};
    fv_run_options options = {
        .n_threads = 1, .interrupted = &heard.interrupted, .on_log = listen, .context = &heard};
    fv_config config = configure(SMALL "train.steps=100000000");
    fv_record record;
    fv_error error = {0};
    fv_record_init(&record);
    assert_int_equal(fv_run(&config, &options, &record, &error), FV_INTERRUPTED);
    assert_int_equal(heard.n, 6);
    assert_int_equal(heard.last_step, 50);
    assert_non_null(strstr(error.text, "interrupted at step 51"));
    fv_record_free(&record);
}

static void test_listening_and_threads_change_nothing(void **state) {
    (void)state;
    const char *words = "task.vocab_size=12 task.context_length=6 train.batch_size=700 "
                        "model.n_embd=8 task.loss=all train.steps=40 train.log_every=7";
    listener heard = {.stop_at = 1000};
    fv_run_options options = {
        .n_threads = 2, .interrupted = &heard.interrupted, .on_log = listen, .context = &heard};
    fv_record quiet = run(words, NULL), loud = run(words, &options);
    assert_int_equal(heard.n, 7); // 0, 7, ..., 35 and 39
    check_near(heard.last_perplexity, last_value(&loud, "perplexity"), 1e-5);
    assert_memory_equal(quiet.snapshots[0].params, loud.snapshots[0].params,
                        quiet.n_params * sizeof(float));
    const fv_series *a = series_of(&quiet, "loss"), *b = series_of(&loud, "loss");
    assert_memory_equal(a->values, b->values, (size_t)a->n * sizeof *a->values);
    fv_record_free(&quiet);
    fv_record_free(&loud);
}

// A probe that notes the first parameter, to see when probes are asked and with what.
static fv_status first_parameter(const fv_probe_view *view, fv_record *record, fv_error *error) {
    (void)error;
    return fv_record_add(record, "first_parameter", view->step, view->params[0]);
}

static fv_status broken_probe(const fv_probe_view *view, fv_record *record, fv_error *error) {
    (void)record;
    return view->step < 10 ? FV_OK : fv_fail(error, FV_NO_MEMORY, "no memory for a probe");
}

static void test_probes(void **state) {
    (void)state;
    static const fv_probe probe = {.name = "first_parameter", .measure = first_parameter};
    const fv_probe *const probes[] = {&probe};
    fv_run_options options = {.n_threads = 1, .probes = probes, .n_probes = 1};
    const char *words = SMALL "train.steps=25 train.probe_every=10 train.log_every=5";
    static const int steps[] = {0, 10, 20, 25};
    fv_record record = run(words, &options);
    assert_int_equal(series_of(&record, "first_parameter")->n, 4);
    for (int i = 0; i < 4; i++) {
        fv_trainer *trainer = trainer_after(words, steps[i]);
        assert_true(value_at(&record, "first_parameter", steps[i]) ==
                    (double)fv_trainer_params(trainer)[0]);
        fv_trainer_free(trainer);
    }
    fv_record_free(&record);
    record = run(SMALL "train.steps=25 train.log_every=5", &options);
    assert_int_equal(series_of(&record, "first_parameter")->n, 6);
    fv_record_free(&record);
}

static void test_failing_probe_ends_the_run(void **state) {
    (void)state;
    static const fv_probe probe = {.name = "broken", .measure = broken_probe};
    const fv_probe *const probes[] = {&probe};
    fv_run_options options = {.n_threads = 1, .probes = probes, .n_probes = 1};
    fv_config config = configure(SMALL "train.steps=25");
    fv_record record;
    fv_error error = {0};
    fv_record_init(&record);
    assert_int_equal(fv_run(&config, &options, &record, &error), FV_NO_MEMORY);
    assert_string_equal(error.text, "no memory for a probe");
    fv_record_free(&record);
}

// The first post's models, as medians over five seeds at given steps. Published (sticky-plateau and
// generality): a plateau at V/2, here within 20 %, and an end near 1, here below 1.5.
static const struct {
    const char *words;
    int step;
    double lowest, highest;
} published[] = {
    {"task.vocab_size=10 model.n_embd=2", 750, 4, 6},
    {"task.vocab_size=10 model.n_embd=2", 2999, 1, 1.5},
    {"task.vocab_size=100 model.n_embd=2", 1000, 40, 60},
    {"task.vocab_size=4 model.n_embd=2", 2999, 1, 1.5},
    {"task.vocab_size=100 model.n_embd=10", 750, 1, 1.5},
    {"task.vocab_size=100 model.n_embd=10 task.context_length=100", 250, 40, 60},
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The oracle: whether the median perplexity of a configuration with `change` lies where it should.
static double median_perplexity(int i, const char *change) {
    enum { SEEDS = 5 };
    double values[SEEDS];
    for (int seed = 0; seed < SEEDS; seed++) {
        char words[512];
        snprintf(words, sizeof words, "%s model.init=uniform train.steps=%d train.seed=%d %s",
                 published[i].words, published[i].step + 1, seed, change);
        fv_record record = run(words, NULL);
        values[seed] = last_value(&record, "perplexity");
        fv_record_free(&record);
    }
    qsort(values, SEEDS, sizeof *values, by_value);
    return values[SEEDS / 2];
}

static bool as_published(int i, double perplexity) {
    return perplexity >= published[i].lowest && perplexity <= published[i].highest;
}

static void test_published_values(void **state) {
    (void)state;
    for (int i = 0; i < (int)(sizeof published / sizeof *published); i++) {
        double perplexity = median_perplexity(i, "");
        if (!as_published(i, perplexity))
            fail_msg("%s: perplexity %g at step %d, published between %g and %g",
                     published[i].words, perplexity, published[i].step, published[i].lowest,
                     published[i].highest);
    }
}

// Another training is not taken for the published one.
static void test_published_values_catch_faults(void **state) {
    (void)state;
    assert_false(as_published(0, median_perplexity(0, "train.learning_rate=1e-4")));
    assert_false(as_published(0, median_perplexity(0, "train.learning_rate=1e-2")));
    assert_false(as_published(1, median_perplexity(1, "train.optimizer=sgd")));
    assert_false(as_published(2, median_perplexity(2, "model.n_embd=10")));
    assert_false(as_published(4, median_perplexity(4, "model.layers=[] task.offset=1")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_unread_fields_change_nothing),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_first_snapshot_is_the_initialisation),
        cmocka_unit_test(test_held_out_curves),
        cmocka_unit_test(test_early_stop),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_interruption),
        cmocka_unit_test(test_listening_and_threads_change_nothing),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_failing_probe_ends_the_run),
        cmocka_unit_test(test_published_values),
        cmocka_unit_test(test_published_values_catch_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
