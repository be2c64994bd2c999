// RULER's files (github.com/NVIDIA/RULER): data for its clients, predictions as its client writes
// them, and the scores of predictions by its metrics.
#include "served/served.h"
#include "served/written.h"

#include <fovea/whole_file.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file on its way. What fails on it is told when it is closed.
typedef struct ruler_file {
    fv_whole_file whole;
    FILE *file;          // its stream
    text_buffer escaped; // of the text that is written
} ruler_file;

// Opens the file that `format` names, and makes its folders.
static fv_status open_file(ruler_file *f, fv_error *error, const char *format, ...) FV_PRINTF(3, 4);

static fv_status open_file(ruler_file *f, fv_error *error, const char *format, ...) {
    char path[4096];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof path)
        return fv_fail(error, FV_USAGE, "the folder's name is too long: %.60s...", path);
    char *name = strrchr(path, '/');
    *name = '\0';
    fv_status status = fv_folder_make(path, NULL, error);
    *name = '/';
    if (status == FV_OK) status = fv_whole_file_open(&f->whole, path, error);
    f->file = f->whole.stream;
    return status;
}

// With `status` as it is so far: a file that went wrong is not kept.
static fv_status close_file(ruler_file *f, fv_status status, fv_error *error) {
    if (status == FV_OK && f->escaped.failed)
        status = fv_fail(error, FV_NO_MEMORY, "%s: out of memory", f->whole.path);
    text_free(&f->escaped);
    fv_status closed = fv_whole_file_close(&f->whole, status == FV_OK, error);
    return status != FV_OK ? status : closed;
}

// --- what both kinds of files have -------------------------------------------------------------

static void write_string(ruler_file *f, const char *text, size_t n) {
    f->escaped.n = 0;
    haystack_escape(&f->escaped, text, n);
    fputc('"', f->file);
    if (f->escaped.n > 0) fwrite(f->escaped.data, 1, f->escaped.n, f->file);
    fputc('"', f->file);
}

// The prompt without the answer's beginning, from its pieces as they are.
static void write_input(ruler_file *f, const prompt *p) {
    f->escaped.n = 0;
    if (p->prefix.n > 0) haystack_escape(&f->escaped, p->prefix.data, p->prefix.n);
    size_t left = p->n_escaped - f->escaped.n;
    fputc('"', f->file);
    for (int i = 0; i < p->n_pieces && left > 0; i++) {
        size_t n = p->pieces[i].n_escaped < left ? p->pieces[i].n_escaped : left;
        fwrite(prompt_piece_escaped(p, i), 1, n, f->file);
        left -= n;
    }
    fputc('"', f->file);
}

static void write_outputs(ruler_file *f, const prompt *p) {
    fputc('[', f->file);
    for (int i = 0; i < p->n_answers; i++) {
        if (i > 0) fputs(", ", f->file);
        write_string(f, p->answers[i], strlen(p->answers[i]));
    }
    fputc(']', f->file);
}

// --- data --------------------------------------------------------------------------------------

enum { MOST_PASSED = 1000 }; // questions in a row that do not fit

static void write_data_line(ruler_file *f, const prompt *p, int index, int length) {
    fprintf(f->file, "{\"index\": %d, \"input\": ", index);
    write_input(f, p);
    fputs(", \"outputs\": ", f->file);
    write_outputs(f, p);
    fprintf(f->file, ", \"length\": %d, \"length_w_model_temp\": %d, \"answer_prefix\": ", length,
            length);
    write_string(f, p->prefix.data ? p->prefix.data : "", p->prefix.n);
    fputs("}\n", f->file);
}

static fv_status write_data(written *w, const written_part *part, const char *folder,
                            fv_error *error) {
    const fv_served_options *o = w->options;
    const served_task *task = part->task;
    int max_tokens = written_max_tokens(w, task), tokens;
    served_sample_place place = part->place;
    ruler_file file = {0};
    fv_status status =
        open_file(&file, error, "%s/%d/%s/validation.jsonl", folder, place.length, task->name);
    if (status != FV_OK) return status;
    // A question that does not fit into the length is passed over.
    for (int index = 0; index < o->samples && status == FV_OK; place.sample++) {
        if (o->interrupted != NULL && *o->interrupted)
            status = fv_fail(error, FV_INTERRUPTED, "interrupted");
        if (status == FV_OK) status = written_build(w, part, &place, &tokens, error);
        if (status == FV_OK && w->prompt.n_messages > 0)
            status = fv_fail(error, FV_USAGE,
                             "%s is a chat of several messages, which RULER's data have no form "
                             "for; freeze it instead: fovea needle freeze SET.jsonl.gz",
                             task->name);
        if (status != FV_OK) break;
        if (place.n_units > 0) write_data_line(&file, &w->prompt, index++, tokens + max_tokens);
        if (place.sample > MOST_PASSED && index == 0)
            status =
                fv_fail(error, FV_USAGE, "no question of %s fits into length %d; use a longer one",
                        task->name, place.length);
    }
    return close_file(&file, status, error);
}

