// A laboratory in a temporary folder, for tests of figures: experiments are read from real YAML;
// the runs are synthetic, because their curves must be known.
#ifndef TESTS_FIGURE_BENCH_H
#define TESTS_FIGURE_BENCH_H

#include "base/text.h"

#include <dirent.h>
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

typedef struct bench {
    char folder[64];
    fv_experiment *experiment;
    fv_record **records;
    int n;
} bench;

static inline char *path_in(const bench *b, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    return path;
}

static inline char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    char *bytes = calloc(1, 4 << 20);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, (4 << 20) - 1, file);
    (void)n;
    fclose(file);
    return bytes;
}

static inline int count(const char *text, const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) n++;
    return n;
}

static inline int n_files(const char *folder) {
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static inline void bench_open(bench *b, const char *yaml) {
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

static inline void bench_close(bench *b) {
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
static inline void fill(fv_record *record, int run) {
    double V = fv_config_number(record->config, fv_field_find("task.vocab_size"));
    double seed = fv_config_number(record->config, fv_field_find("train.seed"));
    snprintf(record->id, sizeof record->id, "%016d", run);
    record->steps = 1000;
    for (int step = 0; step < 1000; step += 10) {
        double end = 500 + 20 * seed;
        double value =
            1 + (V / 2 - 1) / (1 + exp((step - end) / 20)) + V / 2 / (1 + exp((step - 100) / 20.0));
        fv_record_add(record, "perplexity", step, (float)value);
        fv_record_add(record, "loss", step, (float)log(value));
    }
    fv_model *model;
    assert_int_equal(fv_model_create(record->config, &model, NULL), FV_OK);
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

static inline void bench_run(bench *b) {
    b->n = fv_experiment_n_runs(b->experiment);
    b->records = calloc((size_t)b->n, sizeof *b->records);
    for (int i = 0; i < b->n; i++) {
        b->records[i] = calloc(1, sizeof *b->records[i]);
        fv_record_init(b->records[i]);
        fv_record_set_config(b->records[i], NULL, NULL);
        fv_experiment_config(b->experiment, i, b->records[i]->config);
        fill(b->records[i], i);
    }
}

static inline fv_status bench_draw(bench *b, fv_drawn *drawn, fv_error *error) {
    if (b->records == NULL) bench_run(b);
    return fv_figure_draw(b->experiment, &b->experiment->figures[0],
                          (const fv_record *const *)b->records, b->n, b->folder, drawn, error);
}

// The SVG of the experiment's first figure; the caller frees it.
static inline char *svg_of(const char *yaml) {
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

static inline void assert_shows(const char *svg, const char *text) {
    char element[200];
    snprintf(element, sizeof element, ">%s<", text);
    if (strstr(svg, element) == NULL) fail_msg("the picture does not show \"%s\"", text);
}

// Draws the figure; every one of the texts is in it.
#define check_shows(yaml, ...) svg_shows(yaml, (const char *[]){__VA_ARGS__, NULL})
static inline void svg_shows(const char *yaml, const char *const *texts) {
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

#endif
