// Which overrides leave a claim about the runs of its file, and which do not.
#include "claims/comparable.h"
#include "engine.h"

#include <unistd.h>

// What keeps the file's one claim from being judged; "" where nothing does.
static void expect(const char *yaml, const char *const *overrides, const char *why) {
    char path[] = "/tmp/test_comparable.XXXXXX";
    int file = mkstemp(path), n = 0;
    assert_int_equal(write(file, yaml, strlen(yaml)), strlen(yaml));
    close(file);
    while (overrides[n] != NULL) n++;
    fv_experiment *experiment;
    fv_error error = {0};
    fv_status status = fv_experiment_read(path, overrides, n, &experiment, &error);
    unlink(path);
    if (status != FV_OK) fail_msg("%s", error.text);
    claim_plan plan;
    text_buffer found = {0};
    assert_int_equal(claim_read(experiment, 0, &plan, &error), FV_OK);
    assert_int_equal(comparable_find(experiment, &plan, &found, &error), FV_OK);
    const char *text = found.data != NULL ? found.data : "";
    if (strcmp(text, why) != 0)
        fail_msg("%s ...: '%s' instead of '%s'", n > 0 ? overrides[0] : "", text, why);
    text_free(&found);
    fv_experiment_free(experiment);
}

#define WITH(...)                                                                                  \
    (const char *const[]) {                                                                        \
        __VA_ARGS__, NULL                                                                          \
    }
#define CLAIM(where) "claims: [{statement: s, measure: final(loss), below: 1" where "}]\n"
#define GRID                                                                                       \
    "train: {steps: 100, seed: 0..4}\n"                                                            \
    "sweep: {task.vocab_size: [4, 10], train.learning_rate: [1e-3, 1e-2]}\n"

static void test_seeds_and_watching(void **state) {
    (void)state;
    static const char *const judged[] = {"train.seed=0",
                                         "train.seed=7..9",
                                         "train.log_every=3",
                                         "train.snapshot_every=7",
                                         "train.snapshots=1,20",
                                         "train.probe_every=50",
                                         "train.steps=100",
                                         "task.vocab_size=10,4",
                                         "model.n_embd=2",
                                         "model.residual=false",
                                         "train.learning_rate=0.01,0.001",
                                         "task.vocab_size=4,10,4"};
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++)
        expect(GRID CLAIM(""), WITH(judged[i]), "");
    expect(GRID CLAIM(""), (const char *const[]){NULL}, "");
}

static void test_changed_runs(void **state) {
    (void)state;
    expect(GRID CLAIM(""), WITH("train.steps=50"), "train.steps was changed");
    expect(GRID CLAIM(""), WITH("train.steps=50,100"), "train.steps was changed");
    expect(GRID CLAIM(""), WITH("model.layers=attention,mlp", "train.seed=1"),
           "model.layers was changed");
    expect(GRID CLAIM(""), WITH("task.vocab_size=4,10,20"), "task.vocab_size was changed");
    expect(GRID CLAIM(""), WITH("task.vocab_size=4"), "task.vocab_size was changed");
    expect(GRID CLAIM(""), WITH("train.learning_rate=1e-2", "model.n_embd=3"),
           "model.n_embd was changed, train.learning_rate was changed");
}

// Only the runs that the claim selects matter.
static void test_selected_runs(void **state) {
    (void)state;
#define FOUR ", where: {task.vocab_size: 4}"
    expect(GRID CLAIM(FOUR), WITH("task.vocab_size=4"), "");
    expect(GRID CLAIM(FOUR), WITH("task.vocab_size=4,20"), "");
    expect(GRID CLAIM(FOUR), WITH("train.learning_rate=1e-3"), "train.learning_rate was changed");
    expect(GRID CLAIM(FOUR), WITH("train.steps=7"), "train.steps was changed");
}

// Grids that are no full product: each value is the file's, but not this combination.
static void test_combinations(void **state) {
    (void)state;
#define GRIDS                                                                                      \
    "sweep:\n"                                                                                     \
    "  - {task.vocab_size: 4, model.n_embd: 2, train.seed: 0..2}\n"                                \
    "  - {task.vocab_size: 10, model.n_embd: 3, train.seed: 0}\n"
    expect(GRIDS CLAIM(""), WITH("train.seed=5"), "");
    expect(GRIDS CLAIM(""), WITH("model.n_embd=2,3"), "the sweep was changed");
    expect(GRIDS CLAIM(""), WITH("model.n_embd=3"), "model.n_embd was changed");
}

static void test_drawn_and_refined_runs(void **state) {
    (void)state;
#define DRAWN "sweep: {random: 5, model.n_embd: {range: [2, 9]}, train.seed: 0..1}\n"
    expect(DRAWN CLAIM(""), WITH("train.seed=3"), "");
    expect(DRAWN CLAIM(""), WITH("train.steps=3"), "train.steps was changed");
#define REFINED                                                                                    \
    "sweep:\n  adaptive: {measure: final(loss), threshold: 1, rounds: 2}\n"                        \
    "  model.n_embd: {from: 2, to: 6, steps: 3}\n"                                                 \
    "  train.learning_rate: {from: 1e-3, to: 1e-1, steps: 3, scale: log}\n"
    expect(REFINED CLAIM(""), WITH("train.seed=0..3"), "");
    expect(REFINED CLAIM(""), WITH("train.batch_size=8"), "train.batch_size was changed");
}

// A run of the file that waits until it is asked for may be there or not.
static void test_optional_runs(void **state) {
    (void)state;
#define HELD "sweep: {task.vocab_size: [4, 10, 40]}\noptional: {task.vocab_size: 40}\n"
    expect(HELD CLAIM(""), WITH("train.seed=3"), "");
    expect(HELD CLAIM(""), WITH("task.vocab_size=4,10,40"), "");
    expect(HELD CLAIM(""), WITH("task.vocab_size=4,10"), "");
    expect(HELD CLAIM(""), WITH("task.vocab_size=40"), "task.vocab_size was changed");
    expect(HELD CLAIM(", where: {task.vocab_size: 40}"), WITH("task.vocab_size=40"), "");
}

// A length that follows from the pairs is the same length written out.
static void test_settled_lengths(void **state) {
    (void)state;
#define RECALL "task: {name: recall, context_length: 0, n_pairs: 4, vocab_size: 20}\n"
    expect(RECALL CLAIM(""), WITH("task.context_length=9"), "");
    expect(RECALL CLAIM(""), WITH("task.n_pairs=5"), "task.n_pairs was changed");
}

static void test_file_that_overrides_mend(void **state) {
    (void)state;
    expect("task: {offset: 9, context_length: 4}\n" CLAIM(""), WITH("task.context_length=12"),
           "without the overrides the file is a mistake");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_and_watching),
        cmocka_unit_test(test_changed_runs),
        cmocka_unit_test(test_selected_runs),
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_drawn_and_refined_runs),
        cmocka_unit_test(test_optional_runs),
        cmocka_unit_test(test_settled_lengths),
        cmocka_unit_test(test_file_that_overrides_mend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
