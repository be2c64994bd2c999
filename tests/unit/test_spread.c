// Sweeps beyond lists: evenly spaced and drawn values, and sweeps that follow a boundary.
#include "experiments.h"

#include <fovea/config.h>

static void values_are_spaced_evenly(void **state) {
    (void)state;
    fv_experiment *e =
        read_text("train: {learning_rate: {from: 1e-4, to: 1e-1, steps: 4, scale: log}}\n"
                  "sweep: {task.vocab_size: {from: 4, to: 7, steps: 3}}\n");
    expect_runs(e, "task.vocab_size", "4 6 7 4 6 7 4 6 7 4 6 7"); // 5.5 is rounded to even
    expect_runs(e, "train.learning_rate",
                "0.0001 0.0001 0.0001 0.001 0.001 0.001 0.01 0.01 0.01 0.1 0.1 0.1");
    fv_experiment_free(e);
    e = read_text("sweep: {model.n_embd: {from: 1, to: 8, steps: 20, scale: log}}\n");
    expect_runs(e, "model.n_embd", "1 2 3 4 5 6 7 8"); // equal ones once
    fv_experiment_free(e);
    const char *override[] = {"train.learning_rate={from: 0, to: 1, steps: 11}"};
    e = read_with("{}", override, 1);
    expect_runs(e, "train.learning_rate", "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1");
    fv_experiment_free(e);
}

// The values of a field in the runs of a sweep.
static int numbers_of(const char *yaml, const char *key, double *values) {
    fv_experiment *e = read_text(yaml);
    int n = fv_experiment_n_runs(e);
    for (int i = 0; i < n; i++) {
        fv_config config;
        fv_experiment_config(e, i, &config);
        values[i] = fv_config_number(&config, fv_field_find(key));
    }
    fv_experiment_free(e);
    return n;
}

// The largest distance between the samples' distribution and the uniform one on [low, high], times
// the root of their number (Kolmogorov and Smirnov): above 1.95 in one of 1000 fair samples.
static double unevenness(double *values, int n, double low, double high, bool logarithmic) {
    double worst = 0;
    for (int i = 0; i < n; i++) {
        int below = 0;
        for (int j = 0; j < n; j++) below += values[j] <= values[i];
        double share =
            logarithmic ? log(values[i] / low) / log(high / low) : (values[i] - low) / (high - low);
        worst = fmax(worst, fabs((double)below / n - share));
    }
    return worst * sqrt(n);
}

static void samples_follow_their_distribution(void **state) {
    (void)state;
    enum { N = 1000 };
    static double values[N], others[N];
    static const char yaml[] = "sweep:\n"
                               "  random: 1000\n"
                               "  train.learning_rate: {log_range: [1e-4, 1e-1]}\n"
                               "  train.stop_value: {range: [0.5, 2]}\n"
                               "  train.optimizer: {choice: [adam, sgd, adamw, adam]}\n"
                               "train: {stop_metric: loss}\n";
    assert_int_equal(numbers_of(yaml, "train.learning_rate", values), N);
    assert_true(unevenness(values, N, 1e-4, 1e-1, true) < 1.95);
    for (int i = 0; i < N; i++) assert_true(values[i] >= 1e-4 && values[i] <= 1e-1);
    numbers_of(yaml, "train.stop_value", others);
    assert_true(unevenness(others, N, 0.5, 2, false) < 1.95);
    double together = 0; // fields are independent: their ranks do not agree
    for (int i = 0; i < N; i++)
        together += (log10(values[i]) + 2.5) * (others[i] - 1.25) / (N * 0.866 * 0.433);
    assert_true(fabs(together) < 0.12);
    int counts[FV_OPTIMIZER_COUNT] = {0};
    numbers_of(yaml, "train.optimizer", values);
    for (int i = 0; i < N; i++) counts[(int)values[i]]++;
    assert_in_range(counts[FV_OPTIMIZER_ADAM], 440, 560);
    assert_in_range(counts[FV_OPTIMIZER_SGD], 200, 300);
    assert_int_equal(counts[FV_OPTIMIZER_MOMENTUM], 0);
}

// Both ends of a range of whole numbers are as likely as the others; seeds make a sample distinct.
static void samples_of_whole_numbers(void **state) {
    (void)state;
    static double values[4000];
    int n = numbers_of("sweep: {random: 400, model.n_embd: {range: [2, 5]}, train.seed: 0..399}\n"
                       "task: {vocab_size: 4}\n",
                       "model.n_embd", values);
    assert_int_equal(n, 1600); // four widths, each with every seed
    static const char yaml[] = "sweep: {random: 1000, task.offset: {range: [0, 3]},\n"
                               "        train.weight_decay: {range: [0, 1]}}\n";
    n = numbers_of(yaml, "task.offset", values);
    int counts[4] = {0};
    for (int i = 0; i < n; i++) counts[(int)values[i]]++;
    for (int k = 0; k < 4; k++) assert_in_range(counts[k], 200, 300);
}

