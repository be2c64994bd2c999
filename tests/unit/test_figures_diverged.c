// Runs that diverged, in every kind of figure: marked, named in the key, counted below.
#include "figure_bench.h"

#include "figures/crosses.h"
#include "figures/curve.h"

#include <fovea/config.h>

// The run's loss was NaN at `step`: its curves end before, and what it left is NaN.
static void diverge(fv_record *record, int step) {
    record->outcome = FV_OUTCOME_DIVERGED;
    record->steps = step + 1;
    for (int s = 0; s < record->n_series; s++) {
        fv_series *series = &record->series[s];
        while (series->n > 0 && series->steps[series->n - 1] >= step) series->n--;
    }
    for (int s = 0; s < record->n_snapshots; s++)
        for (size_t i = 0; record->snapshots[s].step > step && i < record->n_params; i++)
            record->snapshots[s].params[i] = NAN;
}

// Draws the figure of runs of which those of at least `vocab_size` and seeds below `seeds` diverged
// at step 45; *remark is the figure's, the caller's to free.
static char *svg_of_diverged(const char *yaml, int vocab_size, int seeds, char **remark) {
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, yaml);
    bench_run(&b);
    for (int i = 0; i < b.n; i++) {
        const fv_config *config = b.records[i]->config;
        if (config->task.vocab_size >= vocab_size && config->train.seed < seeds)
            diverge(b.records[i], 45);
    }
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    char *svg = read_text(drawn.svg);
    *remark = drawn.remark != NULL ? text_copy(drawn.remark) : NULL;
    fv_drawn_free(&drawn);
    bench_close(&b);
    return svg;
}

// gnuplot's name of the cross.
#define CROSS "href='#gpPt1'"

static void test_diverged_curves(void **state) {
    (void)state;
    char *remark, *svg = svg_of_diverged(SWEEP "figure: {kind: curves, y: [perplexity, loss]}\n",
                                         10, 2, &remark);
    assert_shows(svg, "diverged"); // in the legend
    assert_shows(svg,
                 "median over 3 seeds (strong) and each seed (faint); 2 of 6 runs diverged, at "
                 "step 45");
    assert_int_equal(count(svg, CROSS), 1 + 2 * 2); // the legend; two series of two runs
    assert_null(remark);
    free(svg);
    svg = svg_of_diverged(SWEEP "figure: {kind: curves, y: loss}\n", 99, 3, &remark);
    assert_null(strstr(svg, "diverged")); // nothing diverged, nothing is said
    assert_int_equal(count(svg, CROSS), 0);
    free(svg);
}

// A run that ended early is near everything: it must not stand for the others.
static void test_diverged_is_not_typical(void **state) {
    (void)state;
    double x[10],
        y[3][10] = {{5, 5}, {4, 4, 4, 4, 4, 4, 4, 4, 4, 4}, {6, 6, 6, 6, 6, 6, 6, 6, 6, 6}};
    for (int i = 0; i < 10; i++) x[i] = i;
    figure_curve curves[] = {
        {.n = 2, .x = x, .y = y[0]}, {.n = 10, .x = x, .y = y[1]}, {.n = 10, .x = x, .y = y[2]}};
    assert_int_equal(curve_typical(curves, 3), 0);
    curves[0].diverged = true;
    assert_int_equal(curve_typical(curves, 3), 1);
    curves[1].diverged = curves[2].diverged = true;
    assert_int_equal(curve_typical(curves, 3), 0);
}

static void test_diverged_cells(void **state) {
    (void)state;
    const char map[] = MAP_SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, "
                                 "value: \"first_below(perplexity, 1.5)\"}\n";
    char *remark, *svg = svg_of_diverged(map, 10, 2, &remark);
    assert_shows(svg, "diverged");
    assert_shows(svg, "4 of 12 runs diverged, at step 45");
    assert_null(strstr(svg, "not by the end"));
    assert_null(strstr(svg, "some seeds"));
    assert_null(remark);
    free(svg);
    // One seed of three: the median is a value, and the cell says that it is one in spite of that.
    svg = svg_of_diverged(map, 10, 1, &remark);
    assert_shows(svg, "some seeds diverged");
    free(svg);
    // When a run diverged is a value of its own: "some" only where others did not.
    const char when[] = MAP_SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, "
                                  "value: diverged_at}\n";
    svg = svg_of_diverged(when, 0, 3, &remark);
    assert_shows(svg, "all seeds diverged");
    free(svg);
    svg = svg_of_diverged(when, 10, 2, &remark);
    assert_shows(svg, "some seeds diverged");
    free(svg);
    svg = svg_of_diverged(map, 0, 3, &remark);
    assert_shows(svg, "nothing has a value");
    assert_shows(svg, "12 of 12 runs diverged, at step 45");
    assert_null(strstr(svg, "linearGradient")); // no colour bar
    assert_string_equal(remark, "nothing has a value: first_below(perplexity, 1.5) is NULL where "
                                "runs diverged; 12 of 12 runs diverged, at step 45");
    free(remark);
    free(svg);
}

static void test_diverged_in_scaling(void **state) {
    (void)state;
    char *remark,
        *svg = svg_of_diverged("source: try\ntrain: {steps: 1000, snapshot_every: 100}\n"
                               "sweep: {task.vocab_size: [4, 8, 16], train.seed: 0..2}\n"
                               "figure: {kind: scaling, x: task.vocab_size, fit: power, y: "
                               "\"first_below(perplexity, 1.5) * 0 + task.vocab_size\"}\n",
                               16, 3, &remark);
    assert_shows(svg, "diverged");
    assert_shows(svg, "medians over 3 seeds; 3 of 9 runs diverged, at step 45");
    assert_null(strstr(svg, "not within the run"));
    // Of the runs that did not: as lower bounds, 46 steps at V = 16 would bend it.
    assert_shows(svg, "∝ V^1.00, 95 % from 1.00 to 1.00");
    assert_int_equal(count(svg, CROSS), 1 + 3);
    free(svg);
}

