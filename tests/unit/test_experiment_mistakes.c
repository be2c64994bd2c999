// Every mistake of an experiment file is said with its file and line before anything is trained.
#include "base/text.h"
#include "experiments.h"

static void bad_overrides(void **state) {
    (void)state;
    static const struct {
        const char *override, *message;
    } cases[] = {
        {"task.vocab_size=1", "task.vocab_size must be a whole number from 2 to 1000000, not '1'"},
        {"task.vocab_size=", "'task.vocab_size=' has no value; write task.vocab_size=100"},
        {"task.vocab_size=[]", "an empty list leaves nothing to run"},
        {"task.vocab_size=[4", "has no value that YAML can read"},
        {"task.vocab_size=4]", "has no value that YAML can read"},
        {"task.vocab_size=*x", "has no value that YAML can read"},
        {"task.vocab_size={a: 1}", "a mapping"},
        {"task.vocab_size", "is no override; write key=value"},
        {"=4", "is no override"},
        {"vocab_size=4", "there is no field 'vocab_size'; the nearest is 'task.vocab_size'"},
        {"train.learning_rate=-1", "train.learning_rate must be a number from 0 to 1000, not '-1'"},
        {"train.seed=5..1", "runs backwards; write 1..5"},
        {"train.seed=-1..1", "whole numbers from 0"},
        {"train.seed=0..99999999", "more than 10000000 values"},
        {"train.learning_rate=0..1", "must be a number"},
        {"model.n_head=3", "model.n_head 3 does not divide model.n_embd 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused_with("{}\n", &cases[i].override, 1, FV_USAGE, cases[i].message);
    const char *huge[] = {"train.seed=0..9999", "task.vocab_size=[4, 5]",
                          "train.batch_size=1..501"};
    expect_refused_with("{}\n", huge, 3, FV_USAGE, "more than 10000000 runs");
}

static void mistakes_have_a_line(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *message;
        fv_status status;
    } cases[] = {
        {"", "@:1: the file is empty", FV_FORMAT},
        {"# nothing\n", "the file is empty", FV_FORMAT},
        {"- a\n", "@:1: an experiment is a mapping", FV_USAGE},
        {"text\n", "@:1: an experiment is a mapping", FV_USAGE},
        {"task:\n  {name: copy\nmodel: 3\n", "@:3: YAML syntax: ", FV_FORMAT},
        {"task: {}\n\ttrain: {}\n", "@:2: YAML syntax: ", FV_FORMAT},
        {"task: {}\n---\ntask: {}\n", "@:2: only one document", FV_FORMAT},
        {"a: &a {}\nb: *a\n", "@:1: YAML anchors (&) and aliases (*) are refused", FV_FORMAT},
        {"task:\n  vocab_size: *a\n", "@:2: YAML anchors", FV_FORMAT},
        {"task:\n  vocab_size: !!int 4\n", "@:2: YAML tags", FV_FORMAT},
        {"task: {}\nmodel: {}\ntask: {}\n", "@:3: the key 'task' is given twice, first in line 1",
         FV_FORMAT},
        {"task:\n  {a: 1, b: 2,\n   a: 3}\n", "@:3: the key 'a' is given twice", FV_FORMAT},
        {"? [a]\n: 1\n", "a key must be a word", FV_FORMAT},
        {"x: \xff\n", "@:1: this is not UTF-8 text", FV_FORMAT},
        {"a: 1\n\nx: \xff\n", "@:3: this is not UTF-8 text", FV_FORMAT},
        {"a: 1\nb: 2\nx: \1\n", "@:3: this is not UTF-8 text: control characters", FV_FORMAT},
        {"\xef\xbb\xbf\xef\xbb\xbf"
         "task: {}\n",
         "@:1: the text begins with two byte order marks", FV_FORMAT},
        {"optional: {train.seed: 0..9..3}\n", "; a range of whole numbers is written 0..9, both",
         FV_USAGE},
        {"train: {steps: 2 .. 4}\n", "; a range is written 2..4, both ends included", FV_USAGE},
        {"model: {dropout: 0.1}\n", "@:1: there is no field 'model.dropout': Fovea has no dropout",
         FV_USAGE},
        {"x: \"a\\0b\"\n", "NUL", FV_FORMAT},
        {"\nsweeps: {}\n", "@:2: there is no key 'sweeps'; the nearest is 'sweep'", FV_USAGE},
        {"task: 3\n", "@:1: 'task' must be a mapping such as", FV_USAGE},
        {"task:\n  vocabsize: 3\n",
         "@:2: there is no field 'task.vocabsize'; the nearest is 'task.vocab_size'", FV_USAGE},
        {"task:\n  n_embd: 3\n", "the nearest is 'model.n_embd'", FV_USAGE},
        {"task:\n  vocab_size: 1\n", "@:2: task.vocab_size must be a whole number from 2",
         FV_USAGE},
        {"train:\n  steps: 10\n  learning_rate: -1\n", "@:3: train.learning_rate must be",
         FV_USAGE},
        {"train:\n  steps: ten\n", "@:2: train.steps must be a whole number", FV_USAGE},
        {"train:\n  steps: '10'\n", "@:2: train.steps must be a whole number", FV_USAGE},
        {"train:\n  steps:\n", "@:2: train.steps", FV_USAGE},
        {"train:\n  seed: []\n", "@:2: train.seed: an empty list leaves nothing to run", FV_USAGE},
        {"task: {context_length: 0}\n", "@:1: task.context_length must be", FV_USAGE},
        {"model:\n  n_embd: 10\n  n_head: 3\n", "@:3: model.n_head 3 does not divide", FV_USAGE},
        {"task:\n  offset: 4\n", "@:2: task.offset 4 reaches past the context", FV_USAGE},
        {"sweep:\n  task.offset: [0, 3, 4]\n", "@:2: task.offset 4 reaches past", FV_USAGE},
        {"sweep:\n  - task.offset: [0]\n  - task.context_length: [9, 1]\n    task.offset: 1\n",
         "@:4: task.offset 1 reaches past the context; task.context_length 1", FV_USAGE},
        {"sweep:\n  vocab_size: [4]\n", "@:2: there is no field 'vocab_size'", FV_USAGE},
        {"sweep: 3\n", "@:1: 'sweep' must be a mapping", FV_USAGE},
        {"sweep: []\n", "@:1: 'sweep' has a grid of zero cells", FV_USAGE},
        {"task: {}\nsweep: {}\n", "@:2: 'sweep' has a grid of zero cells", FV_USAGE},
        {"sweep:\n  - {}\n", "@:2: 'sweep' has a grid of zero cells", FV_USAGE},
        {"sweep:\n  - {train.seed: 1}\n  - {}\n", "@:3: 'sweep' has a grid of zero cells",
         FV_USAGE},
        {"task: {vocab_size: [4, 5]}\nsweep: {}\n", "@:2: 'sweep' has a grid", FV_USAGE},
        {"sweep: [3]\n", "must be a mapping", FV_USAGE},
        {"sweep: {train.seed: []}\n", "an empty list", FV_USAGE},
        {"sweep: {train.seed: 0..9999999, task.vocab_size: [4, 5]}\n", "more than 10000000 runs",
         FV_USAGE},
        {"probes: loss\n", "@:1: 'probes' must be a list", FV_USAGE},
        {"probes: [loss, none]\n", "@:1: there is no probe 'none'", FV_USAGE},
        {"probes:\n  - loss\n  - effectiverank\n",
         "@:3: there is no probe 'effectiverank'; the nearest is 'effective_rank'", FV_USAGE},
        {"probes: [[loss]]\n", "must list names, not a list", FV_USAGE},
        {"source: [a]\n", "@:1: 'source' must be a value", FV_USAGE},
        {"figure: 3\n", "@:1: here stands a value where a mapping", FV_USAGE},
        {"figure:\n  - {kind: curves}\n  - 3\n", "@:3: here stands a value", FV_USAGE},
        {"figure: {kind: [[a]]}\n", "@:1: the list of 'kind' must hold single values", FV_USAGE},
        {"figure:\n  kind:\n", "@:2: 'kind' has no value", FV_USAGE},
        {"figure: {where: {a: 1}, where.a: 2}\n", "@:1: 'where.a' is given twice", FV_USAGE},
        {"claims: {statement: a}\n", "@:1: 'claims' must be a list", FV_USAGE},
        {"optional: 3\n", "@:1: here stands a value where a mapping", FV_USAGE},
        {"optional:\n  task.pairs: 3\n",
         "@:2: 'task.pairs' is no field; the nearest is task.n_pairs", FV_USAGE},
        {"optional:\n  train.seed: one\n", "@:2: train.seed", FV_USAGE},
        {"optional: {train.seed: 0}\n", "all 1 runs of the sweep are optional", FV_USAGE},
        {"optional: {train.seed: 0}\n"
         "sweep: {adaptive: {measure: final(loss), threshold: 1, rounds: 1},\n"
         "        model.n_embd: {from: 1, to: 9, steps: 3},\n"
         "        task.context_length: {from: 2, to: 8, steps: 3}}\n",
         "@:1: an adaptive sweep chooses its runs itself", FV_USAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused_with(cases[i].yaml, NULL, 0, cases[i].status, cases[i].message);
}

static void fields_must_be_read_by_some_run(void **state) {
    (void)state;
    static const char *const sound[] = {
        "sweep: {model.score: [dot, euclidean], model.score_beta: [1, 4]}\n",
        "model: {score_beta: 4}\nsweep: [{model.score: dot}, {model.score: [euclidean]}]\n",
        "task: {name: [copy, similar], offset: 1, ties: later}\n",
        "model: {d_positions: 1}\nsweep: {model.positions: [none, learned]}\n",
        "task: {n_test: 9}\nsweep: {task.data: [fresh, fixed]}\n",
        "sweep: {random: 8, model.score: {choice: [dot, euclidean]}, model.score_beta: 4}\n",
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        fv_experiment_free(read_text(sound[i]));
    static const char *const cases[][2] = {
        {"model:\n  score_beta: 4\n",
         "@:2: model.score_beta 4 is not read by model.score dot, only by euclidean"},
        {"sweep: {model.score: [dot, harmonic], model.score_beta: [1, 4]}\n",
         "@:1: model.score_beta 4 is not read by model.score dot, only by euclidean"},
        {"task: {name: [copy, recall], n_pairs: 4, context_length: 9}\nmodel: {bias: true,\n"
         "  activation: relu}\n",
         "@:3: model.activation relu is not read by model.layers [attention], only by mlp"},
        {"sweep: [{train.beta1: 0.5, train.optimizer: sgd}, {train.optimizer: momentum}]\n",
         "@:1: train.beta1 0.5 is not read by train.optimizer sgd, only by adam, adamw and muon"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused_with(cases[i][0], NULL, 0, FV_USAGE, cases[i][1]);
    // An override can take the reader away, and give it.
    const char *dot[] = {"model.score=dot"}, *euclidean[] = {"model.score=euclidean"};
    expect_refused_with("model: {score: euclidean, score_beta: 4}\n", dot, 1, FV_USAGE,
                        "@:1: model.score_beta 4 is not read by model.score dot");
    fv_experiment_free(read_with("model: {score_beta: 4}\n", euclidean, 1));
}

static void hostile_sizes(void **state) {
    (void)state;
    text_buffer deep = {0}, many = {0}, keys = {0}, large = {0};
    for (int i = 0; i < 100; i++) text_add(&deep, "[");
    expect_refused_with(deep.data, NULL, 0, FV_FORMAT, "nested more than 16 deep");
    text_add(&many, "sweep: {train.seed: [0");
    for (int i = 0; i < 250000; i++) text_add(&many, ",0");
    text_add(&many, "]}\n");
    expect_refused_with(many.data, NULL, 0, FV_FORMAT, "more than 200000 values");
    for (int i = 0; i < 1001; i++) text_add(&keys, "k%d: 1\n", i);
    expect_refused_with(keys.data, NULL, 0, FV_FORMAT, "more than 1000 keys");
    for (int i = 0; i < 40000; i++) text_add(&large, "# 0123456789012345678901234567\n");
    expect_refused_with(large.data, NULL, 0, FV_FORMAT, "longer than 1048576 bytes");
    text_free(&deep);
    text_free(&many);
    text_free(&keys);
    text_free(&large);
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    fv_experiment *experiment;
    fv_error error = {0};
    unlink(path);
    assert_int_equal(fv_experiment_read(path, NULL, 0, &experiment, &error), FV_NOT_FOUND);
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(fv_experiment_read(folder, NULL, 0, &experiment, &error), FV_NOT_FOUND);
    assert_non_null(strstr(error.text, "is a folder"));
    assert_int_equal(fv_experiment_read(folder, NULL, 0, &experiment, NULL), FV_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_overrides),
        cmocka_unit_test(mistakes_have_a_line),
        cmocka_unit_test(fields_must_be_read_by_some_run),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
