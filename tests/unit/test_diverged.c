// Runs that diverged: what measures, verdicts and adaptive sweeps make of them.
#include "engine.h"
#include "measures/measure.h"

#include <fovea/claim.h>
#include <fovea/config.h>
#include <stdio.h>
#include <unistd.h>

// Accuracy that rises to 1 at step 30 and a loss that falls, logged every 10 steps; the run
// diverges at step 57, where a probe already meets parameters that are no numbers. Else it
// goes on to step 100.
static void make_run(fv_record *record, bool diverges) {
    fv_record_init(record);
    fv_record_set_config(record, NULL, NULL);
    record->config->train.steps = 100;
    record->outcome = diverges ? FV_OUTCOME_DIVERGED : FV_OUTCOME_DONE;
    record->steps = diverges ? 58 : 100;
    for (int step = 0; step < record->steps; step += 10) {
        fv_record_add(record, "accuracy", step, step >= 30 ? 1 : 0.25f);
        fv_record_add(record, "loss", step, (float)(100 - step));
    }
    fv_record_add(record, "spread", 0, 1);
    fv_record_add(record, "spread", 57, diverges ? NAN : 1);
    record->n_params = 3 * 2; // W_E [3][2] comes first in such a model
    record->config->task.vocab_size = 3;
    record->config->model.layers.n = 0;
    record->config->model.tied = true;
    static const float before[] = {1, 0, 0, 1, -1, 0}, after[] = {0, 1, 1, 0, 0, -1};
    static const float lost[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    fv_record_add_snapshot(record, 0, before);
    fv_record_add_snapshot(record, 50, after);
    fv_record_add_snapshot(record, record->steps, diverges ? lost : after);
}

static double value_of(const char *expression, bool diverges) {
    fv_record record;
    make_run(&record, diverges);
    double value;
    fv_error error;
    if (fv_measure(expression, &record, &value, &error) != FV_OK)
        fail_msg("%s: %s", expression, error.text);
    fv_record_free(&record);
    return value;
}

// All of these have a value for the run that went on.
static void test_no_value_at_the_end(void **state) {
    (void)state;
    static const char *const lost[] = {
        "final(loss)",
        "emergence(accuracy, 0.9)",
        "emergence_below(loss, 90)",
        "lowest(loss)",
        "highest(accuracy)",
        "lowest_step(loss)",
        "highest_step(accuracy)",
        "mean(loss)",
        "slope(loss)",
        "correlation(loss, accuracy)",
        "last_above(accuracy, 0.5)",
        "count_above(accuracy, 0.5)",
        "plateau_length(loss)",
        "at(loss, 60)",
        "change(loss, 0, 60)",
        "lowest(loss, 0, 57)",
        "count_above(accuracy, 0.5, 0, 90)",
        "first_below(loss, 35)",
        "cosine('embed.W_E', 0, 1, 100)",
        "motion_cosine('embed.W_E', 0, 1, 0, 80)",
        "motion_rank('embed.W_E', 0, 100)",
        "roundness('embed.W_E', 57)",
        "reordered('embed.W_E', 0, 100)",
        "coalesce(final(loss), 0)", // does not hide it
        "final(loss) < 3 or task.vocab_size = 3",
        "max(final(accuracy), 0.5)",
        "iif(diverged_at > 1000, 1, final(accuracy))",
    };
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        if (isnan(value_of(lost[i], false))) fail_msg("%s has no value at all", lost[i]);
        if (!isnan(value_of(lost[i], true))) fail_msg("%s has a value", lost[i]);
    }
}

