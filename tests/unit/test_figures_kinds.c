// What stands in the pictures of every kind of figure.
#include "figure_bench.h"

#include "figures/cloud.h"
#include "figures/kind.h"

#define SWEEP_OF_ONE                                                                               \
    "source: try\nmodel: {n_embd: 1}\ntrain: {steps: 1000, snapshot_every: 100}\n"                 \
    "sweep: {task.vocab_size: [4, 10], train.seed: 0..2}\n"

static void test_curves(void **state) {
    (void)state;
    char *svg = svg_of(SWEEP "figure: {kind: curves, y: perplexity, lines: [task.vocab_size / 2], "
                             "line_labels: [stuck], title: A title}\n");
    assert_shows(svg, "A title");
    assert_shows(svg, "V = 4, d = 2, C = 4");
    assert_shows(svg, "V = 10, d = 2, C = 4");
    assert_shows(svg, "stuck = 2");
    assert_shows(svg, "stuck = 5");
    assert_shows(svg, "perplexity");
    assert_shows(svg, "median over 3 seeds (strong) and each seed (faint)");
    // In each of the panels three faint lines and a strong one, all in the first colour.
    assert_int_equal(count(svg, "stroke='rgb(  0, 114, 178)' opacity"), 6);
    assert_int_equal(count(svg, "stroke='rgb(  0, 114, 178)'  d='"), 2);
    free(svg);
}

static void test_curves_in_colours(void **state) {
    (void)state;
    char *svg = svg_of(SWEEP "figure: {kind: curves, y: [perplexity], y2: [loss], panel: none, "
                             "color: task.vocab_size, seed: 1, minus: 1, over: task.vocab_size, "
                             "ylog: true}\n");
    assert_shows(svg, "V = 4");
    assert_shows(svg, "V = 10");
    assert_shows(svg, "(perplexity − 1) / V");
    assert_shows(svg, "loss");
    assert_shows(svg, "d = 2, C = 4");
    assert_null(strstr(svg, "seeds"));
    free(svg);
}

// A list of single layers is one value of model.layers, as in claims.
static void test_where_layers(void **state) {
    (void)state;
    char *svg =
        svg_of("sweep: {model.layers: [[mlp, attention], [attention, mlp]], train.seed: 0..2}\n"
               "figure: {kind: curves, y: loss, where: {model.layers: [attention, mlp]}}\n");
    assert_shows(svg, "median over 3 seeds (strong) and each seed (faint)");
    assert_null(strstr(svg, "layers ="));
    assert_int_equal(count(svg, "stroke='rgb(  0, 114, 178)' opacity"), 3);
    free(svg);
}

static void test_series_patterns(void **state) {
    (void)state;
    check_shows(SWEEP "figure: {kind: curves, y: [\"*\"], center: typical}\n", "perplexity", "loss",
                "the most typical of 3 seeds (strong) and each seed (faint)");
}

static void test_scatter_and_trajectories(void **state) {
    (void)state;
    check_shows(SWEEP "figure: {kind: scatter, where: {task.vocab_size: 10}, seed: 0}\n", "0", "1",
                "2", "3", "4", "5", "6", "7", "8", "9", "embedding dimension 1");
    // All points lie on one line.
    check_shows(SWEEP "figure: {kind: trajectories, projection: pca, seed: 0}\n", "PC 1 (100 %)",
                "open circle: initialisation, full circle: end of training; colour: first row "
                "dark, last row light");
    // Few rows have colours of their own, and numbers a minus that is one.
    char *svg = svg_of("source: try\ntask: {vocab_size: 4, context_length: 3}\nmodel: {positions: "
                       "learned}\ntrain: {steps: 1000, snapshot_every: 100}\n"
                       "figure: {kind: trajectories, tensor: pos_embed.W_pos, projection: axes}\n");
    assert_null(strstr(svg, "colour:"));
    assert_shows(svg, "−1");
    assert_null(strstr(svg, ">-1<"));
    // An open circle is whole where others lie over it: white follows each, not all of them.
    char *white = strstr(svg, "color='rgb(255, 255, 255)'");
    assert_non_null(white);
    *white = '\0';
    assert_int_equal(count(svg, "href='#gpPt6' transform"), 2);
    free(svg);
}

