// A field chosen for each arm: which runs try its values, which value wins, and that nothing of the
// trials is judged.
#include "engine.h"
#include "experiments.h"

#include <fovea/config.h>
#include <fovea/study.h>

static const char FILE_TEXT[] =
    "model: {n_embd: 4}\n"
    "sweep:\n"
    "  - {task.vocab_size: [4, 8], train.seed: 0..2}\n"
    "  - {task.vocab_size: 16, train.seed: 0..2}\n"
    "choose: {train.learning_rate: [1e-3, 1e-2, 1e-1], seeds: 100..102, measure: final(loss)}\n";

// One round with given losses; returns what fv_experiment_refine says.
static bool refine(fv_experiment *e, double (*truth)(const fv_config *config), int diverged) {
    int n = fv_experiment_n_runs(e);
    bool grew;
    fv_record *records = calloc((size_t)n, sizeof *records);
    const fv_record **all = calloc((size_t)n, sizeof *all);
    assert_true(records != NULL && all != NULL);
    for (int i = 0; i < n; i++) {
        fv_record_init(&records[i]);
        fv_record_set_config(&records[i], NULL, NULL);
        fv_experiment_config(e, i, records[i].config);
        fv_record_add(&records[i], "loss", 0, (float)truth(records[i].config));
        if (i == diverged) records[i].outcome = FV_OUTCOME_DIVERGED;
        all[i] = &records[i];
    }
    fv_error error = {0};
    if (fv_experiment_refine(e, all, &grew, &error) != FV_OK) fail_msg("%s", error.text);
    for (int i = 0; i < n; i++) fv_record_free(&records[i]);
    free(records);
    free(all);
    return grew;
}

// Larger vocabularies want lower rates; one seed in three is misled.
static double truth(const fv_config *c) {
    double best = c->task.vocab_size == 4 ? 1e-1 : c->task.vocab_size == 8 ? 1e-2 : 1e-3;
    double loss = fabs(log(c->train.learning_rate / best));
    return c->train.seed == 101 ? 10 - loss : loss;
}

static double alike(const fv_config *c) {
    (void)c;
    return 1;
}

static void collect(void *context, const char *sentence) {
    strcat(context, sentence);
    strcat(context, "; ");
}

static void each_arm_has_its_best_value(void **state) {
    (void)state;
    fv_experiment *e = read_text(FILE_TEXT);
    // Checked as it will be, each arm with the first value.
    expect_runs(e, "train.learning_rate", "0.001 0.001 0.001 0.001 0.001 0.001 0.001 0.001 0.001");
    char said[1024] = "";
    assert_int_equal(fv_experiment_choices(e, collect, said, NULL), FV_OK);
    assert_string_equal(said, "");

    assert_int_equal(fv_experiment_try(e, NULL), FV_OK);
    assert_int_equal(fv_experiment_n_runs(e), 3 * 3 * 3);
    expect_runs(e, "train.seed",
                "100 100 100 101 101 101 102 102 102 100 100 100 101 101 101 102 102 102 "
                "100 100 100 101 101 101 102 102 102");
    assert_true(refine(e, truth, -1));
    expect_runs(e, "train.seed", "0 1 2 0 1 2 0 1 2");
    expect_runs(e, "task.vocab_size", "4 4 4 8 8 8 16 16 16");
    expect_runs(e, "train.learning_rate", "0.1 0.1 0.1 0.01 0.01 0.01 0.001 0.001 0.001");
    assert_int_equal(fv_experiment_choices(e, collect, said, NULL), FV_OK);
    assert_string_equal(
        said, "train.learning_rate 0.1, at the end of those tried where task.vocab_size 4; "
              "train.learning_rate 0.01 where task.vocab_size 8; train.learning_rate 0.001, at the "
              "end of those tried where task.vocab_size 16; ");
    assert_false(refine(e, truth, -1)); // nothing is left to be tried
    assert_int_equal(fv_experiment_try(e, NULL), FV_OK);
    expect_runs(e, "train.seed", "0 1 2 0 1 2 0 1 2");
    fv_experiment_free(e);
}

// The first of equal values; a run that diverged is worse than any loss.
static void ties_and_divergence(void **state) {
    (void)state;
    static const char text[] = "choose: {train.learning_rate: [1e-3, 1e-2], seeds: 7, measure: "
                               "final(loss), best: highest}\n";
    fv_experiment *e = read_text(text);
    assert_int_equal(fv_experiment_try(e, NULL), FV_OK);
    assert_true(refine(e, alike, -1));
    expect_runs(e, "train.learning_rate", "0.001");
    fv_experiment_free(e);
    e = read_text(text);
    assert_int_equal(fv_experiment_try(e, NULL), FV_OK);
    assert_true(refine(e, alike, 0));
    expect_runs(e, "train.learning_rate", "0.01");
    fv_experiment_free(e);
    e = read_text(text); // freed while values are tried
    assert_int_equal(fv_experiment_try(e, NULL), FV_OK);
    fv_experiment_free(e);
}

