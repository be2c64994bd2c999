// Notes of verdicts: claims that overrides left without their runs are listed, and however many
// runs a claim has, its note can be read.
#include "engine.h"

#include <fovea/claim.h>
#include <fovea/config.h>
#include <unistd.h>

enum { MOST = 1000 };

// Judges the file's claims on runs whose loss is 100 * seed + width / 10.
static fv_judgement *judge(const char *yaml, const char *override, int *n_claims) {
    char path[] = "/tmp/test_claim_notes.XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, yaml, strlen(yaml)), strlen(yaml));
    close(file);
    fv_experiment *e;
    fv_error error = {0};
    fv_status status = fv_experiment_read(path, &override, override != NULL, &e, &error);
    unlink(path);
    if (status != FV_OK) fail_msg("%s", error.text);
    int n = fv_experiment_n_runs(e);
    assert_true(n <= MOST);
    fv_record *runs = calloc(MOST, sizeof *runs);
    const fv_record *pointers[MOST];
    for (int i = 0; i < n; i++) {
        fv_record_init(&runs[i]);
        fv_record_set_config(&runs[i], NULL, NULL);
        fv_experiment_config(e, i, runs[i].config);
        const fv_config *c = runs[i].config;
        float loss = 100 * (float)c->train.seed + (float)c->model.n_embd / 10;
        fv_record_add(&runs[i], "loss", 0, loss);
        pointers[i] = &runs[i];
    }
    fv_judgement *j = NULL;
    *n_claims = e->n_claims;
    if (fv_claims_judge(e, pointers, n, &j, &error) != FV_OK) fail_msg("%s", error.text);
    for (int i = 0; i < n; i++) fv_record_free(&runs[i]);
    free(runs);
    fv_experiment_free(e);
    return j;
}

static void expect(const char *yaml, const char *override, const char *const *notes) {
    int n;
    fv_judgement *j = judge(yaml, override, &n);
    for (int i = 0; i < n; i++) {
        char text[2048];
        snprintf(text, sizeof text, "%s: %s; %s", fv_verdict_text(j[i].verdict), j[i].measured,
                 j[i].note);
        if (strcmp(text, notes[i]) != 0)
            fail_msg("%s: '%s' instead of '%s'", override, text, notes[i]);
    }
    fv_judgements_free(j, n);
}

static void claims_without_runs_are_listed(void **state) {
    (void)state;
    static const char yaml[] =
        "sweep: {task.vocab_size: [4, 10], train.steps: [10, 20], train.seed: [0, 1]}\n"
        "claims:\n"
        "  - {statement: one, where: {task.vocab_size: 4}, measure: final(loss), below: 999}\n"
        "  - {statement: trend, measure: final(loss), across: task.vocab_size, trend: increasing}\n"
        "  - {statement: seed, where: {train.seed: 1}, measure: final(loss), below: 999, note: "
        "N.}\n";
#define APART "not comparable: none; not comparable: "
#define SIZE  "task.vocab_size was changed"
    static const char seed_apart[] =
        "not comparable: median 100.2 (100.2 to 100.2); not comparable: " SIZE
        "; 1 of 1 seeds (rate at least 0.21) below 999. N.";
    expect(yaml, "task.vocab_size=10", (const char *[]){APART SIZE, APART SIZE, seed_apart});
    expect(yaml, "task.vocab_size=7", (const char *[]){APART SIZE, APART SIZE, seed_apart});
    expect(yaml, "task.vocab_size=7,8",
           (const char *[]){APART SIZE,
                            "not comparable: medians 7: 50.2, 8: 50.2; not comparable: " SIZE
                            "; 0 of 2 seeds increasing with task.vocab_size; seeds 0, 1 did not "
                            "(0.2, 0.2, 0.2, 0.2; 100.2, 100.2, 100.2, 100.2)",
                            seed_apart});
    int n;
    fv_judgement *j = judge(yaml, "train.seed=0", &n);
    assert_string_equal(j[0].note, "1 of 1 seeds (rate at least 0.21) below 999");
    assert_string_equal(j[2].note, "not comparable: train.seed was changed. N.");
    assert_int_equal(j[2].verdict, FV_NOT_COMPARABLE);
    assert_int_equal(j[2].n_seeds, 0);
    assert_int_equal(j[2].diverged.n_runs, 0);
    assert_true(isnan(j[2].median));
    fv_judgements_free(j, n);
}

// What an override takes away may also be what is measured.
static void claims_without_their_measure_are_listed(void **state) {
    (void)state;
    expect("task: {data: fixed}\nclaims: [{statement: s, measure: final(test_loss), below: 1}]\n",
           "task.n_test=0", (const char *[]){APART "task.n_test was changed"});
}

// A mistake of the file stays one, whatever is overridden.
static void mistakes_are_not_excused(void **state) {
    (void)state;
    static const char yaml[] = "claims: [{statement: s, where: {train.steps: 7}, measure: "
                               "final(loss), below: 1}]\n";
    char path[] = "/tmp/test_claim_notes.XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, yaml, strlen(yaml)), strlen(yaml));
    close(file);
    fv_experiment *e;
    fv_error error = {0};
    const char *const override = "train.seed=0";
    assert_int_equal(fv_experiment_read(path, &override, 1, &e, &error), FV_OK);
    unlink(path);
    fv_record run;
    fv_record_init(&run);
    fv_record_set_config(&run, NULL, NULL);
    const fv_record *const runs[] = {&run};
    fv_judgement *j;
    assert_int_equal(fv_claims_judge(e, runs, 1, &j, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "selects no run"));
    fv_record_free(&run);
    fv_experiment_free(e);
}

static void many_runs_leave_a_short_note(void **state) {
    (void)state;
    expect("sweep: {model.n_embd: 1..300, train.seed: 0..2}\n"
           "claims:\n"
           "  - {statement: low, measure: final(loss), below: 100}\n"
           "  - {statement: falls, measure: final(loss), across: model.n_embd, trend: "
           "decreasing}\n",
           NULL,
           (const char *[]){
               "not reproduced: median 115 (0.1 to 230); 1 of 3 seeds (rate at least 0.06) below "
               "100; seeds 1, 2 did "
               "not (100.1, 100.2, 100.3, 100.4 and 296 more: minimum 100.1, median 115, maximum "
               "130; 200.1, 200.2, 200.3, 200.4 and 296 more: minimum 200.1, median 215.1, maximum "
               "230)",
               "not reproduced: medians 1: 100.1, 2: 100.2, 3: 100.3, 4: 100.4, 295 more from "
               "100.1 to 130, 300: 130; 0 of 3 seeds decreasing with model.n_embd; seeds 0, 1, 2 "
               "did not (0.1, 0.2, 0.3, 0.4 and 296 more: minimum 0.1, median 15.05, maximum 30; "
               "100.1, 100.2, 100.3, 100.4 and 296 more: minimum 100.1, median 115, maximum 130; "
               "200.1, 200.2, 200.3, 200.4 and 296 more: minimum 200.1, median 215.1, maximum "
               "230)"});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_without_runs_are_listed),
        cmocka_unit_test(claims_without_their_measure_are_listed),
        cmocka_unit_test(mistakes_are_not_excused),
        cmocka_unit_test(many_runs_leave_a_short_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
