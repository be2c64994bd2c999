#include "eval/own_set.h"

#include "eval/frozen.h"
#include "eval/own_answers.h"
#include "eval/own_questions.h"

#include <fovea/machine.h>
#include <fovea/whole_file.h>
#include <stdlib.h>
#include <string.h>

typedef struct set_cell {
    int length;
    double depth;
    int n, n_answers; // questions so far, and answers of each
    int32_t *tokens;  // [n_samples][length]
    int32_t *targets; // [n_samples][n_answers]
} set_cell;

struct fv_own_set {
    char *path;
    char hash[33];
    fv_own_plan plan; // its lengths, depths, samples and seed
    json_t *fields;   // of the task: {"task.name": "needle"}
    int vocab_size;
    set_cell *cells; // [n_lengths][n_depths]
    int n_cells, n_lines;
    frozen_check check;
};

// --- writing -----------------------------------------------------------------------------------

typedef struct freezer {
    frozen_writer writer;
    text_buffer line;
    double depth;
    fv_status status;
    fv_error *error;
} freezer;

static void add_list(text_buffer *line, const char *name, const int32_t *tokens, int n) {
    text_add(line, ", \"%s\": [", name);
    for (int i = 0; i < n; i++) text_add(line, "%s%d", i > 0 ? ", " : "", (int)tokens[i]);
    text_add_char(line, ']');
}

static void add_real(text_buffer *line, double value) {
    char text[32];
    text_from_real(value, text, sizeof text);
    text_add(line, "%s", text);
}

static void write_question(void *context, const retrieval_answer *drawn) {
    freezer *f = context;
    if (f->status != FV_OK) return;
    f->line.n = 0;
    text_add(&f->line, "{\"length\": %d, \"depth\": ", drawn->n_tokens);
    add_real(&f->line, f->depth);
    text_add(&f->line, ", \"sample\": %d", (int)drawn->index);
    add_list(&f->line, "tokens", drawn->tokens, drawn->n_tokens);
    add_list(&f->line, "outputs", drawn->expected, drawn->n);
    text_add(&f->line, "}\n");
    f->status = frozen_write(&f->writer, &f->line, 1, f->error);
}