fv_status fv_ruler_write(const fv_served_options *o, const char *folder, fv_error *error) {
    written w = {0};
    fv_status status = written_prepare(&w, o, WIRE_COMPLETIONS, error);
    if (status == FV_OK) status = fv_folder_make(folder, NULL, error);
    for (int i = 0; i < w.n_parts && status == FV_OK; i++)
        status = write_data(&w, &w.parts[i], folder, error);
    if (status == FV_OK) status = written_left_out(&w, error);
    written_free(&w);
    return status;
}

// --- predictions out ---------------------------------------------------------------------------

typedef struct prediction_writer {
    const fv_served *served;
    const served_group *group;
    ruler_file file;
    prompt prompt;
    int n;
    fv_status status;
    fv_error *error;
} prediction_writer;

// What RULER's client copies from a line of data, or writes where the line lacks it.
static void write_copied(FILE *file, const json_t *line, const char *name, const char *lacking) {
    const json_t *value = json_object_get(line, name);
    char *text = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    fprintf(file, ", \"%s\": %s", name, text != NULL ? text : lacking);
    free(text);
}

// Of a chat: its line, with the response.
static void write_response(prediction_writer *w, const char *reply, json_t *line) {
    json_object_set_new(line, "response", json_string(reply));
    if (json_dumpf(line, w->file.file, 0) != 0 && !ferror(w->file.file))
        w->status = fv_fail(w->error, FV_NO_MEMORY, "out of memory");
    fputc('\n', w->file.file);
}

static void write_line(prediction_writer *w, const asks_row *row, json_t *line) {
    ruler_file *f = &w->file;
    const char *reply = row->reply ? row->reply : "";
    if (w->prompt.n_messages > 0) {
        write_response(w, reply, line);
        return;
    }
    const json_t *index = json_object_get(line, "index");
    char tokens[16];
    snprintf(tokens, sizeof tokens, "%d", row->prompt_tokens);
    fprintf(f->file, "{\"index\": %lld, \"pred\": ",
            index != NULL ? (long long)json_integer_value(index) : w->n);
    w->n++;
    write_string(f, reply, strlen(reply));
    fputs(", \"input\": ", f->file);
    write_input(f, &w->prompt);
    fputs(", \"outputs\": ", f->file);
    write_outputs(f, &w->prompt);
    write_copied(f->file, line, "others", "{}");
    write_copied(f->file, line, "truncation", "-1");
    write_copied(f->file, line, "length", tokens);
    fputs("}\n", f->file);
}

static void write_prediction(void *context, const asks_row *row) {
    prediction_writer *w = context;
    const served_group *g = w->group;
    if (!fv_answer_counts(row->answer) || w->status != FV_OK) return;
    const served_sample_place place = {.seed = row->seed,
                                       .sample = row->sample,
                                       .length = row->length,
                                       .n_units = row->n_units,
                                       .depth = row->depth,
                                       .hay = g->hay};
    json_t *line = NULL;
    prompt_clear(&w->prompt);
    w->status = g->task->build(g->task, &w->served->source, &place, &w->prompt, w->error);
    if (w->status == FV_OK && g->data != NULL)
        w->status = data_file_line(g->data, row->sample, row->depth, &line, w->error);
    if (w->status == FV_OK) write_line(w, row, line);
    json_decref(line);
}

static fv_status write_predictions(fv_served *s, const served_group *g, const char *folder,
                                   fv_error *error) {
    prediction_writer w = {.served = s, .group = g, .error = error};
    fv_status status =
        g->data != NULL && g->data->form == DATA_RULER
            ? open_file(&w.file, error, "%s/%s.jsonl", folder, g->task->name)
            : open_file(&w.file, error, "%s/%d/%s.jsonl", folder, g->length, g->task->name);
    if (status != FV_OK) return status;
    const asks_group group = served_asks_group(s, g, served_counted(s));
    status = asks_each(s->asks, &s->key, &group, write_prediction, &w, error);
    if (status == FV_OK) status = w.status;
    prompt_free(&w.prompt);
    return close_file(&w.file, status, error);
}

fv_status fv_ruler_predictions(fv_served *s, const char *folder, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < s->n_groups && status == FV_OK; i++)
        status = write_predictions(s, &s->groups[i], folder, error);
    return status;
}