static void samples_stay_when_a_sweep_grows(void **state) {
    (void)state;
    double few[16], many[32], other[16], seeded[16];
    int n = numbers_of("sweep: {random: 8, train.learning_rate: {log_range: [1e-4, 1e-1]}}\n",
                       "train.learning_rate", few);
    assert_int_equal(n, 8);
    numbers_of("# a comment\nsweep:\n  - random: {samples: 16}\n"
               "    train.weight_decay: {range: [0, 1]}\n"
               "    train.learning_rate: {log_range: [1e-4, 1e-1]}\n",
               "train.learning_rate", many);
    assert_memory_equal(few, many, sizeof *few * 8);
    numbers_of("sweep: {random: 8, train.weight_decay: {log_range: [1e-4, 1e-1]}}\n",
               "train.weight_decay", other);
    assert_memory_not_equal(few, other, sizeof *few * 8);
    numbers_of("sweep: {random: {samples: 8, seed: 1},"
               " train.learning_rate: {log_range: [1e-4, 1e-1]}}\n",
               "train.learning_rate", seeded);
    assert_memory_not_equal(few, seeded, sizeof *few * 8);
}

// Samples stand for settings: other axes multiply them, an override takes a field out.
static void samples_multiply_with_axes(void **state) {
    (void)state;
    static const char yaml[] = "sweep: {train.seed: 0..1, random: 3, task.vocab_size: [4, 5],\n"
                               "        train.learning_rate: {range: [0, 1]},\n"
                               "        train.weight_decay: {range: [0, 1]}}\n";
    fv_experiment *e = read_text(yaml);
    expect_runs(e, "train.seed", "0 0 1 1 0 0 1 1 0 0 1 1");
    expect_runs(e, "task.vocab_size", "4 5 4 5 4 5 4 5 4 5 4 5");
    fv_config first, fourth, fifth;
    fv_experiment_config(e, 0, &first);
    fv_experiment_config(e, 3, &fourth);
    fv_experiment_config(e, 4, &fifth);
    assert_true(first.train.learning_rate == fourth.train.learning_rate);
    assert_true(first.train.learning_rate != fifth.train.learning_rate);
    assert_true(first.train.learning_rate != first.train.weight_decay);
    fv_experiment_free(e);
    const char *overrides[] = {"train.learning_rate=0.5", "train.seed=7"};
    e = read_with(yaml, overrides, 2);
    assert_int_equal(fv_experiment_n_runs(e), 6);
    expect_runs(e, "train.learning_rate", "0.5 0.5 0.5 0.5 0.5 0.5");
    fv_experiment_free(e);
}

static void bad_spreads(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"model: {n_embd: {range: [2, 64]}}\n", "@:1: model.n_embd: values are drawn only in a "},
        {"sweep: {model.n_embd: {range: [2, 64]}}\n", "@:1: model.n_embd: values are drawn only"},
        {"sweep:\n  random: 3\n  model.n_embd: [2, 3]\n", "@:2: random: no field of this sweep"},
        {"sweep: {random: 0, model.n_embd: {range: [2, 64]}}\n", "random must be a number of"},
        {"sweep: {random: many, model.n_embd: {range: [2, 64]}}\n", "random must be a number of"},
        {"sweep: {random: 1e9, model.n_embd: {range: [2, 64]}}\n", "random must be a number of"},
        {"sweep: {random: {sample: 3}}\n", "there is no key 'sample'; the nearest is 'samples'"},
        {"sweep: {random: {samples: 3, seed: -1}}\n", "seed must be a whole number from 0"},
        {"sweep:\n  random: 3\n  model.n_embd: {range: [64, 2]}\n",
         "@:3: model.n_embd: 64 to 2 is"},
        {"sweep: {random: 3, model.n_embd: {range: [0, 2]}}\n",
         "must be from 1 to 8192, not 0 to 2"},
        {"sweep: {random: 3, model.n_embd: {range: [1, 2.5]}}\n", "must be whole numbers"},
        {"sweep: {random: 3, model.n_embd: {range: [2]}}\n", "range takes two numbers"},
        {"sweep: {random: 3, model.n_embd: {range: ['2', 3]}}\n", "range takes two numbers"},
        {"sweep: {random: 3, model.n_embd: {range: [2, 3], choice: [2]}}\n", "is a single range"},
        {"sweep: {random: 3, train.optimizer: {range: [0, 2]}}\n", "is not a number; list its"},
        {"sweep: {random: 3, train.optimizer: {choice: [adam, sdg]}}\n", "sgd"},
        {"sweep: {random: 3, train.optimizer: {choice: adam}}\n", "choice takes a list"},
        {"sweep: {random: 3, train.learning_rate: {log_range: [0, 1]}}\n", "begins above 0"},
        {"sweep: {train.learning_rate: {from: 0, to: 1, steps: 3, scale: log}}\n", "above 0"},
        {"sweep: {train.learning_rate: {from: 0, to: 1, steps: 1}}\n", "with 2 to"},
        {"sweep: {train.learning_rate: {from: 0, to: 1}}\n", "are written like {from: 1"},
        {"sweep: {train.learning_rate: {from: 0, to: 1, steps: 3, scale: lin}}\n", "not 'lin'"},
        {"sweep: {train.learning_rate: {from: 0, till: 1}}\n", "there is no key 'till'"},
        {"sweep: {train.learning_rate: {from: 1e999, to: 1, steps: 3}}\n", "are written like"},
        {"sweep: {train.learning_rate: {}}\n", "a mapping"},
        {"sweep:\n  random: 50\n  task.offset: {range: [0, 9]}\n", "@:3: task.offset"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused_with(cases[i][0], NULL, 0, FV_USAGE, cases[i][1]);
}