// Labels stand beside the circles at the ends of paths.
static void test_labels_of_ends(void **state) {
    (void)state;
    char *svg = svg_of("source: try\ntask: {vocab_size: 10}\nmodel: {n_embd: 1}\ntrain: {steps: "
                       "1000, snapshot_every: 100}\nfigure: {kind: trajectories}\n");
    static const char *const labels[] = {">5<", ">7<", ">9<"}; // axes have none of them
    for (int i = 0; i < 3; i++) {
        double x, y, circle_x, circle_y;
        const char *at = strstr(svg, labels[i]);
        assert_non_null(at);
        while (strncmp(at, "translate(", 10) != 0) at--;
        assert_int_equal(sscanf(at, "translate(%lf,%lf)", &x, &y), 2);
        for (at = svg; (at = strstr(at, "#gpPt6' transform='translate(")) != NULL; at++) {
            assert_int_equal(sscanf(strstr(at, "("), "(%lf,%lf)", &circle_x, &circle_y), 2);
            double apart = fmax(fabs(x - circle_x), fabs(y - 4 - circle_y)); // above its baseline
            if (!(apart > 9.4)) fail_msg("%s lies over a circle", labels[i]);
        }
    }
    free(svg);
}

static void test_cloud(void **state) {
    (void)state;
    bench b;
    fv_error error = {0};
    figure_cloud cloud;
    figure_scratch scratch = {0};
    bench_open(&b, SWEEP "figure: {kind: scatter}\n");
    bench_run(&b);
    const fv_config *configs[] = {b.records[0]->config};
    const fv_record *records[] = {b.records[0]};
    figure_view view = {.experiment = b.experiment,
                        .options = &b.experiment->figures[0],
                        .runs = {1, configs, records},
                        .scratch = &scratch};
    assert_int_equal(cloud_read(&view, 0, 333, 100, &cloud, &error), FV_OK);
    assert_true(cloud.n_steps == 1 && cloud.steps[0] == 300 && cloud.n_rows == 4);
    assert_true(fabs(cloud_at(&cloud, 0, 2)[0] - 0.9) < 1e-6);
    assert_true(fabs(cloud_at(&cloud, 0, 2)[1] - 1.8) < 1e-6);
    assert_int_equal(cloud_read(&view, 0, -1, 100, &cloud, &error), FV_OK);
    assert_int_equal(cloud.n_steps, 11);
    scratch_free(&scratch);
    bench_close(&b);
}

static void test_heatmap(void **state) {
    (void)state;
    // first_below 1.5 is reached by V = 4 and 10, 0.5 by none.
    char *svg = svg_of(SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: train.seed, value: "
                             "\"first_below(perplexity, 1.5)\", contour: 550, label: a label}\n");
    assert_shows(svg, "vocab_size, V");
    assert_shows(svg, "seed");
    assert_shows(svg, "a label");
    assert_shows(svg, "boundary at 550");
    assert_null(strstr(svg, "not by the end"));
    assert_null(strstr(svg, "stroke='rgb(255, 255, 255)'  d=")); // edges, whole in their corners
    free(svg);
    check_shows(MAP_SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, value: "
                          "\"first_below(perplexity, 0.5)\"}\n",
                "not by the end");
    // Above 1.5 from the start, and below it at the end: reached, and lost again.
    check_shows(MAP_SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, value: "
                          "\"emergence(perplexity, 1.5)\"}\n",
                "not by the end");
    check_shows(MAP_SWEEP
                "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, reduce: success, "
                "value: \"first_below(perplexity, 1.5) < 575\"}\n",
                "1"); // V = 4: every seed
}

// Learning rates of a hundred and more are no powers.
static void test_whole_tics(void **state) {
    (void)state;
    char *svg = svg_of("source: try\ntrain: {steps: 1000, snapshot_every: 100}\n"
                       "sweep: {train.learning_rate: [0.01, 100, 1000], train.seed: 0..1}\n"
                       "figure: {kind: heatmap, x: train.learning_rate, y: train.seed, value: "
                       "final(loss)}\n");
    assert_shows(svg, "100");
    assert_shows(svg, "1000");
    assert_null(strstr(svg, "e+0"));
    free(svg);
}

