// Writes a frozen set: frozen.h has its form.
#include "eval/frozen.h"
#include "served/served.h"
#include "served/written.h"

#include <fovea/whole_file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PASSED = 1000 }; // questions in a row that do not fit

typedef struct freezer {
    written prompts;
    frozen_writer writer;
    text_buffer lines; // of one sample, a line each depth
    int n_lines;
} freezer;

// --- one question ------------------------------------------------------------------------------

static void add_string(text_buffer *line, const char *name, const char *text, size_t n) {
    text_add(line, ", \"%s\": \"", name);
    if (n > 0) haystack_escape(line, text, n);
    text_add_char(line, '"');
}

// The prompt without the answer's beginning, from its pieces as they are.
static void add_input(text_buffer *line, const prompt *p) {
    text_buffer prefix = {0};
    if (p->n_messages > 0) {
        text_add(line, ", \"messages\": ");
        prompt_add_chat(p, line);
        return;
    }
    if (p->prefix.n > 0) haystack_escape(&prefix, p->prefix.data, p->prefix.n);
    size_t left = p->n_escaped - prefix.n;
    text_add(line, ", \"input\": \"");
    for (int i = 0; i < p->n_pieces && left > 0; i++) {
        size_t n = p->pieces[i].n_escaped < left ? p->pieces[i].n_escaped : left;
        text_add_n(line, prompt_piece_escaped(p, i), n);
        left -= n;
    }
    text_add_char(line, '"');
    add_string(line, "answer_prefix", p->prefix.data, p->prefix.n);
    line->failed |= prefix.failed;
    text_free(&prefix);
}

static void add_outputs(text_buffer *line, const prompt *p) {
    text_add(line, ", \"outputs\": [");
    for (int i = 0; i < p->n_answers; i++) {
        text_add(line, "%s\"", i > 0 ? ", " : "");
        haystack_escape(line, p->answers[i], strlen(p->answers[i]));
        text_add_char(line, '"');
    }
    text_add(line, "]");
}

// `sample` counts those that are written.
static void add_line(freezer *f, const written_part *part, const served_sample_place *place,
                     int sample, int tokens) {
    const prompt *p = &f->prompts.prompt;
    const served_task *task = part->task;
    char depth[32] = "null";
    if (!isnan(place->depth)) text_from_real(place->depth, depth, sizeof depth);
    text_add(&f->lines,
             "{\"task\": \"%s\", \"length\": %d, \"depth\": %s, \"sample\": %d, \"tokens\": %d, "
             "\"max_tokens\": %d, \"metric\": \"%s\"",
             task->name, place->length, depth, sample, tokens,
             written_max_tokens(&f->prompts, task), data_metric_text(task->metric));
    if (p->system != NULL) add_string(&f->lines, "system", p->system, strlen(p->system));
    add_input(&f->lines, p);
    add_outputs(&f->lines, p);
    text_add(&f->lines, "}\n");
    f->n_lines++;
}

// --- samples and parts -------------------------------------------------------------------------

// One sample at every depth; *fits is false where it has no prompt of its length at one of them.
static fv_status build_sample(freezer *f, const written_part *part, served_sample_place *place,
                              const double *depths, int n_depths, int sample, bool *fits,
                              fv_error *error) {
    int tokens;
    f->lines.n = 0;
    f->n_lines = 0;
    *fits = true;
    for (int d = 0; d < n_depths && *fits; d++) {
        place->depth = depths[d];
        fv_status status = written_build(&f->prompts, part, place, &tokens, error);
        if (status != FV_OK) return status;
        *fits = place->n_units > 0;
        if (*fits) add_line(f, part, place, sample, tokens);
    }
    return FV_OK;
}

static fv_status write_part(freezer *f, const written_part *part, const double *depths,
                            int n_depths, fv_error *error) {
    const fv_served_options *o = f->prompts.options;
    served_sample_place place = part->place;
    fv_status status = FV_OK;
    for (int n = 0; n < o->samples && status == FV_OK; place.sample++) {
        bool fits = false;
        if (o->interrupted != NULL && *o->interrupted)
            return fv_fail(error, FV_INTERRUPTED, "interrupted");
        status = build_sample(f, part, &place, depths, n_depths, n, &fits, error);
        if (status == FV_OK && fits)
            status = frozen_write(&f->writer, &f->lines, f->n_lines, error);
        n += fits;
        if (status == FV_OK && place.sample > MOST_PASSED && n == 0)
            status =
                fv_fail(error, FV_USAGE, "no question of %s fits into length %d; use a longer one",
                        part->task->name, place.length);
    }
    return status;
}