// --- adaptive sweeps -----------------------------------------------------------------------------

// Trains nothing: each run's "loss" is given by `truth`. Returns the number of runs after the
// round.
static int refine_with(fv_experiment *e, double (*truth)(const fv_config *config), bool *grew) {
    int n = fv_experiment_n_runs(e);
    fv_record *records = calloc((size_t)n, sizeof *records);
    const fv_record **all = calloc((size_t)n, sizeof *all);
    assert_non_null(records);
    assert_non_null(all);
    for (int i = 0; i < n; i++) {
        fv_record_init(&records[i]);
        fv_record_set_config(&records[i], NULL, NULL);
        fv_experiment_config(e, i, records[i].config);
        fv_record_add(&records[i], "loss", 0, (float)truth(records[i].config));
        all[i] = &records[i];
    }
    fv_error error = {0};
    if (fv_experiment_refine(e, all, grew, &error) != FV_OK) fail_msg("%s", error.text);
    for (int i = 0; i < n; i++) fv_record_free(&records[i]);
    free(records);
    free(all);
    return fv_experiment_n_runs(e);
}

static const char ADAPTIVE[] = "sweep:\n"
                               "  adaptive: {measure: final(loss), threshold: 0, rounds: 4}\n"
                               "  train.learning_rate: {from: 0, to: 1, steps: 3}\n"
                               "  train.weight_decay: {from: 0, to: 1, steps: 3}\n"
                               "  train.seed: 0..1\n";

static double circle(const fv_config *c) {
    double x = c->train.learning_rate, y = c->train.weight_decay;
    return x * x + y * y - 0.64;
}

static double nowhere(const fv_config *c) {
    (void)c;
    return -1;
}

static double nan_beyond_half(const fv_config *c) {
    return c->train.learning_rate > 0.5 ? (double)NAN : -1;
}

// Every cell of the finest size that the circle crosses has been run at its corners, for far fewer
// runs than the full grid of 33 x 33.
static void adaptive_sweeps_follow_the_boundary(void **state) {
    (void)state;
    fv_experiment *e = read_text(ADAPTIVE);
    assert_int_equal(fv_experiment_n_runs(e), 2 * 9);
    int n = 0, rounds = 0;
    bool grew = true;
    while (grew) {
        n = refine_with(e, circle, &grew);
        rounds += grew;
    }
    assert_int_equal(rounds, 4);
    assert_in_range(n, 2 * 100, 2 * 33 * 33 / 3);
    static bool run[33][33];
    memset(run, 0, sizeof run);
    for (int i = 0; i < n; i++) {
        fv_config c;
        fv_experiment_config(e, i, &c);
        run[lround(32 * c.train.learning_rate)][lround(32 * c.train.weight_decay)] = true;
    }
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) {
            int inside = i * i + j * j < 0.64 * 1024;
            int beyond = (i + 1) * (i + 1) + (j + 1) * (j + 1) >= 0.64 * 1024;
            if (inside && beyond)
                assert_true(run[i][j] && run[i + 1][j] && run[i][j + 1] && run[i + 1][j + 1]);
        }
    assert_false(run[1][1]); // deep inside, nothing was refined
    fv_experiment_free(e);
}

