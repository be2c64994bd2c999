// Legends: what has room, and what stands for the rest.
#include "figure_bench.h"

#include "figures/legend.h"

#define RATES                                                                                      \
    "source: try\ntrain: {steps: 1000}\n"                                                          \
    "sweep: {train.learning_rate: {from: 1e-4, to: 1, steps: %d, scale: log}}\n"

static char *svg_of_rates(int n, const char *figure) {
    char yaml[600];
    snprintf(yaml, sizeof yaml, RATES "figure: %s\n", n, figure);
    return svg_of(yaml);
}

// A few values of a number stand in the legend, in their order; many on a colour bar.
static void test_numbers(void **state) {
    (void)state;
    static const char *const figures[] = {
        "{kind: curves, y: loss, color: train.learning_rate}",
        "{kind: scaling, x: train.learning_rate, y: final(loss), color: train.learning_rate}"};
    for (int i = 0; i < 2; i++) {
        char *svg = svg_of_rates(5, figures[i]);
        assert_int_equal(count(svg, ">lr = "), 5);
        free(svg);
        svg = svg_of_rates(200, figures[i]);
        assert_int_equal(count(svg, ">lr = "), 0);
        assert_shows(svg, "learning_rate, lr");
        assert_shows(svg, "0.0001"); // the first of its numbers
        assert_in_range(count(svg, ">0.0"), 4, 14);
        free(svg);
    }
}

// Names are left out, and counted; what stands for all of them stays.
static void test_names(void **state) {
    (void)state;
    char *svg =
        svg_of("source: try\ntrain: {steps: 1000}\n"
               "sweep: {train.learning_rate: {from: 1e-4, to: 1, steps: 40, scale: log}, "
               "train.schedule: [constant, cosine]}\n"
               "figure: {kind: curves, y: loss, color: [train.learning_rate, train.schedule]}\n");
    int named = count(svg, ">lr = ");
    char rest[40];
    snprintf(rest, sizeof rest, "and %d more settings", 80 - named);
    assert_in_range(named, 6, 40);
    assert_shows(svg, rest);
    free(svg);
}

// As many rows as a legend has are used, and none of its last entries is ever left out.
static void test_plan(void **state) {
    (void)state;
    enum { N = 300, LAST = 3 };
    static legend_entry entries[N];
    for (int i = 0; i < N; i++)
        entries[i] = (legend_entry){i < N - LAST ? "ordinary" : "last", 0, FV_MARK_LINE};
    for (int width = 150; width < 1500; width += 90) {
        char *text = NULL;
        size_t size;
        FILE *script = open_memstream(&text, &size);
        figure_sheet sheet = {.script = script,
                              .width = width,
                              .height = 100,
                              .legend = entries,
                              .n_legend = N,
                              .n_last = LAST,
                              .legend_of = "lines"};
        double height = legend_plan(&sheet);
        legend_draw(&sheet);
        fclose(script);
        assert_true(height > 60 && height < 130);
        assert_int_equal(count(text, "'last'"), LAST);
        assert_int_equal(count(text, "'ordinary'"), N - LAST - sheet.n_left_out);
        char rest[40];
        snprintf(rest, sizeof rest, "'and %d more lines'", sheet.n_left_out);
        assert_int_equal(count(text, rest), 1);
        free(text);
    }
}

// Seven colours for names: lines beyond have dashes.
static void test_dashes(void **state) {
    (void)state;
    assert_int_equal(dash_of(6), FV_MARK_LINE);
    assert_int_equal(dash_of(7), FV_MARK_DASHED);
    assert_int_equal(dash_of(14), FV_MARK_DOTTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_dashes),
    };
    return cmocka_run_group_tests_name("figures_legend", tests, NULL, NULL);
}