static void test_moments_before(void **state) {
    (void)state;
    static const struct {
        const char *expression;
        double value;
    } cases[] = {
        {"initial(loss)", 100},
        {"at(loss, 45)", 55},
        {"change(loss, 10, 50)", -40},
        {"lowest(loss, 0, 56)", 50},
        {"mean(loss, 20, 40)", 70},
        {"count_above(accuracy, 0.5, 0, 50)", 3},
        {"first_above(accuracy, 0.9)", 30},
        {"first_below(loss, 75)", 30},
        {"cosine('embed.W_E', 0, 1, 56)", 0},
        {"task.vocab_size / 2", 1.5},
        {"bayes_loss", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_near(value_of(cases[i].expression, true), cases[i].value, 1e-6);
        check_near(value_of(cases[i].expression, false), cases[i].value, 1e-6);
    }
}

static void test_divergence_is_measured(void **state) {
    (void)state;
    check_near(value_of("diverged", true), 1, 0);
    check_near(value_of("diverged", false), 0, 0);
    check_near(value_of("diverged_at", true), 57, 0);
    assert_true(isnan(value_of("diverged_at", false)));
    check_near(value_of("at(loss, diverged_at - 7)", true), 50, 0);
    check_near(value_of("iif(diverged, -1, final(loss))", true), -1, 0);
    check_near(value_of("iif(diverged, -1, final(loss))", false), 10, 0);
    assert_true(measure_is_step("diverged_at"));
    assert_false(measure_is_step("diverged"));
}

// A run whose first loss is no number has no curve to ask for.
static void test_diverged_at_once(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    fv_record_set_config(&record, NULL, NULL);
    record.outcome = FV_OUTCOME_DIVERGED;
    record.steps = 1;
    double value;
    assert_int_equal(fv_measure("final(loss) + initial(accuracy)", &record, &value, NULL), FV_OK);
    assert_true(isnan(value));
    assert_int_equal(fv_measure("diverged_at", &record, &value, NULL), FV_OK);
    check_near(value, 0, 0);
    record.outcome = FV_OUTCOME_DONE;
    assert_int_equal(fv_measure("final(loss)", &record, &value, NULL), FV_USAGE);
    fv_record_free(&record);
}

// Every function says of what part of a run it speaks.
static void test_every_function_of_series_reaches(void **state) {
    (void)state;
    int n;
    const measure_function *functions = measure_functions(&n);
    for (int i = 0; i < n; i++) {
        bool of_a_run = strpbrk(functions[i].arguments, "st") != NULL;
        assert_int_equal(of_a_run, functions[i].reach != FV_REACH_NONE);
    }
}

static void test_counts(void **state) {
    (void)state;
    static const struct {
        int steps[3]; // of three runs; 0: done
        const char *text;
    } cases[] = {
        {{0, 0, 0}, ""},
        {{0, 121, 0}, "1 of 3 runs diverged, at step 120"},
        {{121, 121, 0}, "2 of 3 runs diverged, at step 120"},
        {{300, 5, 121}, "3 of 3 runs diverged, at steps 4 to 299"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        fv_divergence counted = {0}, joined = {0};
        for (int i = 0; i < 3; i++) {
            int steps = cases[c].steps[i];
            fv_record record = {.outcome = steps ? FV_OUTCOME_DIVERGED : FV_OUTCOME_DONE,
                                .steps = steps ? steps : 500};
            fv_divergence_add(&counted, &record);
        }
        fv_divergence_join(&joined, &counted);
        char text[128];
        assert_int_equal(fv_divergence_text(&joined, text, sizeof text), strlen(cases[c].text));
        assert_string_equal(text, cases[c].text);
    }
}

// --- verdicts ------------------------------------------------------------------------------------

// Three seeds at vocabularies 4, 8 and 16 that learn at step 10 x^2. One run diverges at step 99,
// and one, where `late`, after it has learned.
enum { N_RUNS = 9 };

static void make_runs(fv_record *runs, const fv_record **pointers, bool late) {
    for (int i = 0; i < N_RUNS; i++) {
        int x = 4 << i % 3, step = 10 * x * x;
        fv_record *run = &runs[i];
        fv_record_init(run);
        fv_record_set_config(run, NULL, NULL);
        run->config->train.seed = i / 3;
        run->config->task.vocab_size = x;
        run->steps = 5000;
        fv_record_add(run, "accuracy", 0, 0);
        bool early = i == 4;
        if (!early) fv_record_add(run, "accuracy", step, 1);
        if (early || (late && i == 8)) run->outcome = FV_OUTCOME_DIVERGED;
        if (run->outcome == FV_OUTCOME_DIVERGED) run->steps = early ? 100 : 4000;
        pointers[i] = run;
    }
}

static void expect(bool late, const char *const *pairs, fv_verdict verdict, const char *measured,
                   const char *note) {
    fv_record runs[N_RUNS];
    const fv_record *pointers[N_RUNS];
    fv_option options[12];
    char *values[12];
    fv_options list = {0, options, 7};
    for (; pairs[2 * list.n] != NULL; list.n++) {
        values[list.n] = (char *)(uintptr_t)pairs[2 * list.n + 1];
        options[list.n] =
            (fv_option){(char *)(uintptr_t)pairs[2 * list.n], 1, &values[list.n], false, 8};
    }
    fv_experiment e = {.path = (char *)"x.yaml",
                       .name = (char *)"x",
                       .source = (char *)"S",
                       .n_claims = 1,
                       .claims = &list};
    make_runs(runs, pointers, late);
    fv_judgement *j = NULL;
    fv_error error;
    if (fv_claims_judge(&e, pointers, N_RUNS, &j, &error) != FV_OK) fail_msg("%s", error.text);
    for (int i = 0; i < N_RUNS; i++) fv_record_free(&runs[i]);
    assert_string_equal(j->note, note);
    assert_string_equal(j->measured, measured);
    assert_int_equal(j->verdict, verdict);
    fv_judgements_free(j, 1);
}

#define CLAIM(...)                                                                                 \
    (const char *[]) {                                                                             \
        "statement", "s", __VA_ARGS__, NULL                                                        \
    }
#define FITTED "across", "task.vocab_size", "fit", "power", "published", "2", "tolerance", "0.1"

static void test_verdicts(void **state) {
    (void)state;
    expect(false, CLAIM("measure", "final(accuracy)", "above", "0.9"), FV_PARTLY,
           "median 1 (1 to 1), none in 1 of 9 runs",
           "2 of 3 seeds (rate at least 0.21) above 0.9; seed 1 did not (1, diverged at 99, 1); 1 "
           "of 9 runs diverged, at "
           "step 99");
    expect(true, CLAIM("measure", "emergence(accuracy, 0.9)", "below", "5000"), FV_NOT_REPRODUCED,
           "median 640 (160 to 2560), none in 2 of 9 runs",
           "1 of 3 seeds (rate at least 0.06) below 5e+03; seeds 1, 2 did not (160, diverged at "
           "99, 2560; 160, 640, "
           "diverged at 3999); 2 of 9 runs diverged, at steps 99 to 3999");
    // That it never comes is no evidence that it comes late.
    expect(false, CLAIM("measure", "coalesce(first_above(accuracy, 0.9), 1e9)", "above", "100"),
           FV_PARTLY, "median 640 (160 to 2560), none in 1 of 9 runs",
           "2 of 3 seeds (rate at least 0.21) above 100; seed 1 did not (160, diverged at 99, "
           "2560); 1 of 9 runs "
           "diverged, at step 99");
    // A first crossing stays one, whatever became of the run.
    expect(true, CLAIM("measure", "first_above(accuracy, 0.9)", "below", "5000"), FV_PARTLY,
           "median 640 (160 to 2560), none in 1 of 9 runs",
           "2 of 3 seeds (rate at least 0.21) below 5e+03; seed 1 did not (160, diverged at 99, "
           "2560); 2 of 9 runs "
           "diverged, at steps 99 to 3999");
}

static void test_claims_about_divergence(void **state) {
    (void)state;
    expect(false, CLAIM("measure", "diverged", "published", "0", "tolerance", "0"), FV_PARTLY,
           "median 0 (0 to 1)",
           "2 of 3 seeds (rate at least 0.21) within 0; seed 1 did not (0, 1, 0); 1 of 9 runs "
           "diverged, at step 99");
    expect(true, CLAIM("measure", "diverged_at", "above", "1", "where.train.seed", "2"),
           FV_NOT_REPRODUCED, "median 3999 (3999 to 3999), none in 2 of 3 runs",
           "0 of 1 seeds above 1; seed 2 did not (none, none, 3999); 1 of 3 runs diverged, at step "
           "3999");
}

// Neither a time that was not reached nor a lower bound of one.
static void test_fits_and_trends(void **state) {
    (void)state;
    expect(false, CLAIM("measure", "first_above(accuracy, 0.5)", FITTED), FV_PARTLY,
           "exponent 2 (95 % from 2 to 2)",
           "2 of 3 seeds (rate at least 0.21) within 0.1; no value for seed 1; 1 of 9 runs "
           "diverged, at step 99");
    expect(true, CLAIM("measure", "first_above(accuracy, 0.5)", FITTED), FV_PARTLY,
           "exponent 2 (95 % from 2 to 2)",
           "2 of 3 seeds (rate at least 0.21) within 0.1; no value for seed 1; 2 of 9 runs "
           "diverged, at steps 99 to "
           "3999");
    expect(true,
           CLAIM("measure", "emergence(accuracy, 0.5)", "across", "task.vocab_size", "fit", "ratio",
                 "published", "16", "tolerance", "0.1"),
           FV_PARTLY, "median 16 (16 to 16), none in 1 of 3 runs",
           "2 of 3 seeds (rate at least 0.21) within 0.1; no value for seed 2; 2 of 9 runs "
           "diverged, at steps 99 to "
           "3999");
    expect(true,
           CLAIM("measure", "emergence(accuracy, 0.5)", "across", "task.vocab_size", "trend",
                 "increasing"),
           FV_NOT_REPRODUCED, "medians 4: 160, 8: 640, 16: 2560",
           "1 of 3 seeds (rate at least 0.06) increasing with task.vocab_size; seeds 1, 2 did not "
           "(160, diverged at 99, "
           "2560; 160, 640, diverged at 3999); 2 of 9 runs diverged, at steps 99 to 3999");
}

// --- adaptive sweeps -----------------------------------------------------------------------------

// Runs of width above 4 diverge, the others lie below the threshold at rates below 0.1.
static int n_runs_after_a_round(bool diverges) {
    char path[] = "/tmp/test_diverged.XXXXXX";
    int file = mkstemp(path);
    FILE *yaml = fdopen(file, "w");
    fputs("sweep:\n  adaptive: {measure: final(loss), threshold: 1, rounds: 1}\n"
          "  model.n_embd: {from: 2, to: 6, steps: 3}\n"
          "  train.learning_rate: {from: 0.001, to: 0.002, steps: 2}\n",
          yaml);
    fclose(yaml);
    fv_experiment *experiment;
    assert_int_equal(fv_experiment_read(path, NULL, 0, &experiment, NULL), FV_OK);
    unlink(path);
    int n = fv_experiment_n_runs(experiment);
    fv_record *runs = calloc((size_t)n, sizeof *runs);
    const fv_record **pointers = calloc((size_t)n, sizeof *pointers);
    for (int i = 0; i < n; i++) {
        fv_record_init(&runs[i]);
        fv_record_set_config(&runs[i], NULL, NULL);
        fv_experiment_config(experiment, i, runs[i].config);
        bool wide = runs[i].config->model.n_embd > 4;
        runs[i].outcome = wide && diverges ? FV_OUTCOME_DIVERGED : FV_OUTCOME_DONE;
        runs[i].steps = 3000;
        fv_record_add(&runs[i], "loss", 0, wide ? 2 : 0.5f);
        pointers[i] = &runs[i];
    }
    bool grew;
    assert_int_equal(fv_experiment_refine(experiment, pointers, &grew, NULL), FV_OK);
    int after = fv_experiment_n_runs(experiment);
    assert_int_equal(grew, after > n);
    for (int i = 0; i < n; i++) fv_record_free(&runs[i]);
    free(runs);
    free(pointers);
    fv_experiment_free(experiment);
    return after - n;
}

// Where nothing but runs that diverged stands against the others there is no boundary to follow.
static void test_adaptive_sweeps(void **state) {
    (void)state;
    assert_true(n_runs_after_a_round(false) > 0);
    assert_int_equal(n_runs_after_a_round(true), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_value_at_the_end),
        cmocka_unit_test(test_moments_before),
        cmocka_unit_test(test_divergence_is_measured),
        cmocka_unit_test(test_diverged_at_once),
        cmocka_unit_test(test_every_function_of_series_reaches),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_claims_about_divergence),
        cmocka_unit_test(test_fits_and_trends),
        cmocka_unit_test(test_adaptive_sweeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