// The same results lead to the same runs; a flat map ends at once; "never" is above the threshold.
static void adaptive_sweeps_depend_on_results_alone(void **state) {
    (void)state;
    bool grew;
    char first[8192], second[8192];
    for (int pass = 0; pass < 2; pass++) {
        fv_experiment *e = read_text(ADAPTIVE);
        refine_with(e, circle, &grew);
        int n = refine_with(e, circle, &grew);
        char *out = pass ? second : first;
        size_t used = 0;
        for (int i = 0; i < n; i++) {
            fv_config c;
            fv_experiment_config(e, i, &c);
            used += (size_t)snprintf(out + used, sizeof first - used, "%g %g %d\n",
                                     c.train.learning_rate, c.train.weight_decay, c.train.seed);
        }
        fv_experiment_free(e);
    }
    assert_string_equal(first, second);
    fv_experiment *e = read_text(ADAPTIVE);
    assert_int_equal(refine_with(e, nowhere, &grew), 2 * 9);
    assert_false(grew);
    fv_experiment_free(e);
    e = read_text(ADAPTIVE);
    assert_int_equal(refine_with(e, nan_beyond_half, &grew),
                     2 * (9 + 9)); // two cells share an edge
    fv_experiment_free(e);
}

static void adaptive_whole_numbers_run_once(void **state) {
    (void)state;
    fv_experiment *e = read_text("sweep:\n"
                                 "  adaptive: {measure: final(loss), threshold: 0, rounds: 5}\n"
                                 "  model.n_embd: {from: 1, to: 4, steps: 2, scale: log}\n"
                                 "  train.learning_rate: {from: 0, to: 1, steps: 2}\n");
    bool grew = true;
    int n = 0;
    while (grew) n = refine_with(e, circle, &grew);
    assert_true(n > 4 && n <= 4 * 33); // no width but 1, 2, 3, 4
    fv_experiment_free(e);
}

static void bad_adaptive_sweeps(void **state) {
    (void)state;
#define AXES                                                                                       \
    "train.learning_rate: {from: 0, to: 1, steps: 3}, train.weight_decay: {from: 0, to: 1, "       \
    "steps: 3}"
    static const char *const cases[][2] = {
        {"sweep: {adaptive: 3, " AXES "}\n", "@:1: adaptive must be like {measure:"},
        {"sweep: {adaptive: {measure: final(loss), rounds: 3}, " AXES "}\n", "must be like"},
        {"sweep: {adaptive: {measure: final(loss), threshold: 1, rounds: 9}, " AXES "}\n",
         "1 to 8"},
        {"sweep: {adaptive: {measure: final(los), threshold: 1, rounds: 1}, " AXES "}\n", "'los'"},
        {"sweep: {adaptive: {measur: x}, " AXES "}\n", "the nearest is 'measure'"},
        {"sweep: {adaptive: {measure: final(loss), threshold: 1, rounds: 1}}\n", "two fields with"},
        {"sweep: {adaptive: {measure: final(loss), threshold: 1, rounds: 1}, " AXES
         ", train.beta1: {from: 0, to: 0.5, steps: 3}}\n",
         "train.beta1 is a third field"},
        {"sweep: {random: 3, adaptive: {measure: final(loss), threshold: 1, rounds: 1}}\n",
         "a single mapping without 'random'"},
        {"sweep: [{train.seed: 1}, {adaptive: {measure: final(loss), threshold: 1, rounds: 1}}]\n",
         "a single mapping without 'random'"},
        {"sweep:\n  adaptive: {measure: final(loss), threshold: 1, rounds: 2}\n"
         "  task.offset: {from: 0, to: 3, steps: 2}\n"
         "  task.context_length: {from: 3, to: 8, steps: 2}\n",
         "task.offset 3 reaches past"},
        {"sweep: {adaptive: {measure: final(loss), threshold: 1, rounds: 8},\n"
         "        train.learning_rate: {from: 0, to: 1, steps: 9},\n"
         "        train.weight_decay: {from: 0, to: 1, steps: 9}}\n",
         "more than 1000000 points"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused_with(cases[i][0], NULL, 0, FV_USAGE, cases[i][1]);
    const char *override[] = {"train.weight_decay=0.5"};
    expect_refused_with(ADAPTIVE, override, 1, FV_USAGE, "is refined by the adaptive sweep");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_spaced_evenly),
        cmocka_unit_test(samples_follow_their_distribution),
        cmocka_unit_test(samples_of_whole_numbers),
        cmocka_unit_test(samples_stay_when_a_sweep_grows),
        cmocka_unit_test(samples_multiply_with_axes),
        cmocka_unit_test(bad_spreads),
        cmocka_unit_test(adaptive_sweeps_follow_the_boundary),
        cmocka_unit_test(adaptive_sweeps_depend_on_results_alone),
        cmocka_unit_test(adaptive_whole_numbers_run_once),
        cmocka_unit_test(bad_adaptive_sweeps),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
