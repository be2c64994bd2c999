// Figures: the summaries behind them, and the checks in front of them. What stands in the pictures
// is in test_figures_kinds.c.
#include "figure_bench.h"

#include "figures/cloud.h"
#include "figures/curve.h"
#include "figures/gnuplot.h"
#include "figures/kind.h"
#include "figures/sheet.h"
#include "figures/tics.h"

#include <fovea/eval.h>

// --- numbers behind the pictures ---------------------------------------------------------------

static figure_curve curve_of(double *x, double *y, int n) {
    return (figure_curve){.n = n, .x = x, .y = y};
}

static void test_median(void **state) {
    (void)state;
    figure_scratch scratch = {0};
    double x[] = {0, 10, 20, 30}, a[] = {1, 2, 3, 4}, b[] = {3, 2, 9, NAN}, c[] = {2, 8, 5, 6};
    figure_curve curves[] = {curve_of(x, a, 4), curve_of(x, b, 4), curve_of(x, c, 3)}, median;
    assert_int_equal(curve_median(&scratch, curves, 3, &median, NULL), FV_OK);
    // At 30 only one of three curves has a value: not more than half.
    assert_int_equal(median.n, 3);
    const double wanted[] = {2, 2, 5}, low[] = {1, 2, 3}, high[] = {3, 8, 9};
    for (int i = 0; i < 3; i++) {
        assert_true(median.x[i] == x[i] && median.y[i] == wanted[i]);
        assert_true(median.low[i] == low[i] && median.high[i] == high[i]);
    }
    assert_int_equal(curve_median(&scratch, curves, 2, &median, NULL), FV_OK);
    assert_true(median.y[2] == 6); // between 3 and 9
    scratch_free(&scratch);
}

// Three steps at different times: their median is no step of the right length, the typical one is
// the middle one.
static void test_typical(void **state) {
    (void)state;
    double x[30], y[3][30];
    figure_curve curves[3];
    const int ends[] = {25, 5, 14};
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 30; i++) {
            x[i] = i;
            y[c][i] = i < ends[c] ? 50 : 1;
        }
        curves[c] = curve_of(x, y[c], 30);
    }
    assert_int_equal(curve_typical(curves, 3), 2);
    curves[2].n = 0;
    assert_int_equal(curve_typical(curves, 1), 0);
}

static void test_thinning_keeps_spikes(void **state) {
    (void)state;
    enum { N = 10007 };
    static double x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = 1;
    }
    y[1] = -5;
    y[6000] = 1e5;
    y[N - 2] = 7;
    figure_curve curve = curve_of(x, y, N);
    curve_thin(&curve, 100);
    assert_in_range(curve.n, 50, 110);
    bool spike = false, early = false, late = false;
    for (int i = 0; i < curve.n; i++) {
        spike |= curve.x[i] == 6000 && curve.y[i] == 1e5;
        early |= curve.y[i] == -5;
        late |= curve.y[i] == 7;
        if (i > 0) assert_true(curve.x[i] > curve.x[i - 1]);
    }
    assert_true(spike && early && late);
    assert_true(curve.x[0] == 0 && curve.x[curve.n - 1] == N - 1);
}

static void test_reading_a_curve(void **state) {
    (void)state;
    figure_scratch scratch = {0};
    fv_record record;
    figure_curve curve;
    fv_record_init(&record);
    for (int step = 0; step < 5; step++) fv_record_add(&record, "loss", step, (float)step);
    for (int step = 0; step < 5; step += 2) fv_record_add(&record, "rank", step, 10);
    assert_int_equal(curve_read(&scratch, &record, NULL, "loss", 1, 2, &curve, NULL), FV_OK);
    assert_true(curve.n == 5 && curve.x[4] == 4 && curve.y[4] == 1.5);
    assert_int_equal(curve_read(&scratch, &record, "loss", "rank", 0, 1, &curve, NULL), FV_OK);
    assert_true(curve.n == 3 && curve.x[2] == 4 && curve.y[2] == 10);
    assert_int_equal(curve_read(&scratch, &record, NULL, "none", 0, 1, &curve, NULL), FV_OK);
    assert_int_equal(curve.n, 0);
    fv_record_free(&record);
    scratch_free(&scratch);
}

