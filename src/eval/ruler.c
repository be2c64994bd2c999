// RULER's files (github.com/NVIDIA/RULER): data for its clients, predictions as its client writes
// them, and the scores of predictions by its metrics.
#include "eval/served.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Opens FOLDER/LENGTH/TASK`rest` for writing, and makes its folders.
static fv_status open_file(const char *folder, int length, const char *task, const char *rest,
                           FILE **file, fv_error *error) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%d/%s%s", folder, length, task, rest);
    if (n < 0 || (size_t)n >= sizeof path)
        return fv_fail(error, FV_USAGE, "the folder's name is too long: %.60s...", folder);
    char *name = strrchr(path, '/');
    *name = '\0';
    fv_status status = eval_make_folder(path, error);
    *name = '/';
    if (status != FV_OK) return status;
    *file = fopen(path, "w");
    if (*file != NULL) return FV_OK;
    return fv_fail(error, FV_IO, "%s cannot be written: %s", path, strerror(errno));
}

static fv_status close_file(FILE *file, const char *task, fv_error *error) {
    bool broken = ferror(file) != 0;
    broken |= fclose(file) != 0;
    if (!broken) return FV_OK;
    return fv_fail(error, FV_IO, "the file of %s cannot be written: %s", task, strerror(errno));
}

// --- what both kinds of files have -------------------------------------------------------------

static void write_string(FILE *file, const char *text, size_t n) {
    text_buffer escaped = {0};
    haystack_escape(&escaped, text, n);
    fputc('"', file);
    if (escaped.data != NULL) fwrite(escaped.data, 1, escaped.n, file);
    fputc('"', file);
    text_free(&escaped);
}

// The prompt without the answer's beginning, from its pieces as they are.
static void write_input(FILE *file, const prompt *p) {
    text_buffer prefix = {0};
    if (p->prefix.n > 0) haystack_escape(&prefix, p->prefix.data, p->prefix.n);
    size_t left = p->n_escaped - prefix.n;
    fputc('"', file);
    for (int i = 0; i < p->n_pieces && left > 0; i++) {
        size_t n = p->pieces[i].n_escaped < left ? p->pieces[i].n_escaped : left;
        fwrite(prompt_piece_escaped(p, i), 1, n, file);
        left -= n;
    }
    fputc('"', file);
    text_free(&prefix);
}

static void write_outputs(FILE *file, const prompt *p) {
    fputc('[', file);
    for (int i = 0; i < p->n_answers; i++) {
        if (i > 0) fputs(", ", file);
        write_string(file, p->answers[i], strlen(p->answers[i]));
    }
    fputc(']', file);
}

// --- data --------------------------------------------------------------------------------------

typedef struct data_writer {
    const fv_served_options *options;
    const char *folder;
    eval_source source;
    token_counter counter;
    prompt prompt;
} data_writer;

static void write_data_line(FILE *file, const prompt *p, int index, int length) {
    fprintf(file, "{\"index\": %d, \"input\": ", index);
    write_input(file, p);
    fputs(", \"outputs\": ", file);
    write_outputs(file, p);
    fprintf(file, ", \"length\": %d, \"length_w_model_temp\": %d, \"answer_prefix\": ", length,
            length);
    write_string(file, p->prefix.data ? p->prefix.data : "", p->prefix.n);
    fputs("}\n", file);
}

static int most_tokens(const data_writer *w, const eval_task *task) {
    return w->options->max_tokens > 0 ? w->options->max_tokens : task->max_tokens;
}

// What the prompts of a file are made of, and whether its length is enough.
static fv_status prepare(data_writer *w, const eval_task *task, int length, eval_place *place,
                         int *tokens, fv_error *error) {
    const fv_served_options *o = w->options;
    int longest = length;
    for (int l = 0; l < o->n_lengths; l++)
        longest = o->lengths[l] > longest ? o->lengths[l] : longest;
    const source_options from = {o->haystack, o->documents, o->seed, longest};
    *place = (eval_place){.seed = o->seed, .length = length, .depth = NAN};
    char *name = NULL;
    fv_status status = source_prepare(&w->source, task, &from, &place->hay, &name, error);
    free(name);
    if (status != FV_OK) return status;
    return tokens_check(&w->counter, task, &w->source, most_tokens(w, task), place, &place->n_units,
                        tokens, error);
}

