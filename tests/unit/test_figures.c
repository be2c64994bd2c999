// Figures: the summaries behind them, the checks in front of them, and what stands in the pictures.
// Experiments are read from real YAML; the runs are synthetic, because their curves must be known.
#include "base/text.h"
#include "figures/cloud.h"
#include "figures/curve.h"
#include "figures/gnuplot.h"
#include "figures/kind.h"
#include "figures/scale.h"
#include "figures/sheet.h"

#include <dirent.h>
#include <fovea/eval.h>
#include <fovea/figure.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// --- a laboratory in a temporary folder --------------------------------------------------------

typedef struct bench {
    char folder[64];
    fv_experiment *experiment;
    fv_record **records;
    int n;
} bench;

static char *path_in(const bench *b, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    return path;
}

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    char *bytes = calloc(1, 4 << 20);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, (4 << 20) - 1, file);
    (void)n;
    fclose(file);
    return bytes;
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) n++;
    return n;
}

static int n_files(const char *folder) {
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void bench_open(bench *b, const char *yaml) {
    *b = (bench){.folder = "/tmp/fovea-figures-XXXXXX"};
    assert_non_null(mkdtemp(b->folder));
    FILE *file = fopen(path_in(b, "try.yaml"), "w");
    assert_non_null(file);
    fputs(yaml, file);
    fclose(file);
    fv_error error = {0};
    if (fv_experiment_read(path_in(b, "try.yaml"), NULL, 0, &b->experiment, &error) != FV_OK)
        fail_msg("%s", error.text);
    unlink(path_in(b, "try.yaml"));
}

static void bench_close(bench *b) {
    for (int i = 0; i < b->n; i++) {
        fv_record_free(b->records[i]);
        free(b->records[i]);
    }
    free(b->records);
    fv_experiment_free(b->experiment);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", b->folder);
    assert_int_equal(system(command), 0);
}

// Perplexity falls from V through a plateau at V / 2 to 1; the embedding [V][d] moves on a line.
static void fill(fv_record *record, int run) {
    int V = record->config.task.vocab_size, seed = record->config.train.seed;
    snprintf(record->id, sizeof record->id, "%016d", run);
    record->steps = 1000;
    for (int step = 0; step < 1000; step += 10) {
        double end = 500 + 20 * seed;
        double value = 1 + (V / 2.0 - 1) / (1 + exp((step - end) / 20)) +
                       V / 2.0 / (1 + exp((step - 100) / 20.0));
        fv_record_add(record, "perplexity", step, (float)value);
        fv_record_add(record, "loss", step, (float)log(value));
    }
    fv_model *model;
    assert_int_equal(fv_model_create(&record->config, &model, NULL), FV_OK);
    const fv_tensor *tensor = fv_model_tensor(model, "embed.W_E");
    record->n_params = fv_model_n_params(model);
    float *params = calloc(record->n_params, sizeof *params);
    for (int step = 0; step <= 1000; step += 100) {
        for (int v = 0; v < tensor->shape[0]; v++)
            for (int k = 0; k < tensor->shape[1]; k++)
                params[tensor->offset + (size_t)(v * tensor->shape[1] + k)] =
                    (float)((v + 1) * (k + 1) * step / 1000.0);
        assert_int_equal(fv_record_add_snapshot(record, step, params), FV_OK);
    }
    free(params);
    fv_model_free(model);
}

static void bench_run(bench *b) {
    b->n = fv_experiment_n_runs(b->experiment);
    b->records = calloc((size_t)b->n, sizeof *b->records);
    for (int i = 0; i < b->n; i++) {
        b->records[i] = calloc(1, sizeof *b->records[i]);
        fv_record_init(b->records[i]);
        fv_experiment_config(b->experiment, i, &b->records[i]->config);
        fill(b->records[i], i);
    }
}

static fv_status bench_draw(bench *b, fv_drawn *drawn, fv_error *error) {
    if (b->records == NULL) bench_run(b);
    return fv_figure_draw(b->experiment, &b->experiment->figures[0],
                          (const fv_record *const *)b->records, b->n, b->folder, drawn, error);
}

// The SVG of the experiment's first figure; the caller frees it.
static char *svg_of(const char *yaml) {
    bench b;
    fv_drawn drawn;
    fv_error error = {0};
    bench_open(&b, yaml);
    if (fv_figure_check(b.experiment, &b.experiment->figures[0], &error) != FV_OK ||
        bench_draw(&b, &drawn, &error) != FV_OK)
        fail_msg("%s", error.text);
    char *svg = read_text(drawn.svg), *png = read_text(drawn.png);
    assert_non_null(svg);
    assert_memory_equal(png, "\x89PNG", 4);
    assert_null(drawn.gif);
    free(png);
    fv_drawn_free(&drawn);
    assert_int_equal(n_files(b.folder), 2); // nothing temporary is left
    bench_close(&b);
    return svg;
}

static void assert_shows(const char *svg, const char *text) {
    char element[200];
    snprintf(element, sizeof element, ">%s<", text);
    if (strstr(svg, element) == NULL) fail_msg("the picture does not show \"%s\"", text);
}

// Draws the figure; every one of the texts is in it.
#define check_shows(yaml, ...) svg_shows(yaml, (const char *[]){__VA_ARGS__, NULL})
static void svg_shows(const char *yaml, const char *const *texts) {
    char *svg = svg_of(yaml);
    for (; *texts != NULL; texts++) assert_shows(svg, *texts);
    free(svg);
}

#define SWEEP                                                                                      \
    "source: try\ntask: {context_length: 4}\ntrain: {steps: 1000, snapshot_every: 100}\n"          \
    "sweep: {task.vocab_size: [4, 10], train.seed: 0..2}\n"

#define MAP_SWEEP                                                                                  \
    "source: try\ntrain: {steps: 1000, snapshot_every: 100}\n"                                     \
    "sweep: {task.vocab_size: [4, 10], model.n_embd: [2, 3], train.seed: 0..2}\n"

// --- numbers behind the pictures ---------------------------------------------------------------

static fv_curve curve_of(double *x, double *y, int n) {
    return (fv_curve){.n = n, .x = x, .y = y};
}

static void test_median(void **state) {
    (void)state;
    fv_scratch scratch = {0};
    double x[] = {0, 10, 20, 30}, a[] = {1, 2, 3, 4}, b[] = {3, 2, 9, NAN}, c[] = {2, 8, 5, 6};
    fv_curve curves[] = {curve_of(x, a, 4), curve_of(x, b, 4), curve_of(x, c, 3)}, median;
    assert_int_equal(fv_curve_median(&scratch, curves, 3, &median, NULL), FV_OK);
    // At 30 only one of three curves has a value: not more than half.
    assert_int_equal(median.n, 3);
    const double wanted[] = {2, 2, 5}, low[] = {1, 2, 3}, high[] = {3, 8, 9};
    for (int i = 0; i < 3; i++) {
        assert_true(median.x[i] == x[i] && median.y[i] == wanted[i]);
        assert_true(median.low[i] == low[i] && median.high[i] == high[i]);
    }
    assert_int_equal(fv_curve_median(&scratch, curves, 2, &median, NULL), FV_OK);
    assert_true(median.y[2] == 6); // between 3 and 9
    fv_scratch_free(&scratch);
}

// Three steps at different times: their median is no step of the right length, the typical one is
// the middle one.
static void test_typical(void **state) {
    (void)state;
    double x[30], y[3][30];
    fv_curve curves[3];
    const int ends[] = {25, 5, 14};
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 30; i++) {
            x[i] = i;
            y[c][i] = i < ends[c] ? 50 : 1;
        }
        curves[c] = curve_of(x, y[c], 30);
    }
    assert_int_equal(fv_curve_typical(curves, 3), 2);
    curves[2].n = 0;
    assert_int_equal(fv_curve_typical(curves, 1), 0);
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
    fv_curve curve = curve_of(x, y, N);
    fv_curve_thin(&curve, 100);
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
    fv_scratch scratch = {0};
    fv_record record;
    fv_curve curve;
    fv_record_init(&record);
    for (int step = 0; step < 5; step++) fv_record_add(&record, "loss", step, (float)step);
    for (int step = 0; step < 5; step += 2) fv_record_add(&record, "rank", step, 10);
    assert_int_equal(fv_curve_read(&scratch, &record, NULL, "loss", 1, 2, &curve, NULL), FV_OK);
    assert_true(curve.n == 5 && curve.x[4] == 4 && curve.y[4] == 1.5);
    assert_int_equal(fv_curve_read(&scratch, &record, "loss", "rank", 0, 1, &curve, NULL), FV_OK);
    assert_true(curve.n == 3 && curve.x[2] == 4 && curve.y[2] == 10);
    assert_int_equal(fv_curve_read(&scratch, &record, NULL, "none", 0, 1, &curve, NULL), FV_OK);
    assert_int_equal(curve.n, 0);
    fv_record_free(&record);
    fv_scratch_free(&scratch);
}