// An axis that nothing was added to has no numbers of its own.
static void test_invented_axis(void **state) {
    (void)state;
    char text[200] = "";
    figure_scale scale;
    scale_init(&scale, false);
    scale_finish(&scale, NAN, NAN, 0.05);
    FILE *out = fmemopen(text, sizeof text, "w");
    figure_tics tics;
    tics_find(&scale, 200, false, &tics);
    scale_write(&scale, &tics, out, "y");
    fclose(out);
    assert_non_null(strstr(text, "unset ytics"));
    assert_null(strstr(text, "'0'"));
}

static void test_long_lengths(void **state) {
    (void)state;
    char folder[] = "/tmp/fovea-figures-XXXXXX", path[64], command[64];
    assert_non_null(mkdtemp(folder));
    fv_cells cells = {0};
    fv_error error = {0};
    const int lengths[] = {4096, 64000, 1048576, 2000000};
    for (int i = 0; i < 4; i++) {
        fv_cell cell = {.model = "m", .task = "t", .unit = "tokens", .length = lengths[i]};
        fv_cell_count(&cell, FV_ANSWER_FOUND, 1);
        assert_int_equal(fv_cells_put(&cells, &cell, &error), FV_OK);
    }
    if (fv_cells_report(folder, "try", &cells, &error) != FV_OK) fail_msg("%s", error.text);
    snprintf(path, sizeof path, "%s/map.svg", folder);
    char *svg = read_text(path);
    assert_non_null(svg);
    assert_shows(svg, "4096");
    assert_shows(svg, "64k");
    assert_shows(svg, "1.048576e6");
    assert_shows(svg, "2e6");
    free(svg);
    fv_cells_free(&cells);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_scales(void **state) {
    (void)state;
    figure_scale scale;
    scale_init(&scale, true);
    scale_add(&scale, -1);
    scale_add(&scale, INFINITY);
    scale_add(&scale, 0.01);
    scale_add(&scale, 100);
    scale_finish(&scale, NAN, NAN, 0);
    assert_true(fabs(scale_place(&scale, 1) - 0.5) < 1e-12);
    scale_init(&scale, false);
    scale_finish(&scale, NAN, NAN, 0.05); // nothing was added
    assert_true(scale.low < scale.high);
    scale_init(&scale, false);
    scale_add(&scale, 7);
    scale_finish(&scale, NAN, NAN, 0.05);
    assert_true(scale.low < 7 && scale.high > 7);
}

static void test_obstacles(void **state) {
    (void)state;
    figure_scratch scratch = {0};
    figure_obstacles obstacles;
    assert_true(obstacles_init(&obstacles, &scratch, 200, 120.5));
    obstacles_add_segment(&obstacles, 0, 0, 100, 100);
    assert_true(obstacles_hits(&obstacles, (figure_box){40, 45, 60, 55}) > 0);
    // Inside the bounding box of the segment, and yet free.
    assert_int_equal(obstacles_hits(&obstacles, (figure_box){60, 10, 90, 30}), 0);
    obstacles_clear(&obstacles);
    // What lies far away takes no time and no room; what crosses the panel does.
    obstacles_add_segment(&obstacles, -1e30, 50, 1e30, 50);
    obstacles_add_segment(&obstacles, NAN, 0, 1, INFINITY);
    obstacles_add(&obstacles, (figure_box){-1e30, -1e30, -1e29, -1e29});
    assert_true(obstacles_hits(&obstacles, (figure_box){0, 40, 200, 60}) >= 3 * 199);
    assert_int_equal(obstacles_hits(&obstacles, (figure_box){0, 55, 200, 200}), 0);
    scratch_free(&scratch);
}

// --- texts -------------------------------------------------------------------------------------

static void test_texts_fit(void **state) {
    (void)state;
    figure_scratch scratch = {0};
    figure_fitted fitted = text_fit("short", 12, 10, 200, 3);
    assert_true(fitted.n == 1 && fitted.size == 12 && !fitted.cut);
    const char *words = "some words that together are wider than the room that they have";
    fitted = text_fit(words, 12, 10, 150, 5);
    assert_true(fitted.n > 1 && fitted.size == 10 && !fitted.cut);
    for (int k = 0; k < fitted.n; k++) {
        char *line = fitted_line(&scratch, &fitted, k);
        assert_true(text_width(line, fitted.size) <= 150);
        assert_true(line[0] != ' ' && line[strlen(line) - 1] != ' ');
    }
    fitted = text_fit(words, 12, 12, 150, 2);
    assert_true(fitted.n == 2 && fitted.cut);
    char *last = fitted_line(&scratch, &fitted, 1);
    assert_non_null(strstr(last, "…"));
    assert_true(text_width(last, 12) <= 150);
    // One word, and a text without spaces, break anywhere; never inside of a character.
    fitted = text_fit("WWWWWWWWWWWWWWWWWWWWWWWW", 12, 12, 100, 12);
    assert_true(fitted.n == 3 && !fitted.cut);
    fitted = text_fit("学习率学习率学习率学习率", 12, 12, 60, 12);
    assert_int_equal(fitted.n, 3);
    assert_int_equal(fitted.lines[0].n, 15); // five characters
    text_fit("", 12, 10, 100, 3);
    text_fit("      ", 12, 10, 5, 3);
    text_fit("x", 12, 10, 0, 0);
    // Marks take no room of their own, Chinese takes twice that of Latin.
    assert_true(text_width("e\xcc\x81", 10) == text_width("e", 10));
    assert_true(text_width("学", 10) > 1.5 * text_width("e", 10));
    scratch_free(&scratch);
}

// --- gnuplot -----------------------------------------------------------------------------------

static void test_strings_cannot_break_out(void **state) {
    (void)state;
    char text[100] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    gnuplot_string(out, "it's `x` \"$y\"\n@z\\");
    fclose(out);
    assert_string_equal(text, "'it’s `x` \"$y\" @z\\'");
}

// Whatever a text holds, the SVG is XML: xmllint would not be there on every machine, so what XML
// forbids is looked for.
static void test_strings_are_xml(void **state) {
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"a]]>b", "'a]]\xe2\x80\x8b>b'"},
        {"]]>", "']]\xe2\x80\x8b>'"},
        {"\x01\x1f\x7f\xc2\x85", "'    '"},                                   // controls
        {"\xc3(\xff\xfe", "'\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd'"},         // no UTF-8
        {"\xed\xa0\x80", "'\xef\xbf\xbd'"},                                   // a surrogate
        {"\xef\xbf\xbe\xef\xbf\xbf", "'\xef\xbf\xbd\xef\xbf\xbd'"},           // not characters
        {"\xc0\x80\xe0\x80\x80", "'\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd'"},   // overlong
        {"\xe5\xad\xa6 \xf0\x9f\x99\x82", "'\xe5\xad\xa6 \xf0\x9f\x99\x82'"}, // 学 🙂
        {"\xe5\xad", "'\xef\xbf\xbd\xef\xbf\xbd'"},                           // cut short
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100] = "";
        FILE *out = fmemopen(text, sizeof text, "w");
        gnuplot_string(out, cases[i].text);
        fclose(out);
        if (strstr(text, cases[i].wanted) == NULL) fail_msg("case %zu: %s", i, text);
        assert_null(strstr(text, "]]>"));
        for (const char *c = text; *c; c++) assert_true((unsigned char)*c >= 0x20);
    }
}

