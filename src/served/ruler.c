// RULER's files (github.com/NVIDIA/RULER): data for its clients, predictions as its client writes
// them, and the scores of predictions by its metrics.
#include "served/served.h"

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

// One file: a task at a length.
typedef struct data_part {
    const served_task *task;
    served_sample_place place;
    length_rule rule;
} data_part;

typedef struct data_writer {
    const fv_served_options *options;
    const char *folder;
    served_source source;
    token_counter counter;
    prompt prompt;
    data_part *parts; // [n_parts]
    int n_parts;
} data_writer;

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

static int most_tokens(const data_writer *w, const served_task *task) {
    return w->options->max_tokens > 0 ? w->options->max_tokens : task->max_tokens;
}

// What the prompts of a file are made of, and how much of it fills the length.
static fv_status prepare(data_writer *w, const served_task *task, int length,
                         served_sample_place *place, length_rule *rule, fv_error *error) {
    const fv_served_options *o = w->options;
    int longest = length;
    for (int l = 0; l < o->n_lengths; l++)
        longest = o->lengths[l] > longest ? o->lengths[l] : longest;
    const source_options from = {o->haystack, o->documents, o->seed, longest};
    *place = (served_sample_place){.seed = o->seed, .length = length, .depth = NAN};
    char *name = NULL;
    fv_status status = source_prepare(&w->source, task, &from, &place->hay, &name, error);
    free(name);
    if (status != FV_OK) return status;
    return length_rule_make(&w->counter, task, &w->source, most_tokens(w, task), place, rule,
                            error);
}

static fv_status write_data(data_writer *w, const data_part *part, fv_error *error) {
    const fv_served_options *o = w->options;
    const served_task *task = part->task;
    int max_tokens = most_tokens(w, task), tokens;
    served_sample_place place = part->place;
    ruler_file file = {0};
    fv_status status =
        open_file(&file, error, "%s/%d/%s/validation.jsonl", w->folder, place.length, task->name);
    if (status != FV_OK) return status;
    // A question that does not fit into the length is passed over.
    for (int index = 0; index < o->samples && status == FV_OK; place.sample++) {
        if (o->interrupted != NULL && *o->interrupted)
            status = fv_fail(error, FV_INTERRUPTED, "interrupted");
        if (status == FV_OK)
            status = length_build(&w->counter, &part->rule, task, &w->source, &place, &w->prompt,
                                  &tokens, error);
        if (status != FV_OK) break;
        if (place.n_units > 0) write_data_line(&file, &w->prompt, index++, tokens + max_tokens);
        if (place.sample > MOST_PASSED && index == 0)
            status =
                fv_fail(error, FV_USAGE, "no question of %s fits into length %d; use a longer one",
                        task->name, place.length);
    }
    return close_file(&file, status, error);
}

// Finds the lengths of all parts. Nothing is written before everything else is known to be good; a
// length that a task has no prompt of is left out and told of in the end.
static fv_status prepare_parts(data_writer *w, fv_error *left_out, fv_error *error) {
    const fv_served_options *o = w->options;
    for (int t = 0; t < o->n_tasks; t++) {
        fv_status known = served_task_check(o->tasks[t], error);
        if (known != FV_OK) return known;
        const served_task *task = served_task_find(o->tasks[t]);
        fv_status status = FV_OK;
        for (int l = 0; l < o->n_lengths && status == FV_OK; l++) {
            data_part *part = &w->parts[w->n_parts];
            part->task = task;
            status = prepare(w, task, o->lengths[l], &part->place, &part->rule, error);
            bool short_one = status == FV_USAGE && part->rule.tokens > part->rule.budget;
            if (status == FV_OK)
                w->n_parts++;
            else
                length_rule_free(&part->rule);
            if (!short_one) continue;
            if (left_out->status == FV_OK) *left_out = *error;
            status = FV_OK;
        }
        if (status != FV_OK) return status;
    }
    if (w->n_parts > 0) return FV_OK;
    *error = *left_out;
    return left_out->status;
}

static fv_status open_counter(data_writer *w, fv_error *error) {
    const fv_served_options *o = w->options;
    w->counter = (token_counter){.model = o->model ? o->model : "",
                                 .api = WIRE_COMPLETIONS,
                                 .extra = o->extra,
                                 .patience = o->timeout,
                                 .interrupted = o->interrupted,
                                 .say = o->on_note,
                                 .context_of_say = o->context};
    fv_status status = FV_OK;
    if (o->endpoint != NULL) {
        status = address_read(o->endpoint, false, &w->counter.at, error);
        if (status == FV_OK) status = served_connect(o, 1, 256 << 20, &w->counter.http, error);
    }
    return status == FV_OK ? tokens_open(&w->counter, error) : status;
}

fv_status fv_ruler_write(const fv_served_options *o, const char *folder, fv_error *error) {
    data_writer w = {.options = o, .folder = folder};
    fv_error left_out = {.status = FV_OK};
    size_t n = (size_t)o->n_tasks * (size_t)o->n_lengths;
    w.parts = calloc(n > 0 ? n : 1, sizeof *w.parts);
    fv_status status =
        w.parts != NULL ? open_counter(&w, error) : fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK) status = served_check_sources(o, error);
    if (status == FV_OK) status = prepare_parts(&w, &left_out, error);
    if (status == FV_OK) status = fv_folder_make(folder, NULL, error);
    for (int i = 0; i < w.n_parts && status == FV_OK; i++)
        status = write_data(&w, &w.parts[i], error);
    if (status == FV_OK && left_out.status != FV_OK)
        status = fv_fail(error, left_out.status, "%s; all others are written", left_out.text);
    for (int i = 0; i < w.n_parts; i++) length_rule_free(&w.parts[i].rule);
    free(w.parts);
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
