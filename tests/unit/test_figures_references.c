// Names of reference lines: beside the line where nothing is drawn, else in the legend.
#include "figure_bench.h"

enum { STEPS = 1000 };

// A run whose accuracy is `of(step)`, in a single panel with a line at 0.5.
#define ONE_LINE                                                                                   \
    "source: try\ntrain: {steps: 1000}\nfigure: {kind: curves, y: accuracy, ymin: 0, ymax: 1, "    \
    "lines: "                                                                                      \
    "[0.5], line_labels: [half]}\n"

static char *draw_waves(const char *yaml, double (*of)(int step, int run)) {
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, yaml);
    bench_run(&b);
    for (int r = 0; r < b.n; r++)
        for (int step = 0; step < STEPS; step += 5)
            fv_record_add(b.records[r], "accuracy", step, (float)of(step, r));
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    char *svg = read_text(drawn.svg);
    assert_non_null(svg);
    fv_drawn_free(&drawn);
    bench_close(&b);
    return svg;
}

typedef struct spot {
    double x, y;
} spot;

// Where the picture shows the text, once: the anchor of its own.
static spot place_of(const char *svg, const char *text) {
    char element[100];
    spot at;
    snprintf(element, sizeof element, ">%s<", text);
    assert_int_equal(count(svg, element), 1);
    const char *end = strstr(svg, element), *start = end;
    while (strncmp(start, "translate(", 10) != 0) start--;
    assert_int_equal(sscanf(start, "translate(%lf,%lf)", &at.x, &at.y), 2);
    return at;
}

static double everywhere(int step, int run) {
    (void)run;
    return step / 5 % 2;
}

static double right_half(int step, int run) {
    return step > STEPS / 2 ? everywhere(step, run) : 0;
}

static double near_the_line(int step, int run) {
    (void)run;
    return step / 5 % 2 ? 0.47 : 0.53;
}

static double second_run(int step, int run) {
    return run == 1 ? everywhere(step, run) : 0;
}

// The curve fills the panel: the legend names the line.
static void test_no_room(void **state) {
    (void)state;
    char *svg = draw_waves(ONE_LINE, everywhere);
    assert_true(place_of(svg, "half = 0.5").y > place_of(svg, "training step").y);
    free(svg);
}

static void test_room_at_the_left(void **state) {
    (void)state;
    char *svg = draw_waves(ONE_LINE, right_half);
    spot name = place_of(svg, "half = 0.5"), below = place_of(svg, "training step");
    assert_true(name.y < below.y - 100);
    assert_true(name.x < below.x + 5); // its right end, and the middle of the panel
    free(svg);
}

// The noise around the line is 9 pixels high: the name stands beyond it.
static void test_room_beside_noise(void **state) {
    (void)state;
    char *svg = draw_waves(ONE_LINE, near_the_line);
    spot name = place_of(svg, "half = 0.5"), line = place_of(svg, "0.6");
    assert_true(name.y < place_of(svg, "training step").y - 100);
    assert_true(name.y - line.y > 9 && name.y - line.y < 26);
    free(svg);
}

// One of two panels has no room: what both share is named once, and what differs in their order.
static void test_panels_share_a_name(void **state) {
    (void)state;
    const char *sweep = "source: try\ntrain: {steps: 1000}\nsweep: {task.vocab_size: [4, 8]}\n"
                        "figure: {kind: curves, y: accuracy, ymin: 0, ymax: 1, lines: [%s], "
                        "line_labels: [half]}\n";
    char yaml[400];
    snprintf(yaml, sizeof yaml, sweep, "0.5");
    char *svg = draw_waves(yaml, second_run);
    place_of(svg, "half = 0.5");
    free(svg);
    snprintf(yaml, sizeof yaml, sweep, "task.vocab_size / 20");
    svg = draw_waves(yaml, second_run);
    place_of(svg, "half = 0.2, 0.4");
    free(svg);
}

// What says that there is nothing to draw stands where the name would.
static double nothing(int step, int run) {
    (void)step, (void)run;
    return NAN;
}

static void test_beside_an_empty_panel(void **state) {
    (void)state;
    char *svg = draw_waves(ONE_LINE, nothing);
    assert_true(place_of(svg, "half = 0.5").y > place_of(svg, "training step").y);
    free(svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_room_at_the_left),
        cmocka_unit_test(test_room_beside_noise),
        cmocka_unit_test(test_panels_share_a_name),
        cmocka_unit_test(test_beside_an_empty_panel),
    };
    return cmocka_run_group_tests_name("figures_references", tests, NULL, NULL);
}