// A single point is a dot: one in each of the panels, of the median and of no line.
static void test_single_points(void **state) {
    (void)state;
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, SWEEP "figure: {kind: curves, y: loss, seed: 0}\n");
    bench_run(&b);
    for (int i = 0; i < b.n; i++)
        for (int s = 0; s < b.records[i]->n_series; s++) b.records[i]->series[s].n = 1;
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    char *svg = read_text(drawn.svg);
    assert_int_equal(count(svg, "href='#gpPt6' transform"), 2);
    free(svg);
    fv_drawn_free(&drawn);
    bench_close(&b);
}

// One dimension is drawn against the rows' numbers, its paths against the step.
static void test_one_dimension(void **state) {
    (void)state;
    check_shows(SWEEP_OF_ONE "figure: {kind: scatter, seed: 0}\n", "embedding dimension 1", "row");
    check_shows(SWEEP_OF_ONE "figure: {kind: trajectories, seed: 0}\n", "training step",
                "embedding dimension 1");
    char *svg = svg_of(SWEEP_OF_ONE "figure: {kind: scatter, seed: 0, projection: pca}\n");
    assert_null(strstr(svg, "dimension 2"));
    assert_null(strstr(svg, "PC 2"));
    free(svg);
}

// Maps of two sequences at the first and the last snapshot: each token stands on both axes of its maps, and
// the first query sees itself alone. Whatever attention is, the parameters of a bench are all equal: later
// queries see all keys alike.
static void test_attention(void **state) {
    (void)state;
    char *svg = svg_of(SWEEP "figure: {kind: attention, where: {task.vocab_size: 10}, sequences: "
                             "[\"1,2,3,4\", \"9,8,7,6\"], steps: [0, 10000]}\n");
    assert_int_equal(count(svg, ">step 0<"), 2);
    assert_int_equal(count(svg, ">query<"), 2);
    assert_int_equal(count(svg, ">key<"), 4);
    assert_shows(svg, "9");
    assert_int_equal(count(svg, ">1.00<"), 4);
    assert_int_equal(count(svg, ">0.25<"), 16);
    assert_shows(svg, "attention layer 0, head 0; seed 0, the first of 3");
    free(svg);
}

static void test_attention_of_test_sequences(void **state) {
    (void)state;
    char *svg = svg_of(SWEEP "figure: {kind: attention, where: {task.vocab_size: 10}, seed: 1, "
                             "samples: 1, steps: 0}\n");
    assert_int_equal(count(svg, ">key<"), 1);
    assert_null(strstr(svg, "seed"));
    free(svg);
}

// A series with numbers in brackets against the numbers, at two steps: the first of 10 tokens and the last
// have tics. The curves of a bench are all the same.
static void test_profile(void **state) {
    (void)state;
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, SWEEP "probes: [token_loss]\nfigure: {kind: profile, y: token_loss, where: "
                         "{task.vocab_size: 10}, steps: [0, 500], ylabel: how wrong}\n");
    bench_run(&b);
    for (int i = 0; i < b.n; i++)
        for (int token = 0; token < 10; token++) {
            char name[32];
            snprintf(name, sizeof name, "token_loss[%d]", token);
            for (int step = 0; step <= 500; step += 500)
                fv_record_add(b.records[i], name, step, (float)(step == 0 ? 70 + token : 20));
        }
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    char *svg = read_text(drawn.svg);
    assert_shows(svg, "step 0");
    assert_shows(svg, "step 500");
    assert_shows(svg, "how wrong");
    assert_shows(svg, "80");
    assert_shows(svg, "medians over 3 seeds");
    free(svg);
    fv_drawn_free(&drawn);
    bench_close(&b);
}