static char *tics_of(double low, double high, bool log, double length) {
    static char text[4000];
    fv_scale scale = {low, high, log};
    FILE *out = fmemopen(text, sizeof text, "w");
    fv_scale_write(&scale, out, "x", length);
    fclose(out);
    return strstr(text, "tics (");
}

static void test_tics(void **state) {
    (void)state;
    assert_string_equal(tics_of(0, 3000, false, 420),
                        "tics ('0' 0, '500' 500, '1000' 1000, '1500' 1500, '2000' 2000, '2500' "
                        "2500, '3000' 3000)\n");
    assert_non_null(strstr(tics_of(0, 200000, false, 300), "'50k' 50000"));
    assert_string_equal(tics_of(0, 1.5e12, false, 240),
                        "tics ('0' 0, '0.5e12' 5e+11, '1e12' 1e+12, '1.5e12' 1.5e+12)\n");
    assert_string_equal(tics_of(0, 1000000, false, 140),
                        "tics ('0' 0, '0.5e6' 500000, '1e6' 1000000)\n");
    assert_non_null(strstr(tics_of(0, 999999, false, 140), "'500k' 500000"));
    assert_non_null(strstr(tics_of(-6e7, 0, false, 240), "'−40e6' -40000000"));
    assert_non_null(strstr(tics_of(2e6, 2e6 + 10, false, 300), "'2000002' 2000002"));
    assert_non_null(strstr(tics_of(1e6, 2e7, true, 300), "'2e6' 2000000 0"));
    assert_non_null(strstr(tics_of(-1.2, 1.2, false, 300), "'−1' -1"));
    assert_non_null(strstr(tics_of(1e-6, 1, true, 300), "'10⁻⁵' 1e-05 0"));
    // Ends that a double cannot step between must not hang.
    assert_non_null(tics_of(1e17, 1e17 + 16, false, 300));
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
    fv_scale scale;
    fv_scale_init(&scale, true);
    fv_scale_add(&scale, -1);
    fv_scale_add(&scale, INFINITY);
    fv_scale_add(&scale, 0.01);
    fv_scale_add(&scale, 100);
    fv_scale_finish(&scale, NAN, NAN, 0);
    assert_true(fabs(fv_scale_place(&scale, 1) - 0.5) < 1e-12);
    fv_scale_init(&scale, false);
    fv_scale_finish(&scale, NAN, NAN, 0.05); // nothing was added
    assert_true(scale.low < scale.high);
    fv_scale_init(&scale, false);
    fv_scale_add(&scale, 7);
    fv_scale_finish(&scale, NAN, NAN, 0.05);
    assert_true(scale.low < 7 && scale.high > 7);
}

