// What a figure has no room for on its scales is said: cells of a logarithmic colour scale, points
// outside the axes; and what it writes, numbers and formulas, is true.
#include "figure_bench.h"

#include "figures/runs.h"

// Draws the figure; *remark is what it tells, the caller's to free, or NULL.
static char *svg_with_remark(const char *yaml, char **remark) {
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, yaml);
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    char *svg = read_text(drawn.svg);
    *remark = drawn.remark != NULL ? text_copy(drawn.remark) : NULL;
    fv_drawn_free(&drawn);
    bench_close(&b);
    return svg;
}

static void check_remark(const char *yaml, const char *expected) {
    char *remark, *svg = svg_with_remark(yaml, &remark);
    if (remark == NULL) fail_msg("nothing is said of %s", yaml);
    assert_string_equal(remark, expected);
    free(remark);
    free(svg);
}

#define MAP MAP_SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, "

// V = 4 and 10: half of the cells have no colour on a logarithmic scale.
static void test_log_cells(void **state) {
    (void)state;
    char *remark, *svg = svg_with_remark(MAP "zlog: true, value: task.vocab_size - 6}\n", &remark);
    assert_string_equal(remark, "2 of 4 cells are 0 or negative, which a logarithmic colour scale "
                                "does not show");
    assert_shows(svg, "0 or below, not on the scale");
    assert_null(strstr(svg, ">−2<"));
    assert_shows(svg, "4");
    free(remark);
    free(svg);
    svg = svg_with_remark(MAP "zlog: true, value: task.vocab_size - 20}\n", &remark);
    assert_string_equal(remark, "nothing has a value: a logarithmic colour scale shows nothing "
                                "that is 0 or negative");
    assert_null(strstr(svg, "linearGradient")); // no colour bar
    free(remark);
    free(svg);
    svg = svg_with_remark(MAP "value: task.vocab_size - 6}\n", &remark);
    assert_null(remark);
    assert_null(strstr(svg, "not on the scale"));
    assert_shows(svg, "−2");
    free(svg);
}

static void test_outside(void **state) {
    (void)state;
    check_remark(MAP_SWEEP "figure: {kind: scaling, x: model.n_embd, y: task.vocab_size, ymin: 50, "
                           "ymax: 60}\n",
                 "nothing has a value: V: every point lies outside the ends that the axes are "
                 "given");
    check_remark(MAP_SWEEP "figure: {kind: curves, y: perplexity, ymin: 50, ymax: 60}\n",
                 "nothing has a value: every point lies outside the ends that the axes are given");
    check_remark(MAP "value: task.vocab_size, zmin: 50, zmax: 60}\n",
                 "every value lies outside the ends that the colour scale is given");
}

// The perplexity of V = 4 begins at 4.
static void test_outside_names(void **state) {
    (void)state;
    check_shows(MAP_SWEEP "figure: {kind: curves, y: perplexity, color: task.vocab_size, ymin: "
                          "4.5}\n",
                "V = 4: outside the axes", "V = 10");
    check_shows(MAP_SWEEP "figure: {kind: curves, y: [perplexity, loss], seed: 0, ymin: 4.5}\n",
                "loss: outside the axes", "perplexity");
    check_shows(MAP_SWEEP "figure: {kind: scaling, x: model.n_embd, color: task.vocab_size, y: "
                          "task.vocab_size, ymax: 5}\n",
                "V = 4", "V = 10: outside the axes");
}

static void test_operands(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"task.vocab_size", "V"},
        {"2.5", "2.5"},
        {"1e-3", "1e-3"},
        {"-2", "(-2)"},
        {"model.n_embd - 2", "(d - 2)"},
        {"2 * model.n_embd", "(2 * d)"},
        {"max(model.n_embd, 2)", "max(d, 2)"},
        {"(1 + model.n_embd)", "(1 + d)"},
        {"(1 + 2) * (3 + model.n_embd)", "((1 + 2) * (3 + d))"},
    };
    figure_scratch scratch = {0};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(expression_operand(&scratch, pairs[i][0]), pairs[i][1]);
    scratch_free(&scratch);
    check_shows(SWEEP "figure: {kind: curves, y: perplexity, minus: 1 - model.n_embd, over: 2 * "
                      "model.n_embd}\n",
                "(perplexity − (1 - d)) / (2 * d)");
    check_shows(SWEEP "figure: {kind: curves, y: perplexity, over: model.n_embd + 2}\n",
                "perplexity / (d + 2)");
}

// Cells whose colours differ have different numbers, or none.
static void test_cell_digits(void **state) {
    (void)state;
    check_shows(MAP "value: 2.3 + task.vocab_size / 10000}\n", "2.3004", "2.301");
    check_shows(MAP "value: 5000 + task.vocab_size / 10}\n", "5000.4", "5001");
    check_shows(MAP "value: 1 / 3 + task.vocab_size}\n", "4.33", "10.3");
    char *svg = svg_of(MAP "value: 2.3 + task.vocab_size / 1000000000, zmin: 2.3, zmax: "
                           "2.30000002}\n");
    assert_int_equal(count(svg, "font-size=\"10.00\""), 0);
    free(svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_cells),     cmocka_unit_test(test_outside),
        cmocka_unit_test(test_outside_names), cmocka_unit_test(test_operands),
        cmocka_unit_test(test_cell_digits),
    };
    return cmocka_run_group_tests_name("figures_shown", tests, NULL, NULL);
}