static void rule_is_said(void **state) {
    (void)state;
    char rule[512];
    fv_experiment *e = read_text(FILE_TEXT);
    fv_experiment_choice_rule(e, rule, sizeof rule);
    assert_string_equal(rule, "train.learning_rate of each arm: of 0.001, 0.01, 0.1 the one with "
                              "the lowest median of final(loss) over seeds 100, 101, 102, which "
                              "are not judged");
    fv_experiment_free(e);
    e = read_text("{}");
    fv_experiment_choice_rule(e, rule, sizeof rule);
    assert_string_equal(rule, "");
    fv_experiment_free(e);
}

static void mistakes_are_refused(void **state) {
    (void)state;
#define RULE "measure: final(loss), seeds: 100}\n"
    static const char *const cases[][2] = {
        {"choose: 3\n", "@:1: choose must be like {train.learning_rate: [1e-3, 3e-3], seeds: "
                        "100..102, measure: final(loss), best: lowest}"},
        {"choose: {train.learning_rate: [1, 2], measure: final(loss)}\n",
         "@:1: choose must be like {train.learning_rate: [1e-3, 3e-3], seeds: 100..102, measure: "
         "final(loss), best: lowest}"},
        {"choose: {train.learning_rate: 1, " RULE,
         "@:1: choose: train.learning_rate has one value; give several to choose from"},
        {"choose: {train.seed: [1, 2], " RULE, "@:1: choose: a seed is no setting to be chosen"},
        {"choose: {train.learning_rat: [1, 2], " RULE,
         "@:1: choose: there is no field 'train.learning_rat'; the nearest is "
         "'train.learning_rate'"},
        {"choose: {train.learning_rate: [1, 2], train.beta1: [0.8, 0.9], " RULE,
         "@:1: choose: train.beta1 is a second field; one is chosen"},
        {"choose: {train.learning_rate: [1, 2], seeds: 0..2, measure: final(loss)}\n",
         "@:1: choose: seed 0 is judged too; choose on seeds that the sweep does not have, as in "
         "seeds: 100..102"},
        {"choose: {train.learning_rate: [1, 2], " RULE "train: {learning_rate: 1}\n",
         "@:2: train.learning_rate is chosen for each arm by `choose`; leave it out here"},
        {"choose: {train.learning_rate: [1, 2], " RULE "sweep: {train.learning_rate: [1, 2]}\n",
         "@:2: train.learning_rate is chosen for each arm by `choose`; leave it out here"},
        {"choose: {model.n_head: [2, 3], " RULE "model: {n_embd: 4}\n",
         "@:1: model.n_head 3 does not divide model.n_embd 4; each head gets n_embd / n_head "
         "dimensions"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused_with(cases[i][0], NULL, 0, FV_USAGE, cases[i][1]);
    static const char *const override[] = {"train.learning_rate=1e-3"};
    char message[256];
    snprintf(message, sizeof message,
             "train.learning_rate is chosen for each arm by %s and cannot be replaced", path);
    expect_refused_with(FILE_TEXT, override, 1, FV_USAGE, message);
}

typedef struct heard {
    int runs, rounds;
    char notices[512];
} heard;

static void on_run(void *context, const fv_record *record, bool cached) {
    (void)record, (void)cached;
    ((heard *)context)->runs++;
}

static void on_trained(void *context) {
    ((heard *)context)->rounds++;
}

static void on_notice(void *context, const char *text) {
    strcat(((heard *)context)->notices, text);
}

// A whole study: a rate of 0 learns nothing and is not chosen, trials are not judged.
static void studies_judge_the_best(void **state) {
    (void)state;
    static const char text[] =
        "task: {name: copy, vocab_size: 4, context_length: 2}\n"
        "train: {steps: 300, log_every: 50, seed: 0..1}\n"
        "choose: {train.learning_rate: [0, 1e-2], seeds: 100, measure: final(loss)}\n"
        "claims:\n"
        "  - {statement: it learns, measure: final(accuracy), above: 0.9, published: none}\n";
    char database[sizeof path + 16];
    snprintf(database, sizeof database, "%s/fovea.db", folder);
    write_bytes(text, strlen(text));
    fv_store *store = NULL;
    fv_study *study = NULL;
    heard h = {0};
    const fv_study_options options = {
        .keep_records = true,
        .lab = {.n_jobs = 1, .on_run = on_run, .on_notice = on_notice, .context = &h},
        .on_trained = on_trained};
    check_ok(fv_store_open(database, FV_STORE_WRITE, &store, NULL));
    check_ok(fv_study_read(path, NULL, 0, false, &study, NULL));
    check_ok(fv_study_run(study, store, &options, NULL));
    assert_true(h.runs == 4 && h.rounds == 2);
    assert_string_equal(h.notices, "sticky.plateau: train.learning_rate 0.01, at the end of those "
                                   "tried");
    assert_int_equal(study->n_runs, 2);
    for (int i = 0; i < 2; i++) assert_int_equal(study->records[i]->config->train.seed, i);
    assert_int_equal(study->verdicts[0]->verdict, FV_REPRODUCED);
    assert_string_equal(study->verdicts[0]->note, "2 of 2 seeds (rate at least 0.34) above 0.9");
    fv_study_free(study);
    fv_store_close(store);
    unlink(database);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_arm_has_its_best_value), cmocka_unit_test(ties_and_divergence),
        cmocka_unit_test(rule_is_said), cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(studies_judge_the_best)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