static void test_gnuplot_refuses(void **state) {
    (void)state;
    char folder[] = "/tmp/fovea-figures-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.svg", folder);
    const char script[] = "plot unknown_function(x)\n";
    fv_error error = {0};
    assert_int_equal(gnuplot_draw(script, strlen(script), FV_PICTURE_SVG, 200, 100, path, &error),
                     FV_IO);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "undefined function"));
    assert_int_equal(n_files(folder), 0);
    assert_int_equal(gnuplot_draw("plot x\n", 7, FV_PICTURE_SVG, 200, 100, path, &error), FV_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
    unlink(path);
    snprintf(path, sizeof path, "%s/no/a.svg", folder);
    assert_int_equal(gnuplot_draw("plot x\n", 7, FV_PICTURE_SVG, 200, 100, path, &error), FV_IO);
    rmdir(folder);
}

static void test_missing_gnuplot(void **state) {
    (void)state;
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, SWEEP "figure: {kind: curves, y: perplexity}\n");
    char *path = text_copy(getenv("PATH"));
    setenv("PATH", b.folder, 1);
    fv_status status = bench_draw(&b, &drawn, &error);
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(status, FV_MISSING_PROGRAM);
    assert_non_null(strstr(error.text, "gnuplot-nox"));
    assert_null(drawn.svg);
    assert_int_equal(n_files(b.folder), 0);
    bench_close(&b);
}

