// Fuzzes what reads the user's files of questions: SQuAD's, HotpotQA's, those of "Lost in the
// Middle", RULER's data and predictions. Whatever the bytes, a file is refused with one sentence,
// or every question of it makes a prompt. The first byte chooses the kind.
#include "served/source.h"

#include <fovea/eval.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void write_input(const uint8_t *data, size_t size) {
    if (*path == '\0') snprintf(path, sizeof path, "/tmp/fovea-fuzz-%ld.jsonl", (long)getpid());
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) abort();
}

static void check(fv_status status, const fv_error *error) {
    if (status != FV_OK && error->text[0] == '\0') abort();
}

static void build(const served_task *task, const served_source *source, served_hay hay,
                  int sample) {
    fv_error error = {0};
    prompt p = {0};
    const served_sample_place place = {.seed = 1,
                                       .hay = hay,
                                       .sample = sample,
                                       .length = 1000,
                                       .n_units = 1 + sample % 3,
                                       .depth = sample % 2 ? NAN : 100};
    prompt_clear(&p);
    fv_status status = task->build(task, source, &place, &p, &error);
    check(status, &error);
    char *text = status == FV_OK ? prompt_text(&p, false) : NULL;
    if (text != NULL && (p.n_answers == 0 || p.prefix.n > p.n_raw)) abort();
    free(text);
    prompt_free(&p);
}

static void ask(const char *task_name) {
    fv_error error = {0};
    const served_task *task = served_task_find(task_name);
    const source_options options = {.documents = path,
                                    .needles = path,
                                    .seed = 1,
                                    .longest = 1000,
                                    .haystack = strcmp(task_name, "latent") == 0 ? "noise" : NULL};
    served_source source = {0};
    served_hay hay;
    char *name;
    fv_status status = source_prepare(&source, task, &options, &hay, &name, &error);
    check(status, &error);
    for (int sample = 0; status == FV_OK && sample < 4; sample++) build(task, &source, hay, sample);
    source_free(&source);
    free(name);
}

static void ask_data(void) {
    fv_error error = {0};
    const served_source nothing = {0};
    data_file **files;
    int n;
    check(data_files_open(path, &files, &n, NULL, &error), &error);
    for (int f = 0; f < n; f++)
        for (int i = 0; i < files[f]->n && i < 4; i++)
            build(&files[f]->task, &nothing, EVAL_HAY_NONE, i);
    data_files_close(files, n);
}

static void score(void) {
    fv_error error = {0};
    fv_ruler_score *scores;
    int n;
    fv_status status = fv_ruler_score_files(path, false, &scores, &n, &error);
    check(status, &error);
    if (status == FV_OK && !(scores[0].score >= 0 && scores[0].score <= 100)) abort();
    free(scores);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const TASKS[] = {"qa_1", "qa_2", "qa", "latent"};
    if (size < 1) return 0;
    write_input(data + 1, size - 1);
    int kind = data[0] % 6; // the digits 0 to 5 are the kinds
    if (kind < 3 || kind == 5)
        ask(TASKS[kind < 3 ? kind : 3]);
    else if (kind == 3)
        ask_data();
    else
        score();
    return unlink(path);
}