static int by_falling(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a < b) - (a > b);
}

// Depths from deep to shallow, as they are asked, each once.
static fv_status write_parts(freezer *f, fv_error *error) {
    const fv_served_options *o = f->prompts.options;
    double none = NAN, *depths = calloc((size_t)o->n_depths + 1, sizeof *depths);
    int n_depths = 0;
    if (depths == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (o->n_depths > 0) memcpy(depths, o->depths, (size_t)o->n_depths * sizeof *depths);
    qsort(depths, (size_t)o->n_depths, sizeof *depths, by_falling);
    for (int d = 0; d < o->n_depths; d++)
        if (n_depths == 0 || depths[d] != depths[n_depths - 1]) depths[n_depths++] = depths[d];
    fv_status status = FV_OK;
    for (int i = 0; i < f->prompts.n_parts && status == FV_OK; i++) {
        const written_part *part = &f->prompts.parts[i];
        bool deep = part->task->has_depth && n_depths > 0;
        status = write_part(f, part, deep ? depths : &none, deep ? n_depths : 1, error);
    }
    free(depths);
    return status;
}

// --- the file ----------------------------------------------------------------------------------

// Whose tokens the lengths are: `, "fovea": ..., "tokenizer": {...}`.
static fv_status make_head(const written *w, text_buffer *head, fv_error *error) {
    const fv_served_options *o = w->options;
    const length_rule *rule = &w->parts[0].rule;
    server_told told = {0};
    fv_status status = FV_OK;
    if (o->endpoint != NULL)
        status =
            server_ask(w->counter.http, &w->counter.at, o->model, o->interrupted, &told, error);
    if (status != FV_OK) return status;
    json_t *tokenizer = json_pack("{s:s, s:b}", "counted_by", tokens_way_text(rule->count.way),
                                  "estimated", !length_rule_is_sure(rule));
    if (o->endpoint != NULL) {
        json_object_set_new(tokenizer, "model", json_string(o->model));
        if (*told.model) json_object_set_new(tokenizer, "served", json_string(told.model));
        if (*told.name) json_object_set_new(tokenizer, "server", json_string(told.name));
        json_object_set_new(tokenizer, "api", json_string(o->api));
    }
    char *text = json_dumps(tokenizer, 0);
    text_add(head, ", \"fovea\": \"%s\", \"seed\": %llu, \"tokenizer\": %s", FOVEA_VERSION,
             (unsigned long long)o->seed, text != NULL ? text : "");
    if (text == NULL || head->failed) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    free(text);
    json_decref(tokenizer);
    return status;
}

static fv_status write_set(freezer *f, const char *path, fv_frozen *made, fv_error *error) {
    fv_whole_file file;
    text_buffer head = {0};
    size_t n = strlen(path), n_plain = strlen(".jsonl");
    bool plain = n > n_plain && strcmp(path + n - n_plain, ".jsonl") == 0;
    fv_status status = make_head(&f->prompts, &head, error);
    if (status == FV_OK) status = fv_whole_file_open(&file, path, error);
    if (status == FV_OK) {
        status = frozen_open(&f->writer, file.stream, plain, head.data, error);
        if (status == FV_OK) status = write_parts(f, error);
        made->n = f->writer.n;
        status = frozen_close(&f->writer, status, made->hash, error);
        fv_status closed = fv_whole_file_close(&file, status == FV_OK, error);
        if (status == FV_OK) status = closed;
    }
    text_free(&head);
    return status;
}

fv_status fv_served_freeze(const fv_served_options *o, const char *path, fv_frozen *made,
                           fv_error *error) {
    freezer f = {0};
    bool chat = strcmp(o->api, "chat") == 0;
    *made = (fv_frozen){0};
    fv_status status = written_prepare(&f.prompts, o, chat ? WIRE_CHAT : WIRE_COMPLETIONS, error);
    if (status == FV_OK) status = write_set(&f, path, made, error);
    if (status == FV_OK) status = written_left_out(&f.prompts, error);
    text_free(&f.lines);
    written_free(&f.prompts);
    return status;
}