static fv_status add_field(void *context, const char *key, const char *value, fv_error *error) {
    json_t *fields = context;
    if (json_object_set_new(fields, key, json_string(value)) == 0) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

static fv_status make_head(const fv_config *config, const fv_own_plan *plan, text_buffer *head,
                           fv_error *error) {
    json_t *fields = json_object();
    own_questions questions;
    fv_status status = own_questions_of(config, NULL, &questions, error);
    if (status == FV_OK) status = add_field(fields, "task.name", questions.task, error);
    if (status == FV_OK) status = own_questions_fields(config, add_field, fields, error);
    char *text = status == FV_OK ? json_dumps(fields, 0) : NULL;
    text_add(head, ", \"fovea\": \"%s\", \"seed\": %llu, \"sequences\": %s", fv_version(),
             (unsigned long long)plan->seed, text != NULL ? text : "");
    add_list(head, "lengths", plan->lengths, plan->n_lengths);
    text_add(head, ", \"depths\": [");
    for (int d = 0; d < plan->n_depths; d++) {
        text_add(head, "%s", d > 0 ? ", " : "");
        add_real(head, plan->depths[d]);
    }
    text_add(head, "], \"samples\": %d", plan->n_samples);
    if (status == FV_OK && (text == NULL || head->failed))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    free(text);
    json_decref(fields);
    return status;
}

static fv_status write_cells(freezer *f, const fv_config *config, const fv_own_plan *plan,
                             fv_error *error) {
    const retrieval_listener writes = {.take = write_question, .context = f};
    fv_status status = FV_OK;
    for (int i = 0; i < plan->n_lengths * plan->n_depths && status == FV_OK; i++) {
        int length = plan->lengths[i / plan->n_depths];
        f->depth = plan->depths[i % plan->n_depths];
        if (plan->interrupted != NULL && *plan->interrupted)
            return fv_fail(error, FV_INTERRUPTED, "interrupted");
        status =
            retrieval_draw(config, length, f->depth, own_cell_seed(plan->seed, length, f->depth), 0,
                           plan->n_samples, &writes, error);
        if (status == FV_OK) status = f->status;
    }
    return status;
}

fv_status fv_own_freeze(const fv_config *config, const fv_own_plan *plan, const char *path,
                        fv_frozen *made, fv_error *error) {
    freezer f = {.error = error};
    fv_whole_file file;
    text_buffer head = {0};
    size_t n = strlen(path), n_plain = strlen(".jsonl");
    bool plain = n > n_plain && strcmp(path + n - n_plain, ".jsonl") == 0;
    *made = (fv_frozen){0};
    if (plan->width > 0)
        return fv_fail(error, FV_USAGE,
                       "a set has as many questions of each cell as the plan has "
                       "samples; leave out the width");
    fv_status status = fv_own_check(config, plan, error);
    if (status == FV_OK) status = make_head(config, plan, &head, error);
    if (status == FV_OK && (status = fv_whole_file_open(&file, path, error)) == FV_OK) {
        status = frozen_open(&f.writer, file.stream, plain, head.data, error);
        if (status == FV_OK) status = write_cells(&f, config, plan, error);
        made->n = f.writer.n;
        status = frozen_close(&f.writer, status, made->hash, error);
        fv_status closed = fv_whole_file_close(&file, status == FV_OK, error);
        if (status == FV_OK) status = closed;
    }
    text_free(&head);
    text_free(&f.line);
    return status;
}

// --- reading -----------------------------------------------------------------------------------

static int read_numbers(const json_t *list, double *values) {
    size_t n = json_array_size(list);
    if (n > FV_OWN_MOST) return 0;
    for (size_t i = 0; i < n; i++) values[i] = json_number_value(json_array_get(list, i));
    return (int)n;
}

static fv_status read_head(fv_own_set *s, const json_line *line, fv_error *error) {
    fv_own_plan *p = &s->plan;
    double lengths[FV_OWN_MOST];
    s->fields = json_incref(json_object_get(line->object, "sequences"));
    const json_t *vocab = json_object_get(s->fields, "task.vocab_size");
    s->vocab_size = vocab != NULL ? atoi(json_string_value(vocab)) : 0;
    p->seed = (uint64_t)json_integer_value(json_object_get(line->object, "seed"));
    p->n_samples = (int)json_integer_value(json_object_get(line->object, "samples"));
    p->n_lengths = read_numbers(json_object_get(line->object, "lengths"), lengths);
    p->n_depths = read_numbers(json_object_get(line->object, "depths"), p->depths);
    bool good = p->n_samples > 0 && p->n_lengths > 0 && p->n_depths > 0 && s->vocab_size > 0;
    for (int l = 0; l < p->n_lengths; l++) {
        good &= lengths[l] >= 1 && lengths[l] <= FV_OWN_LONGEST;
        p->lengths[l] = good ? (int)lengths[l] : 0;
    }
    if (!good) return fv_fail(error, FV_FORMAT, "%s: has no grid", line->where);
    s->n_cells = p->n_lengths * p->n_depths;
    s->cells = calloc((size_t)s->n_cells, sizeof *s->cells);
    if (s->cells == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < s->n_cells; i++)
        s->cells[i] =
            (set_cell){.length = p->lengths[i / p->n_depths], .depth = p->depths[i % p->n_depths]};
    return FV_OK;
}

// False where the list has not n tokens of the vocabulary.
static bool read_tokens(const fv_own_set *s, const json_t *list, int n, int32_t *tokens) {
    if (n < 1 || json_array_size(list) != (size_t)n) return false;
    for (int i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        json_int_t token = json_is_integer(item) ? json_integer_value(item) : -1;
        if (token < 0 || token >= s->vocab_size) return false;
        tokens[i] = (int32_t)token;
    }
    return true;
}

// Room for a cell's questions where its first one is read.
static bool grow(const fv_own_set *s, set_cell *cell, int n_answers) {
    size_t n = (size_t)s->plan.n_samples;
    if (cell->tokens != NULL) return true;
    cell->n_answers = n_answers;
    cell->tokens = calloc(n, (size_t)cell->length * sizeof *cell->tokens);
    cell->targets = calloc(n, (size_t)(n_answers > 0 ? n_answers : 1) * sizeof *cell->targets);
    return cell->tokens != NULL && cell->targets != NULL;
}

static fv_status read_question(fv_own_set *s, const json_line *line, fv_error *error) {
    const json_t *o = line->object, *outputs = json_object_get(o, "outputs");
    int i = s->n_lines++ / s->plan.n_samples;
    set_cell *cell = i < s->n_cells ? &s->cells[i] : NULL;
    if (cell != NULL && json_integer_value(json_object_get(o, "length")) == cell->length &&
        json_number_value(json_object_get(o, "depth")) == cell->depth &&
        json_integer_value(json_object_get(o, "sample")) == cell->n) {
        if (!grow(s, cell, (int)json_array_size(outputs)))
            return fv_fail(error, FV_NO_MEMORY, "%s: out of memory", line->where);
        size_t at = (size_t)cell->n++;
        if (read_tokens(s, json_object_get(o, "tokens"), cell->length,
                        cell->tokens + at * (size_t)cell->length) &&
            read_tokens(s, outputs, cell->n_answers, cell->targets + at * (size_t)cell->n_answers))
            return FV_OK;
    }
    return fv_fail(error, FV_FORMAT, "%s: is not the next question of its grid", line->where);
}

// First everything is held against the hash, then it is read.
static fv_status check_line(void *context, const json_line *line, fv_error *error) {
    fv_own_set *s = context;
    bool first = s->check.hash == NULL, is_question;
    if (first && json_object_get(line->object, "fovea_set") == NULL)
        return fv_fail(error, FV_USAGE,
                       "%s is no frozen set; 'fovea needle RUN --freeze SET' writes one", s->path);
    if (first && json_object_get(line->object, "tokenizer") != NULL)
        return fv_fail(error, FV_USAGE,
                       "%s has texts, for served models (--endpoint URL); 'fovea needle RUN "
                       "--freeze SET' writes sequences for models of the lab",
                       s->path);
    const char *hash = json_string_value(json_object_get(line->object, "xxh3_128"));
    if (hash != NULL) snprintf(s->hash, sizeof s->hash, "%s", hash);
    return frozen_take(&s->check, line, &is_question, error);
}

static fv_status read_line(void *context, const json_line *line, fv_error *error) {
    fv_own_set *s = context;
    if (s->cells == NULL) return read_head(s, line, error);
    if (json_object_get(line->object, "fovea_set_end") != NULL) return FV_OK;
    return read_question(s, line, error);
}

fv_status fv_own_set_read(const char *path, fv_own_set **out, fv_error *error) {
    fv_own_set *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL || (s->path = text_copy(path)) == NULL) {
        free(s);
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    fv_status status = json_lines_each(path, 0, check_line, s, error);
    if (status == FV_OK || frozen_begins(path)) status = frozen_end(&s->check, path, status, error);
    if (status == FV_OK) status = json_lines_each(path, 0, read_line, s, error);
    if (status == FV_OK && s->n_lines != s->n_cells * s->plan.n_samples)
        status = fv_fail(error, FV_FORMAT, "%s has %d questions and a grid of %d cells of %d", path,
                         s->n_lines, s->n_cells, s->plan.n_samples);
    if (status == FV_OK)
        *out = s;
    else
        fv_own_set_free(s);
    return status;
}

void fv_own_set_free(fv_own_set *s) {
    if (s == NULL) return;
    for (int i = 0; i < s->n_cells && s->cells != NULL; i++) {
        free(s->cells[i].tokens);
        free(s->cells[i].targets);
    }
    free(s->cells);
    json_decref(s->fields);
    free(s->path);
    free(s);
}

// --- asking what it has ------------------------------------------------------------------------

fv_status fv_own_set_use(const fv_own_set *s, fv_config *config, fv_own_plan *plan,
                         fv_error *error) {
    const char *key;
    json_t *value;
    int vocab_size = own_questions_vocabulary(config);
    if (vocab_size != s->vocab_size)
        return fv_fail(error, FV_USAGE,
                       "%s is for models of task.vocab_size %d, and this one has %d tokens",
                       s->path, s->vocab_size, vocab_size);
    fv_status status = own_questions_reset(config, error);
    json_object_foreach(s->fields, key, value) {
        if (status == FV_OK) status = fv_config_set(config, key, json_string_value(value), error);
    }
    plan->n_lengths = s->plan.n_lengths;
    plan->n_depths = s->plan.n_depths;
    memcpy(plan->lengths, s->plan.lengths, sizeof plan->lengths);
    memcpy(plan->depths, s->plan.depths, sizeof plan->depths);
    if (plan->n_samples > s->plan.n_samples) plan->n_samples = s->plan.n_samples;
    plan->seed = s->plan.seed;
    plan->set = s;
    return status;
}

const char *own_set_hash(const fv_own_set *s) {
    return s != NULL ? s->hash : NULL;
}

static const set_cell *cell_of(const fv_own_set *s, int length, double depth) {
    for (int i = 0; i < s->n_cells; i++)
        if (s->cells[i].length == length && s->cells[i].depth == depth) return &s->cells[i];
    return NULL;
}

fv_status own_set_check(const fv_own_set *s, const fv_own_plan *plan, fv_error *error) {
    if (plan->width > 0 || plan->n_samples > s->plan.n_samples)
        return fv_fail(error, FV_USAGE,
                       "%s has %d questions of each cell, and no more can be asked", s->path,
                       s->plan.n_samples);
    for (int i = 0; i < plan->n_lengths * plan->n_depths; i++) {
        int length = plan->lengths[i / plan->n_depths];
        double depth = plan->depths[i % plan->n_depths];
        if (cell_of(s, length, depth) == NULL)
            return fv_fail(error, FV_USAGE, "%s has no questions of length %d at depth %g %%",
                           s->path, length, depth);
    }
    return FV_OK;
}

bool own_set_find(const fv_own_set *s, int length, double depth, retrieval_source *source) {
    const set_cell *cell = cell_of(s, length, depth);
    if (cell == NULL) return false;
    source->tokens = cell->tokens;
    source->targets = cell->targets;
    source->n_answers = cell->n_answers;
    return true;
}

fv_status own_set_prompt(const fv_own_set *s, int length, double depth, int sample, int32_t *tokens,
                         fv_error *error) {
    const set_cell *cell = cell_of(s, length, depth);
    if (cell == NULL || sample < 0 || sample >= cell->n)
        return fv_fail(error, FV_NOT_FOUND, "%s has no such question", s->path);
    size_t n = (size_t)length;
    memcpy(tokens, cell->tokens + (size_t)sample * n, n * sizeof *tokens);
    return FV_OK;
}
