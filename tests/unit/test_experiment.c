// Experiment files: what they mean, how overrides change them, and that every mistake is said with
// its file and line before anything is trained.
#include "base/yaml.h"

#include <fovea/experiment.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/fovea-experiment-XXXXXX/sticky.plateau.yaml";
static char folder[sizeof path];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fovea-experiment-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    memcpy(path, folder, strlen(folder));
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        fail_msg("%s cannot be written", path);
}

static fv_experiment *read_with(const char *yaml, const char *const *overrides, int n) {
    write_bytes(yaml, strlen(yaml));
    fv_experiment *experiment;
    fv_error error = {0};
    if (fv_experiment_read(path, overrides, n, &experiment, &error) != FV_OK)
        fail_msg("%s", error.text);
    return experiment;
}

static fv_experiment *read_text(const char *yaml) {
    return read_with(yaml, NULL, 0);
}

// "4 10 100": the field's values over all runs, in their order.
static void expect_runs(const fv_experiment *experiment, const char *key, const char *expected) {
    char all[4096] = "";
    for (int i = 0; i < fv_experiment_n_runs(experiment); i++) {
        fv_config config;
        fv_experiment_config(experiment, i, &config);
        if (i > 0) strcat(all, " ");
        size_t used = strlen(all);
        fv_config_get(&config, fv_field_find(key), all + used, sizeof all - used);
    }
    assert_string_equal(all, expected);
}

static void expect_refused_with(const char *yaml, const char *const *overrides, int n,
                                fv_status status, const char *message) {
    write_bytes(yaml, strlen(yaml));
    fv_experiment *experiment = (fv_experiment *)&status;
    fv_error error = {0};
    fv_status got = fv_experiment_read(path, overrides, n, &experiment, &error);
    assert_null(experiment);
    char expected[1024];
    const char *rest = message;
    expected[0] = '\0';
    if (strncmp(message, "@", 1) == 0) snprintf(expected, sizeof expected, "%s", path), rest++;
    strncat(expected, rest, sizeof expected - strlen(expected) - 1);
    if (strstr(error.text, expected) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, expected);
    assert_int_equal(got, status);
    assert_int_equal(error.status, status);
}

static const char WHOLE[] =
    "source: \"Sparse attention 1, figure 1: sticky plateau\"\n"
    "task:   {name: copy, offset: 0, vocab_size: 100, context_length: 4}\n"
    "model:  {n_embd: 2, n_head: 1, layers: [attention], positions: none, residual: false}\n"
    "train:  {steps: 3000, batch_size: 256, optimizer: adam, learning_rate: 1e-3, seed: 0}\n"
    "sweep:  {task.vocab_size: [4, 10, 100]}\n"
    "probes: [perplexity, effective_dimension, effective_dimension]\n"
    "figure: {kind: curves, x: step, y: perplexity, panel: task.vocab_size,\n"
    "         lines: [task.vocab_size / 2], where: {task.vocab_size: 100, train: {seed: [0, 1]}}}\n"
    "claims:\n"
    "  - statement: \"Perplexity stalls at half the vocabulary size.\"\n"
    "    measure: plateau(perplexity) / task.vocab_size\n"
    "    published: 0.5\n"
    "    tolerance: 0.1\n"
    "  - statement: second\n";

static void a_whole_file(void **state) {
    (void)state;
    fv_experiment *e = read_text(WHOLE);
    assert_string_equal(e->path, path);
    assert_string_equal(e->name, "sticky.plateau");
    assert_string_equal(e->source, "Sparse attention 1, figure 1: sticky plateau");
    assert_int_equal(fv_experiment_n_runs(e), 3);
    expect_runs(e, "task.vocab_size", "4 10 100");
    assert_int_equal(e->n_grids, 1);
    assert_int_equal(e->grids[0].n_axes, 1);
    assert_string_equal(e->grids[0].axes[0].field->key, "task.vocab_size");
    assert_int_equal(e->n_probes, 1);
    assert_string_equal(e->probes[0]->name, "effective_dimension");

    assert_int_equal(e->n_figures, 1);
    const fv_options *figure = &e->figures[0];
    assert_int_equal(figure->line, 7);
    assert_string_equal(fv_options_text(figure, "kind", ""), "curves");
    assert_string_equal(fv_options_text(figure, "absent", "otherwise"), "otherwise");
    assert_true(fv_options_find(figure, "lines")->is_list);
    assert_string_equal(fv_options_text(figure, "lines", ""), "task.vocab_size / 2");
    assert_int_equal(fv_options_find(figure, "lines")->line, 8);
    assert_true(fv_options_number(figure, "where.task.vocab_size", 0) == 100);
    assert_false(fv_options_find(figure, "where.task.vocab_size")->is_list);
    const fv_option *seeds = fv_options_find(figure, "where.train.seed");
    assert_int_equal(seeds->n_values, 2);
    assert_string_equal(seeds->values[1], "1");
    assert_true(fv_options_number(figure, "kind", 7) == 7); // no number

    assert_int_equal(e->n_claims, 2);
    assert_int_equal(e->claims[0].line, 10);
    assert_true(fv_options_number(&e->claims[0], "tolerance", 0) == 0.1);
    assert_string_equal(fv_options_text(&e->claims[1], "statement", ""), "second");
    fv_experiment_free(e);
}

