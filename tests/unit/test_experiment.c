// Experiment files: what they mean, and how overrides change them.
#include "base/yaml.h"
#include "experiments.h"

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

static void a_text_is_an_experiment(void **state) {
    (void)state;
    static const char json[] =
        "{\"task\": {\"vocab_size\": 7},\n \"sweep\": {\"train.seed\": [3, 1]}}";
    fv_experiment *e;
    fv_error error;
    assert_int_equal(fv_experiment_parse("mine", json, strlen(json), &e, &error), FV_OK);
    assert_string_equal(e->name, "mine");
    expect_runs(e, "train.seed", "3 1");
    expect_runs(e, "task.vocab_size", "7 7");
    fv_experiment_free(e);

    static const char mistake[] = "task:\n  vocabsize: 7\n";
    assert_int_equal(fv_experiment_parse("mine", mistake, strlen(mistake), &e, &error), FV_USAGE);
    assert_null(e);
    assert_string_equal(error.text, "mine: there is no field 'task.vocabsize'; the nearest is "
                                    "'task.vocab_size'");
    assert_int_equal(fv_experiment_parse("mine", "{", 1, &e, &error), FV_FORMAT);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(the_smallest_files),
        cmocka_unit_test(grids_multiply_the_last_axis_fastest),
        cmocka_unit_test(several_grids_follow_one_another),
        cmocka_unit_test(a_list_in_a_section_is_an_axis),
        cmocka_unit_test(fields_that_are_lists),
        cmocka_unit_test(a_text_is_an_experiment),
        cmocka_unit_test(optional_runs_wait),
        cmocka_unit_test(a_configuration_runs_once),
        cmocka_unit_test(overrides_replace_values_and_axes),
        cmocka_unit_test(overrides_can_save_a_file),
        cmocka_unit_test(written_yaml_reads_back),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