static void test_obstacles(void **state) {
    (void)state;
    fv_box room[100];
    fv_obstacles obstacles = {.boxes = room, .capacity = 100};
    fv_obstacles_add_segment(&obstacles, 0, 0, 100, 100);
    assert_true(fv_obstacles_hits(&obstacles, (fv_box){40, 45, 60, 55}) > 0);
    // Inside the bounding box of the segment, and yet free.
    assert_int_equal(fv_obstacles_hits(&obstacles, (fv_box){60, 10, 90, 30}), 0);
}

// --- gnuplot -----------------------------------------------------------------------------------

static void test_strings_cannot_break_out(void **state) {
    (void)state;
    char text[100] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    fv_gnuplot_string(out, "it's `x` \"$y\"\n@z\\");
    fclose(out);
    assert_string_equal(text, "'it’s `x` \"$y\" @z\\'");
}

static void test_gnuplot_refuses(void **state) {
    (void)state;
    char folder[] = "/tmp/fovea-figures-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.svg", folder);
    const char script[] = "plot unknown_function(x)\n";
    fv_error error = {0};
    assert_int_equal(
        fv_gnuplot_draw(script, strlen(script), FV_PICTURE_SVG, 200, 100, path, &error), FV_IO);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "undefined function"));
    assert_int_equal(n_files(folder), 0);
    assert_int_equal(fv_gnuplot_draw("plot x\n", 7, FV_PICTURE_SVG, 200, 100, path, &error), FV_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
    unlink(path);
    snprintf(path, sizeof path, "%s/no/a.svg", folder);
    assert_int_equal(fv_gnuplot_draw("plot x\n", 7, FV_PICTURE_SVG, 200, 100, path, &error), FV_IO);
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

// --- kinds -------------------------------------------------------------------------------------

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
                "open circle: initialisation, full circle: end of training");
}