// Fails where two crosses of the picture, of `n`, lie on one spot; the legend's is far from all.
static void check_apart(const char *svg, int n) {
    double x[64], y[64];
    int found = 0;
    for (const char *at = svg; (at = strstr(at, CROSS)) != NULL && found < 64; at++) {
        assert_int_equal(sscanf(strstr(at, "("), "(%lf,%lf)", &x[found], &y[found]), 2);
        for (int k = 0; k < found; k++)
            if (fmax(fabs(x[k] - x[found]), fabs(y[k] - y[found])) < 8)
                fail_msg("two crosses at %g, %g", x[k], y[k]);
        found++;
    }
    assert_int_equal(found, n);
}

// Crosses of several colours stand beside each other.
static void test_crosses_apart(void **state) {
    (void)state;
    static const char sweep[] = "source: try\ntrain: {steps: 1000, snapshot_every: 100}\n"
                                "sweep: {task.vocab_size: [4, 8], model.n_embd: [2, 3, 4]}\n";
    char yaml[400], *remark, *svg;
    snprintf(yaml, sizeof yaml,
             "%sfigure: {kind: scaling, x: task.vocab_size, color: model.n_embd, y: "
             "final(loss)}\n",
             sweep);
    svg = svg_of_diverged(yaml, 8, 1, &remark);
    check_apart(svg, 1 + 3);
    free(svg);
    snprintf(yaml, sizeof yaml,
             "%sfigure: {kind: curves, y: loss, panel: task.vocab_size, color: model.n_embd}\n",
             sweep);
    svg = svg_of_diverged(yaml, 8, 1, &remark);
    check_apart(svg, 1 + 3);
    free(svg);
    figure_cross crosses[40] = {{0}};
    for (int i = 0; i < 40; i++) crosses[i] = (figure_cross){.x = 100, .y = 5, .line = i % 20};
    crosses_spread(crosses, 40, 200, 100);
    for (int i = 0; i < 40; i++) {
        assert_true(crosses[i].at_x >= 0 && crosses[i].at_y >= 0);
        for (int k = 0; k < i; k++) {
            double apart = fmax(fabs(crosses[i].at_x - crosses[k].at_x),
                                fabs(crosses[i].at_y - crosses[k].at_y));
            if (i - k == 20) assert_true(apart == 0); // of one line
            if (i - k != 20) assert_true(apart >= 8);
        }
    }
}

static void test_diverged_clouds(void **state) {
    (void)state;
    char *remark,
        *svg = svg_of_diverged(SWEEP "figure: {kind: scatter, seed: 0}\n", 10, 1, &remark);
    assert_shows(svg, "colour: first row dark, last row light; 1 of 2 runs diverged, at step 45");
    assert_shows(svg, "every coordinate is NaN or infinite: the run diverged at"); // and the step
    assert_null(remark);
    free(svg);
    svg = svg_of_diverged(SWEEP "figure: {kind: scatter, seed: 0, step: 0}\n", 10, 1, &remark);
    assert_shows(svg, "diverged at step 45");
    assert_null(strstr(svg, "nothing has a value"));
    free(svg);
    // Principal axes are those of what is finite: the first snapshot, at 0.
    svg = svg_of_diverged(SWEEP "figure: {kind: trajectories, seed: 0, projection: pca}\n", 10, 1,
                          &remark);
    assert_shows(svg, "diverged at step 45");
    assert_int_equal(count(svg, CROSS), 1 + 10);
    free(svg);
    svg =
        svg_of_diverged(SWEEP "figure: {kind: scatter, seed: 0, projection: pca}\n", 4, 1, &remark);
    assert_string_equal(remark, "nothing has a value: every coordinate is NaN or infinite: the run "
                                "diverged at step 45; 2 of 2 runs diverged, at step 45");
    assert_shows(svg, "PC 1");         // which explains nothing
    assert_null(strstr(svg, ">0.5<")); // no axis has numbers
    free(remark);
    free(svg);
}

static void test_diverged_animation(void **state) {
    (void)state;
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, SWEEP "figure: {kind: animation, where: {task.vocab_size: 4}, seed: 0, frames: "
                         "5}\n");
    bench_run(&b);
    for (int i = 0; i < b.n; i++)
        for (size_t k = 0; k < b.records[i]->n_params; k++)
            b.records[i]->snapshots[0].params[k] = NAN;
    for (int i = 0; i < b.n; i++) diverge(b.records[i], 45);
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    assert_string_equal(drawn.remark,
                        "nothing has a value: every coordinate is NaN or infinite: "
                        "the run diverged at step 45; 1 of 1 run diverged, at step 45");
    fv_drawn_free(&drawn);
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diverged_curves),    cmocka_unit_test(test_diverged_is_not_typical),
        cmocka_unit_test(test_diverged_cells),     cmocka_unit_test(test_diverged_in_scaling),
        cmocka_unit_test(test_crosses_apart),      cmocka_unit_test(test_diverged_clouds),
        cmocka_unit_test(test_diverged_animation),
    };
    return cmocka_run_group_tests_name("figures_diverged", tests, NULL, NULL);
}