static void the_smallest_files(void **state) {
    (void)state;
    fv_experiment *e = read_text("{}\n");
    assert_int_equal(fv_experiment_n_runs(e), 1);
    assert_int_equal(e->n_grids, 1);
    assert_string_equal(e->source, "");
    expect_runs(e, "task.vocab_size", "100");
    fv_experiment_free(e);
    e = read_text("probes: []\nfigure: []\nclaims: []\ntask: {}\n");
    assert_int_equal(fv_experiment_n_runs(e), 1);
    assert_int_equal(e->n_figures + e->n_claims + e->n_probes, 0);
    fv_experiment_free(e);
}

static void grids_multiply_the_last_axis_fastest(void **state) {
    (void)state;
    fv_experiment *e = read_text("sweep:\n  task.vocab_size: [4, 10]\n  train.seed: 0..2\n");
    expect_runs(e, "task.vocab_size", "4 4 4 10 10 10");
    expect_runs(e, "train.seed", "0 1 2 0 1 2");
    fv_experiment_free(e);
}

static void several_grids_follow_one_another(void **state) {
    (void)state;
    fv_experiment *e = read_text("train: {seed: 0..1}\n"
                                 "sweep:\n"
                                 "  - {model.n_embd: 3, task.context_length: 4}\n"
                                 "  - {model.n_embd: 10, task.context_length: [4, 100]}\n");
    assert_int_equal(e->n_grids, 2);
    expect_runs(e, "model.n_embd", "3 3 10 10 10 10");
    expect_runs(e, "train.seed", "0 1 0 0 1 1");
    expect_runs(e, "task.context_length", "4 4 4 100 4 100");
    fv_experiment_free(e);
}

static void a_list_in_a_section_is_an_axis(void **state) {
    (void)state;
    fv_experiment *e = read_text("task: {vocab_size: [4, 10]}\ntrain: {seed: [0..1, 7]}\n");
    expect_runs(e, "task.vocab_size", "4 4 4 10 10 10");
    expect_runs(e, "train.seed", "0 1 7 0 1 7");
    fv_experiment_free(e);
    e = read_text("task: {vocab_size: [4, 10]}\nsweep: {task.vocab_size: [5, 6]}\n");
    expect_runs(e, "task.vocab_size", "5 6"); // the sweep says it more closely
    fv_experiment_free(e);
}

static void fields_that_are_lists(void **state) {
    (void)state;
    fv_experiment *e = read_text("model: {layers: [attention*2, mlp]}\n"
                                 "sweep: {train.snapshots: [[], [1, 2]]}\n");
    expect_runs(e, "model.layers", "[attention, attention, mlp] [attention, attention, mlp]");
    expect_runs(e, "train.snapshots", "[] [1, 2]");
    fv_experiment_free(e);
    e = read_text("sweep: {model.layers: [[mlp], [attention*2]], train.snapshots: [3, 4]}\n");
    expect_runs(e, "model.layers", "[mlp] [attention, attention]");
    expect_runs(e, "train.snapshots", "[3, 4] [3, 4]");
    fv_experiment_free(e);
}

static void optional_runs_wait(void **state) {
    (void)state;
    static const char yaml[] = "sweep:\n"
                               "  - {task.vocab_size: 8, train.seed: 0..1}\n"
                               "  - {task.vocab_size: [16, 32], train.seed: 0..1}\n"
                               "optional: {task.vocab_size: [32, 64], train.seed: 1}\n";
    fv_experiment *e = read_text(yaml);
    expect_runs(e, "task.vocab_size", "8 8 16 16 32"); // both conditions, any value of a list
    expect_runs(e, "train.seed", "0 1 0 1 0");
    assert_int_equal(e->n_left_out, 1);
    assert_int_equal(fv_experiment_complete(e, NULL), FV_OK);
    expect_runs(e, "task.vocab_size", "8 8 16 16 32 32");
    assert_int_equal(e->n_left_out, 0);
    assert_int_equal(fv_experiment_complete(e, NULL), FV_OK);
    assert_int_equal(fv_experiment_n_runs(e), 6);
    fv_experiment_free(e);

    // Who names the field on the command line asks for its values; another field asks for nothing.
    const char *asks = "task.vocab_size=32", *other = "train.steps=10";
    assert_int_equal(fv_experiment_read(path, &asks, 1, &e, NULL), FV_OK);
    expect_runs(e, "task.vocab_size", "32 32");
    fv_experiment_free(e);
    assert_int_equal(fv_experiment_read(path, &other, 1, &e, NULL), FV_OK);
    assert_int_equal(fv_experiment_n_runs(e), 5);
    fv_experiment_free(e);

    e = read_text("optional: {}\nsweep: {train.seed: 0..1}\n");
    assert_int_equal(fv_experiment_n_runs(e), 2);
    fv_experiment_free(e);
}