static void test_cloud(void **state) {
    (void)state;
    bench b;
    fv_error error = {0};
    fv_cloud cloud;
    fv_scratch scratch = {0};
    bench_open(&b, SWEEP "figure: {kind: scatter}\n");
    bench_run(&b);
    const fv_config *configs[] = {&b.records[0]->config};
    const fv_record *records[] = {b.records[0]};
    fv_figure_view view = {.experiment = b.experiment,
                           .options = &b.experiment->figures[0],
                           .runs = {1, configs, records},
                           .scratch = &scratch};
    assert_int_equal(fv_cloud_read(&view, 0, 333, &cloud, &error), FV_OK);
    assert_true(cloud.n_steps == 1 && cloud.steps[0] == 300 && cloud.n_rows == 4);
    assert_true(fabs(fv_cloud_at(&cloud, 0, 2)[0] - 0.9) < 1e-6);
    assert_true(fabs(fv_cloud_at(&cloud, 0, 2)[1] - 1.8) < 1e-6);
    assert_int_equal(fv_cloud_read(&view, 0, -1, &cloud, &error), FV_OK);
    assert_int_equal(cloud.n_steps, 11);
    fv_scratch_free(&scratch);
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

static void test_refusals(void **state) {
    (void)state;
    refused("  y: perplexity\n", "`kind` is missing; it is one of curves, scatter");
    refused("  kind: curve\n  y: perplexity\n", "no such kind");
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
    refused("  kind: animation\n", "differ in task.vocab_size");
    refused("  kind: scaling\n  x: model.layers\n  y: final(loss)\n", "model.layers is no number");
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
        cmocka_unit_test(test_tics),
        cmocka_unit_test(test_long_lengths),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_obstacles),
        cmocka_unit_test(test_strings_cannot_break_out),
        cmocka_unit_test(test_gnuplot_refuses),
        cmocka_unit_test(test_missing_gnuplot),
        cmocka_unit_test(test_hostile_title),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_curves_in_colours),
        cmocka_unit_test(test_where_layers),
        cmocka_unit_test(test_series_patterns),
        cmocka_unit_test(test_scatter_and_trajectories),
        cmocka_unit_test(test_cloud),
        cmocka_unit_test(test_heatmap),
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_animation),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_missing_snapshots),
        cmocka_unit_test(test_unknown_series),
        cmocka_unit_test(test_documentation),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
