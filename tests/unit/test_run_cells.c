// Cells out of an experiment's runs: seeds counted together, models told apart, runs of several
// lengths side by side, and what is refused before anything is trained. Records are synthetic:
// their accuracies must be known.
#include "engine.h"

#include "figures/run_cells.h"
#include "probes/retrieval.h"

#include <fovea/config.h>
#include <fovea/figure.h>
#include <unistd.h>

typedef struct bench {
    fv_experiment *experiment;
    fv_config *configs;
    fv_record *records;
    const fv_config **config_of;
    const fv_record **record_of;
    figure_scratch scratch;
    figure_view view;
} bench;

// The accuracy of a run's cell: 0.5 for the first seed and 0.75 for the second, none right at a
// depth of 100.
static double accuracy(const fv_config *config, double depth) {
    return depth == 100 ? 0 : 0.5 + 0.25 * config->train.seed;
}

static void fill(fv_record *record) {
    grid_plan plan;
    grid_plan_make(&record->config->task, &plan);
    for (int l = 0; l < plan.n_lengths; l++)
        for (int d = 0; d < FV_GRID_DEPTHS; d++) {
            char name[FV_GRID_NAME], series[64];
            grid_name(plan.lengths[l], plan.depths[d], name);
            snprintf(series, sizeof series, "needle_grid.%s", name);
            check_ok(fv_record_add(record, series, 0, 1)); // only the last point counts
            check_ok(
                fv_record_add(record, series, 9, (float)accuracy(record->config, plan.depths[d])));
        }
}