static void a_configuration_runs_once(void **state) {
    (void)state;
    fv_experiment *e = read_text("train: {learning_rate: 0.01}\n"
                                 "sweep:\n"
                                 "  - {train.seed: [0, 1, 0], train.learning_rate: [0.01, 1e-2]}\n"
                                 "  - {task.vocab_size: [100, 4]}\n"
                                 "  - {train.seed: 1}\n");
    assert_int_equal(fv_experiment_n_runs(e), 3);
    expect_runs(e, "train.seed", "0 1 0");
    expect_runs(e, "task.vocab_size", "100 100 4");
    fv_experiment_free(e);
}

static void overrides_replace_values_and_axes(void **state) {
    (void)state;
    static const char yaml[] = "task: {vocab_size: 100}\n"
                               "sweep:\n"
                               "  - {task.vocab_size: [4, 10], train.seed: 0..1}\n"
                               "  - {model.n_embd: 10}\n";
    const char *single[] = {"train.seed=5"};
    fv_experiment *e = read_with(yaml, single, 1);
    expect_runs(e, "train.seed", "5 5 5");
    expect_runs(e, "task.vocab_size", "4 10 100");
    fv_experiment_free(e);
    const char *list[] = {"task.vocab_size=7,8", "train.seed=0"};
    e = read_with(yaml, list, 2);
    expect_runs(e, "task.vocab_size", "7 8 7 8");
    expect_runs(e, "model.n_embd", "2 2 10 10");
    fv_experiment_free(e);
    const char *range[] = {"train.seed=0..2", "train.seed=3..4", "task.vocab_size=4",
                           "model.n_embd=10"};
    e = read_with(yaml, range, 4);
    expect_runs(e, "train.seed", "3 4"); // the second grid has become equal to the first
    fv_experiment_free(e);
    const char *layers[] = {"model.layers=[attention, attention]", "train.snapshots=1,2",
                            "train.learning_rate=[1e-3, 1e-2]"};
    e = read_with("{}\n", layers, 3);
    expect_runs(e, "model.layers", "[attention, attention] [attention, attention]");
    expect_runs(e, "train.snapshots", "[1, 2] [1, 2]");
    expect_runs(e, "train.learning_rate", "0.001 0.01");
    fv_experiment_free(e);
    const char *several[] = {"model.layers=[mlp],[attention]"};
    e = read_with("{}\n", several, 1);
    expect_runs(e, "model.layers", "[mlp] [attention]");
    fv_experiment_free(e);
}

static void overrides_can_save_a_file(void **state) {
    (void)state;
    const char *one[] = {"model.n_embd=9"};
    fv_experiment *e = read_with("model: {n_embd: 10, n_head: 3}\n", one, 1);
    assert_int_equal(fv_experiment_n_runs(e), 1);
    fv_experiment_free(e);
}

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
         "@:1: train.beta1 0.5 is not read by train.optimizer sgd, only by adam and adamw"},
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

// Any value comes back from its own text.
static void written_yaml_reads_back(void **state) {
    (void)state;
    static const char *const values[] = {"4",
                                         "[a, 'b c', \"d, e\", [f]]",
                                         "{a: [1, 2], 'b: c': \"\\\"\\\\\"}",
                                         "''",
                                         "[]",
                                         "{}",
                                         "\"line\\nbreak\\ttab\"",
                                         "'4'"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        yaml_value *value, *again;
        fv_error error = {0};
        text_buffer once = {0}, twice = {0};
        assert_int_equal(yaml_value_read(values[i], strlen(values[i]), NULL, &value, &error),
                         FV_OK);
        yaml_value_write(value, &once);
        assert_int_equal(yaml_value_read(once.data, once.n, NULL, &again, &error), FV_OK);
        yaml_value_write(again, &twice);
        assert_string_equal(once.data, twice.data);
        assert_int_equal(value->kind, again->kind);
        assert_int_equal(value->quoted, again->quoted);
        if (value->kind == YAML_SCALAR) assert_string_equal(value->scalar, again->scalar);
        yaml_value_free(value);
        yaml_value_free(again);
        text_free(&once);
        text_free(&twice);
    }
}

// --- sweeps beyond lists -------------------------------------------------------------------------

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
        fv_experiment_config(e, i, &records[i].config);
        fv_record_add(&records[i], "loss", 0, (float)truth(&records[i].config));
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
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(the_smallest_files),
        cmocka_unit_test(grids_multiply_the_last_axis_fastest),
        cmocka_unit_test(several_grids_follow_one_another),
        cmocka_unit_test(a_list_in_a_section_is_an_axis),
        cmocka_unit_test(fields_that_are_lists),
        cmocka_unit_test(optional_runs_wait),
        cmocka_unit_test(a_configuration_runs_once),
        cmocka_unit_test(overrides_replace_values_and_axes),
        cmocka_unit_test(overrides_can_save_a_file),
        cmocka_unit_test(bad_overrides),
        cmocka_unit_test(mistakes_have_a_line),
        cmocka_unit_test(fields_must_be_read_by_some_run),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(written_yaml_reads_back),
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