static void test_hostile_title(void **state) {
    (void)state;
    char *svg = svg_of(SWEEP "figure:\n  kind: curves\n  y: perplexity\n"
                             "  title: \"'; system('touch /tmp/fovea-owned') `touch "
                             "/tmp/fovea-owned` <script>\\n\"\n");
    assert_non_null(strstr(svg, "`touch /tmp/fovea-owned` &lt;script"));
    assert_null(strstr(svg, "<script"));
    assert_int_equal(access("/tmp/fovea-owned", F_OK), -1);
    free(svg);
}

// --- refusals ----------------------------------------------------------------------------------

static void refused(const char *figure, const char *part) {
    bench b;
    fv_error error = {0};
    char yaml[1000];
    snprintf(yaml, sizeof yaml, SWEEP "figure:\n%s", figure);
    bench_open(&b, yaml);
    fv_status status = FV_OK;
    for (int i = 0; i < b.experiment->n_figures && status == FV_OK; i++)
        status = fv_figure_check(b.experiment, &b.experiment->figures[i], &error);
    if (status != FV_USAGE) fail_msg("accepted: %s", figure);
    if (strstr(error.text, part) == NULL) fail_msg("no \"%s\" in: %s", part, error.text);
    if (strstr(error.text, "try.yaml:") == NULL) fail_msg("no place in: %s", error.text);
    bench_close(&b);
}

#define ATTENTION "  kind: attention\n  where: {task.vocab_size: 4}\n"

static void test_refusals(void **state) {
    (void)state;
    refused("  y: perplexity\n", "`kind` is missing; it is one of curves, scatter");
    refused("  kind: curve\n  y: perplexity\n", "there is no kind 'curve'");
    refused("  kind: imshow\n  y: perplexity\n", "the nearest is 'heatmap'");
    refused("  kind: curves\n  y: perplexity\n  hue: task.vocab_size\n", "the nearest is `lines`");
    refused("  kind: curves\n  y: perplexity\n  where: {task.vocab_size: ten}\n",
            "must be a whole number from 2 to 1000000, not 'ten'");
    refused("  kind: curves\n  y: perplexity\n  pannel: none\n",
            "try.yaml:8: figure curves: there is no option \"pannel\"; the nearest is `panel`");
    refused("  kind: curves\n", "`y` is missing");
    refused("  kind: curves\n  y: perplexity\n  ylog: 3\n", "must be true or false");
    refused("  kind: curves\n  y: perplexity\n  xmax: far\n", "must be a number");
    refused("  kind: curves\n  y: perplexity\n  title: [a, b]\n", "takes one value");
    refused("  kind: curves\n  y: perplexity\n  panel: task.vocabsize\n",
            "the nearest is task.vocab_size");
    refused("  kind: curves\n  y: perplexity\n  name: ../x\n", "letters, digits");
    refused("  kind: curves\n  y: effective_rank.blocks.0.attn.W_Q\n",
            "add effective_rank to its probes");
    refused("  kind: curves\n  y: perplexiti\n", "neither a metric");
    refused("  kind: curves\n  y: perplexity\n  lines: [plateu(perplexity)]\n", "plateau");
    refused("  kind: curves\n  y: perplexity\n  panel: none\n", "differ in task.vocab_size");
    refused("  kind: curves\n  y: perplexity\n  where: {task.vocab_size: 5}\n", "no run");
    refused("  kind: curves\n  y: perplexity\n  where: {task.vocab: 5}\n", "task.vocab_size");
    refused("  kind: curves\n  y: perplexity\n  seed: 7\n", "no run");
    refused("  - {kind: curves, y: loss, name: a}\n  - {kind: curves, y: loss, name: a}\n",
            "another figure");
    refused("  kind: scatter\n  tensor: embed.W\n", "it has embed.W_E");
    refused("  kind: scatter\n  projection: tsne\n", "one of axes|pca");
    refused("  kind: profile\n  y: position_loss\n", "no probe of the experiment measures");
    refused("  kind: profile\n  y: position_loss[3]\n", "without its brackets: position_loss");
    refused("  kind: attention\n", "drawn as one; select one value with `where`");
    refused(ATTENTION "  sequences: [\"0,3,3\"]\n", "\"0,3,3\" is no sequence of the task");
    refused(ATTENTION "  sequences: [\"0,1,2,-1\"]\n", "no sequence of the task");
    refused(ATTENTION "  layer: 1\n", "no attention layer 1");
    refused(ATTENTION "  head: 7\n", "there is no head 7; the layer has 1");
    refused(ATTENTION "  steps: [0, x]\n", "\"x\" is no step");
    refused(ATTENTION "  steps: [500, 0]\n", "steps must increase, 0 stands behind 500");
    refused(ATTENTION "  samples: 0.5\n", "a whole number from 1");
    refused(ATTENTION "  samples: 100\n", "too many maps to read");
    refused("  kind: animation\n", "differ in task.vocab_size");
    refused("  kind: scaling\n  x: model.layers\n  y: final(loss)\n", "model.layers is no number");
    refused("  kind: scaling\n  x: none\n  y: final(loss)\n", "none is no number");
    refused("  kind: scaling\n  x: [task.vocab_size, model.n_embd]\n  y: final(loss)\n",
            "try.yaml:7: figure scaling: `x` names 2 fields, whose values have no scale in common; "
            "add `place`, a measure such as state_bytes");
    refused("  kind: scaling\n  x: task.vocab_size\n  y: final(loss)\n  color: train.seed\n  "
            "labels: [a, b]\n",
            "labels for");
    refused("  kind: scaling\n  x: task.vocab_size\n  y: final(loss)\n  fit: exponential\n",
            "power");
    refused("  kind: heatmap\n  x: task.vocab_size\n  y: model.layers\n  value: final(loss)\n",
            "which has no order");
    refused("  kind: heatmap\n  x: task.vocab_size\n  y: model.n_embd\n  value: final(loss)\n",
            "try.yaml:8: figure heatmap: `y` is model.n_embd, which is 2 in every run; put it into "
            "`sweep` with several values");
    refused("  kind: heatmap\n  x: train.steps\n  y: train.seed\n  value: final(loss)\n",
            "`x` is train.steps, which is 1000 in every run");
    refused("  kind: scaling\n  x: model.n_embd\n  y: final(loss)\n",
            "`x` is model.n_embd, which is 2 in every run");
}