static void bench_open(bench *b, const char *yaml) {
    char path[] = "/tmp/fovea-cells-XXXXXX.yaml";
    int file = mkstemps(path, 5);
    assert_true(file >= 0 && write(file, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
    close(file);
    fv_error error;
    *b = (bench){0};
    if (fv_experiment_read(path, NULL, 0, &b->experiment, &error) != FV_OK)
        fail_msg("%s", error.text);
    unlink(path);
    int n = fv_experiment_n_runs(b->experiment);
    b->configs = calloc((size_t)n, sizeof *b->configs);
    b->records = calloc((size_t)n, sizeof *b->records);
    b->config_of = calloc((size_t)n, sizeof *b->config_of);
    b->record_of = calloc((size_t)n, sizeof *b->record_of);
    for (int i = 0; i < n; i++) {
        fv_experiment_config(b->experiment, i, &b->configs[i]);
        fv_record_init(&b->records[i]);
        check_ok(fv_record_set_config(&b->records[i], &b->configs[i], NULL));
        fill(&b->records[i]);
        b->config_of[i] = &b->configs[i];
        b->record_of[i] = &b->records[i];
    }
    b->view = (figure_view){.experiment = b->experiment,
                            .options = &b->experiment->figures[0],
                            .runs = {n, b->config_of, b->record_of},
                            .scratch = &b->scratch};
}

static void bench_close(bench *b) {
    for (int i = 0; i < fv_experiment_n_runs(b->experiment); i++) fv_record_free(&b->records[i]);
    free(b->configs);
    free(b->records);
    free(b->config_of);
    free(b->record_of);
    scratch_free(&b->scratch);
    fv_experiment_free(b->experiment);
}

static fv_cells take_cells(bench *b, const char *key, int length) {
    figure_partition models;
    fv_cells cells;
    check_ok(run_cells_split(&b->view, key, &models, NULL));
    check_ok(run_cells(&b->view, &models, length, &cells, NULL));
    return cells;
}

#define NEEDLE                                                                                     \
    "task: {name: needle, vocab_size: 8, context_length: 16, length_min: 4, length_max: 8}\n"      \
    "sweep: {model.positions: [none, learned], train.seed: 0..1}\nprobes: [needle_grid]\n"

static void test_seeds_count_together(void **state) {
    (void)state;
    bench b;
    bench_open(&b, NEEDLE "figure: {kind: needle, labels: [blind, seeing]}\n");
    fv_cells cells = take_cells(&b, "panel", FV_ALL_LENGTHS);
    grid_plan plan;
    grid_plan_make(&b.configs[0].task, &plan);
    assert_int_equal(cells.n, 2 * plan.n_lengths * FV_GRID_DEPTHS);
    for (int i = 0; i < cells.n; i++) {
        const fv_cell *cell = &cells.items[i];
        assert_string_equal(cell->model, i < cells.n / 2 ? "blind" : "seeing");
        assert_string_equal(cell->task, "needle");
        assert_int_equal(cell->trained_length, 8);
        assert_int_equal(cell->n, 2 * FV_GRID_SAMPLES);
        assert_int_equal(cell->hits, cell->depth == 100 ? 0 : 160); // (0.5 + 0.75) * 128
        assert_int_equal(cell->counts[FV_ANSWER_WRONG], cell->n - cell->hits);
    }
    fv_cells_free(&cells);
    bench_close(&b);
}

static void test_one_length(void **state) {
    (void)state;
    bench b;
    bench_open(&b, NEEDLE "figure: {kind: middle}\n");
    fv_cells cells = take_cells(&b, "color", 0);
    assert_int_equal(cells.n, 2 * FV_GRID_DEPTHS);
    assert_int_equal(cells.items[0].length, 8); // the longest of training
    assert_non_null(strstr(cells.items[0].model, "none"));
    fv_cells_free(&cells);
    cells = take_cells(&b, "color", 16);
    assert_int_equal(cells.items[0].length, 16);
    fv_cells_free(&cells);
    figure_partition models;
    fv_error error;
    check_ok(run_cells_split(&b.view, "color", &models, NULL));
    assert_int_equal(run_cells(&b.view, &models, 7, &cells, &error), FV_USAGE);
    bench_close(&b);
    // Lengths 4 and 8: the next step would be longer than length_max.
    bench_open(&b, "task: {name: needle, vocab_size: 8, context_length: 16, length_min: 4,\n"
                   "  length_max: 10, length_step: 4}\nprobes: [needle_grid]\n"
                   "figure: {kind: middle}\n");
    check_ok(run_cells_check(&b.view, "color", 0, NULL));
    cells = take_cells(&b, "color", 0);
    assert_int_equal(cells.n, FV_GRID_DEPTHS);
    assert_int_equal(cells.items[0].length, 8);
    fv_cells_free(&cells);
    bench_close(&b);
}

// What a run measured before it diverged is no answer; its cells are there without one.
static void test_diverged_runs(void **state) {
    (void)state;
    bench b;
    bench_open(&b, NEEDLE "figure: {kind: needle, labels: [blind, seeing]}\n");
    for (int i = 0; i < b.view.runs.n; i++)
        if (b.configs[i].model.positions == b.configs[0].model.positions ||
            b.configs[i].train.seed == 1)
            b.records[i].outcome = FV_OUTCOME_DIVERGED;
    fv_cells cells = take_cells(&b, "panel", FV_ALL_LENGTHS);
    for (int i = 0; i < cells.n; i++) {
        const fv_cell *cell = &cells.items[i];
        bool blind = strcmp(cell->model, "blind") == 0;
        assert_int_equal(cell->n, blind ? 0 : FV_GRID_SAMPLES); // of the one seed that is left
        assert_int_equal(cell->hits, blind || cell->depth == 100 ? 0 : FV_GRID_SAMPLES / 2);
    }
    fv_cells_free(&cells);
    bench_close(&b);
}

// Runs of one length each are one model; with ranges of lengths their cells would mix.
static void test_several_lengths(void **state) {
    (void)state;
    bench b;
    bench_open(&b, "task: {name: kv_retrieval, vocab_size: 32}\nprobes: [needle_grid]\n"
                   "sweep: {task.context_length: [5, 9, 17], train.seed: 0..1}\n"
                   "figure: {kind: needle, labels: [all]}\n");
    fv_cells cells = take_cells(&b, "panel", FV_ALL_LENGTHS);
    assert_int_equal(cells.n, 3 * FV_GRID_DEPTHS);
    for (int i = 0; i < cells.n; i++) {
        assert_int_equal(cells.items[i].n, 2 * FV_GRID_SAMPLES);
        assert_int_equal(cells.items[i].trained_length, 0);
    }
    fv_cells_free(&cells);
    bench_close(&b);
    bench_open(&b, "task: {name: needle, vocab_size: 8, length_min: 4}\nprobes: [needle_grid]\n"
                   "sweep: {task.context_length: [8, 16]}\nfigure: {kind: needle}\n");
    cells = take_cells(&b, "panel", FV_ALL_LENGTHS);
    assert_string_not_equal(cells.items[0].model, cells.items[cells.n - 1].model);
    fv_cells_free(&cells);
    bench_close(&b);
}

static void check_refused(const char *yaml, const char *fragment) {
    char path[] = "/tmp/fovea-cells-XXXXXX.yaml";
    int file = mkstemps(path, 5);
    assert_true(file >= 0 && write(file, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
    close(file);
    fv_experiment *experiment;
    fv_error error;
    fv_status status = fv_experiment_read(path, NULL, 0, &experiment, &error);
    if (status == FV_OK) {
        status = fv_figure_check(experiment, &experiment->figures[0], &error);
        fv_experiment_free(experiment);
    }
    unlink(path);
    assert_int_equal(status, FV_USAGE);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, fragment);
}

static void test_refusals(void **state) {
    (void)state;
    check_refused(NEEDLE "figure: {kind: needle, labels: [one, two, three]}\n",
                  "3 labels for 2 models");
    check_refused("task: {name: needle}\nfigure: {kind: needle}\n", "probe needle_grid");
    check_refused(NEEDLE "figure: {kind: middle, panel: model.positions}\n", "panel");
    check_refused("probes: [needle_grid]\nfigure: {kind: needle}\n",
                  ":2: figure needle: no run has cells: task.name copy hides nothing");
    check_refused("probes: [needle_grid]\nfigure: {kind: middle}\n", "copy hides nothing");
    check_refused(NEEDLE "figure: {kind: middle, length: 7}\n",
                  ":4: figure middle: no run is measured at 7 tokens; needle_grid takes the "
                  "lengths 4, 5, 6, 8, 10, 12, 14, 16");
    check_refused("task: {name: needle, context_length: 8}\nprobes: [needle_grid]\n"
                  "sweep: {model.n_embd: [2, 4], model.positions: [none, learned]}\n"
                  "figure: {kind: needle, panel: model.positions}\n",
                  "n_embd");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_count_together),
        cmocka_unit_test(test_one_length),
        cmocka_unit_test(test_diverged_runs),
        cmocka_unit_test(test_several_lengths),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