// A legend names what its lines differ in: neither what all share nor what panels tell apart.
static void test_legend_names(void **state) {
    (void)state;
    char *svg = svg_of(MAP_SWEEP "figure: {kind: curves, y: loss, panel: task.vocab_size, color: "
                                 "[task.vocab_size, model.n_embd, task.context_length]}\n");
    assert_shows(svg, "d = 2");
    assert_shows(svg, "d = 3");
    assert_null(strstr(svg, ">d = 2, "));
    free(svg);
}

// The plateau ends at 500, 520 and 540 whatever V: "the first below V / 4" comes then, so its law
// has exponent 0; nothing falls below 0.5.
static void test_scaling(void **state) {
    (void)state;
    char *svg = svg_of(SWEEP "figure: {kind: scaling, x: task.vocab_size, y: "
                             "\"first_below(perplexity, 1.5)\"}\n");
    assert_shows(svg, "vocab_size, V");
    assert_shows(svg, "first_below(perplexity, 1.5)");
    assert_shows(svg, "medians over 3 seeds");
    assert_null(strstr(svg, "∝"));
    free(svg);
    // 100 V^2 exactly: a law without scatter.
    check_shows(SWEEP "figure: {kind: scaling, x: task.vocab_size, fit: power, ylabel: a label, "
                      "y: 100 * task.vocab_size * task.vocab_size}\n",
                "∝ V^2.00, 95 % from 2.00 to 2.00", "a label");
    // Seed 2 never gets there at V = 10, and the law stays above its last step, 1000.
    svg = svg_of(SWEEP "figure: {kind: scaling, x: task.vocab_size, fit: power, y: "
                       "\"nullif(iif(train.seed + task.vocab_size > 11, 0, 700), 0)\"}\n");
    assert_shows(svg, "medians over 3 seeds; △ not within the run, which ended there");
    assert_non_null(strstr(svg, "∝ V^0."));
    free(svg);
    check_shows(SWEEP "figure: {kind: scaling, x: task.vocab_size, color: train.seed, fit: power, "
                      "y: 100 * task.vocab_size}\n",
                "seed = 2"); // two points a colour: no law
    check_shows(SWEEP "figure: {kind: scaling, x: task.vocab_size, color: train.seed, y: "
                      "100 * task.vocab_size, labels: [one, two, many]}\n",
                "many");
    check_shows(SWEEP "figure: {kind: scaling, x: [task.vocab_size, task.context_length], place: 3 "
                      "* task.vocab_size, y: 100 * task.vocab_size}\n",
                "3 * V", "medians over 3 seeds");
}

static void test_animation(void **state) {
    (void)state;
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, SWEEP "figure: {kind: animation, where: {task.vocab_size: 4}, frames: 5}\n");
    if (bench_draw(&b, &drawn, &error) != FV_OK) fail_msg("%s", error.text);
    assert_null(drawn.svg);
    assert_null(drawn.png);
    FILE *file = fopen(drawn.gif, "rb");
    char *bytes = calloc(1, 2 << 20);
    size_t n = fread(bytes, 1, 2 << 20, file), frames = 0;
    fclose(file);
    assert_memory_equal(bytes, "GIF89a", 6);
    // Each frame has a graphic control extension: 21 F9 04.
    for (size_t i = 0; i + 2 < n; i++) frames += memcmp(bytes + i, "\x21\xf9\x04", 3) == 0;
    assert_in_range(frames, 5, 20);
    free(bytes);
    fv_drawn_free(&drawn);
    assert_int_equal(n_files(b.folder), 1);
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_curves_in_colours),
        cmocka_unit_test(test_where_layers),
        cmocka_unit_test(test_series_patterns),
        cmocka_unit_test(test_scatter_and_trajectories),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_attention_of_test_sequences),
        cmocka_unit_test(test_labels_of_ends),
        cmocka_unit_test(test_cloud),
        cmocka_unit_test(test_heatmap),
        cmocka_unit_test(test_whole_tics),
        cmocka_unit_test(test_single_points),
        cmocka_unit_test(test_one_dimension),
        cmocka_unit_test(test_legend_names),
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_animation),
    };
    return cmocka_run_group_tests_name("figures_kinds", tests, NULL, NULL);
}