// A figure may look at one value of what its experiment sweeps.
static void test_one_row(void **state) {
    (void)state;
    check_shows(SWEEP "figure: {kind: heatmap, x: task.vocab_size, y: train.seed, seed: 1, value: "
                      "\"first_below(perplexity, 1.5)\"}\n",
                "seed", "1");
}

static void test_missing_snapshots(void **state) {
    (void)state;
    bench b;
    fv_error error = {0};
    bench_open(&b, "source: try\nfigure: {kind: trajectories}\n");
    assert_int_equal(fv_figure_check(b.experiment, &b.experiment->figures[0], &error), FV_USAGE);
    assert_non_null(strstr(error.text, "set train.snapshot_every"));
    bench_close(&b);
}

static void test_unknown_series(void **state) {
    (void)state;
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, SWEEP "figure: {kind: curves, y: [test_loss]}\n");
    assert_int_equal(bench_draw(&b, &drawn, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "they have perplexity, loss"));
    assert_int_equal(n_files(b.folder), 0);
    bench_close(&b);
}

static void test_documentation(void **state) {
    (void)state;
    char *text = read_text(FOVEA_SOURCE_DIR "/docs/figures.md"), *help = fv_figure_help(NULL);
    assert_non_null(text);
    const char *start = strstr(text, "<!-- options -->\n");
    assert_non_null(start);
    start += strlen("<!-- options -->\n");
    size_t same = 0;
    while (start[same] != '\0' && start[same] == help[same]) same++;
    if (start[same] != help[same])
        fail_msg("docs/figures.md is not what the tables say from here:\n%.200s", help + same);
    free(text);
    free(help);
    char *one = fv_figure_help("scatter");
    assert_non_null(strstr(one, "## scatter"));
    assert_null(strstr(one, "## curves"));
    free(one);
    assert_null(fv_figure_help("pie"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_typical),
        cmocka_unit_test(test_thinning_keeps_spikes),
        cmocka_unit_test(test_reading_a_curve),
        cmocka_unit_test(test_invented_axis),
        cmocka_unit_test(test_long_lengths),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_obstacles),
        cmocka_unit_test(test_texts_fit),
        cmocka_unit_test(test_strings_cannot_break_out),
        cmocka_unit_test(test_strings_are_xml),
        cmocka_unit_test(test_gnuplot_refuses),
        cmocka_unit_test(test_missing_gnuplot),
        cmocka_unit_test(test_hostile_title),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_missing_snapshots),
        cmocka_unit_test(test_unknown_series),
        cmocka_unit_test(test_documentation),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