static fv_status write_data(data_writer *w, const eval_task *task, int length, fv_error *error) {
    const fv_served_options *o = w->options;
    int max_tokens = most_tokens(w, task), tokens;
    eval_place place;
    FILE *file;
    fv_status status = prepare(w, task, length, &place, &tokens, error);
    if (status == FV_OK)
        status = tokens_fit(&w->counter, task, &w->source, max_tokens, &place, &place.n_units,
                            &tokens, error);
    if (status == FV_OK)
        status = open_file(w->folder, length, task->name, "/validation.jsonl", &file, error);
    if (status != FV_OK) return status;
    for (; place.sample < o->samples && status == FV_OK; place.sample++) {
        if (o->interrupted != NULL && *o->interrupted)
            status = fv_fail(error, FV_INTERRUPTED, "interrupted");
        prompt_clear(&w->prompt);
        if (status == FV_OK) status = task->build(task, &w->source, &place, &w->prompt, error);
        if (status == FV_OK) write_data_line(file, &w->prompt, place.sample, tokens + max_tokens);
    }
    fv_status closed = close_file(file, task->name, error);
    return status != FV_OK ? status : closed;
}

// Nothing is written before everything is known to be good.
static fv_status check_data(data_writer *w, fv_error *error) {
    const fv_served_options *o = w->options;
    for (int t = 0; t < o->n_tasks; t++) {
        const eval_task *task = eval_task_find(o->tasks[t]);
        if (task == NULL)
            return fv_fail(error, FV_USAGE, "there is no task '%s'; --tasks lists them",
                           o->tasks[t]);
        for (int l = 0; l < o->n_lengths; l++) {
            eval_place place;
            int tokens;
            fv_status status = prepare(w, task, o->lengths[l], &place, &tokens, error);
            if (status != FV_OK) return status;
        }
    }
    return FV_OK;
}

fv_status fv_ruler_write(const fv_served_options *o, const char *folder, fv_error *error) {
    data_writer w = {.options = o, .folder = folder};
    w.counter = (token_counter){
        .model = o->model ? o->model : "", .api = WIRE_COMPLETIONS, .interrupted = o->interrupted};
    fv_status status = FV_OK;
    if (o->endpoint != NULL) {
        status = served_address(o->endpoint, false, &w.counter.root, &w.counter.url, error);
        if (status == FV_OK) status = served_connect(o, 1, 256 << 20, &w.counter.http, error);
    }
    if (status == FV_OK) status = tokens_open(&w.counter, error);
    if (status == FV_OK) status = check_data(&w, error);
    for (int t = 0; t < o->n_tasks && status == FV_OK; t++)
        for (int l = 0; l < o->n_lengths && status == FV_OK; l++)
            status = write_data(&w, eval_task_find(o->tasks[t]), o->lengths[l], error);
    http *connection = w.counter.http;
    tokens_close(&w.counter);
    http_free(connection);
    source_free(&w.source);
    prompt_free(&w.prompt);
    return status;
}

// --- predictions out ---------------------------------------------------------------------------

typedef struct prediction_writer {
    const fv_served *served;
    const served_group *group;
    FILE *file;
    prompt prompt;
    int n;
    fv_status status;
    fv_error *error;
} prediction_writer;

static void write_prediction(void *context, const asks_row *row) {
    prediction_writer *w = context;
    const served_group *g = w->group;
    if (row->length != g->length || !fv_answer_counts(row->answer) || w->status != FV_OK) return;
    const eval_place place = {.seed = row->seed,
                              .sample = row->sample,
                              .length = row->length,
                              .n_units = row->n_units,
                              .depth = row->depth,
                              .hay = g->hay};
    prompt_clear(&w->prompt);
    w->status = g->task->build(g->task, &w->served->source, &place, &w->prompt, w->error);
    if (w->status != FV_OK) return;
    const char *reply = row->reply ? row->reply : "";
    fprintf(w->file, "{\"index\": %d, \"pred\": ", w->n++);
    write_string(w->file, reply, strlen(reply));
    fputs(", \"input\": ", w->file);
    write_input(w->file, &w->prompt);
    fputs(", \"outputs\": ", w->file);
    write_outputs(w->file, &w->prompt);
    fprintf(w->file, ", \"others\": {}, \"truncation\": -1, \"length\": %d}\n", row->prompt_tokens);
}

fv_status fv_ruler_predictions(fv_served *s, const char *folder, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < s->n_groups && status == FV_OK; i++) {
        prediction_writer w = {.served = s, .group = &s->groups[i], .error = error};
        const served_group *g = w.group;
        status = open_file(folder, g->length, g->task->name, ".jsonl", &w.file, error);
        if (status != FV_OK) break;
        status =
            asks_each(s->asks, &s->key, g->task->name, g->haystack, write_prediction, &w, error);
        if (status == FV_OK) status = w.status;
        prompt_free(&w.prompt);
        fv_status closed = close_file(w.file, g->task->name, error);
        if (status == FV_OK) status = closed;
    }
    return status;
}
