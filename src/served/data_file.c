#include "served/data_file.h"

#include "eval/frozen.h"
#include "served/score.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char DATA_NAME[] = "validation.jsonl";

// ".../vt/validation.jsonl" and "vt.jsonl" are of the task vt, with ".gz" behind them, too.
static void name_task(const char *path, char *name, size_t size) {
    const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    size_t n = strcspn(base, ".");
    if (strncmp(base, DATA_NAME, strlen(DATA_NAME)) == 0 && base > path) {
        const char *end = base - 1;
        for (base = end; base > path && base[-1] != '/';) base--;
        n = (size_t)(end - base);
    }
    snprintf(name, size, "%.*s", (int)n, base);
}

// --- prompts -----------------------------------------------------------------------------------

// The depth of the file that is nearest to one; the first where there are none.
static int nearest_depth(const data_file *data, double depth) {
    int nearest = 0;
    for (int d = 1; d < data->n_depths; d++)
        if (fabs(data->depths[d] - depth) < fabs(data->depths[nearest] - depth)) nearest = d;
    return nearest;
}

fv_status data_file_line(const data_file *data, int sample, double depth, json_t **line,
                         fv_error *error) {
    size_t i = (size_t)sample * (size_t)data->n_depths + (size_t)nearest_depth(data, depth);
    return json_lines_read(data->file, data->path, data->at[i], 0, line, error);
}

static fv_status build(const served_task *task, const served_source *source,
                       const served_sample_place *place, prompt *p, fv_error *error) {
    (void)source;
    const data_file *data = (const data_file *)task;
    json_t *line;
    if (place->sample >= data->n)
        return fv_fail(error, FV_FORMAT, "%s has no line of question %d", data->path,
                       place->sample + 1);
    fv_status status = data_file_line(data, place->sample, place->depth, &line, error);
    if (status == FV_OK) status = data_line_build(data->form, line, p, error);
    p->system = data->system;
    json_decref(line);
    return status;
}

// --- opening -----------------------------------------------------------------------------------

// A file on its way: its parts so far.
typedef struct opener {
    char *path;
    data_form form;
    int n_lines;
    data_file **files; // [n]
    int n, capacity;
    frozen_check check;
    char *about;
} opener;

static void close_one(data_file *data) {
    if (data == NULL) return;
    if (data->file != NULL && !data->shares_file) fclose(data->file);
    free(data->path);
    free(data->system);
    free(data->depths);
    free(data->at);
    free(data);
}

void data_files_close(data_file **files, int n) {
    for (int i = 0; i < n; i++) close_one(files[i]);
    free(files);
}

// Room for one more in a growing list; false without memory.
static bool grow(void **items, int n, int *capacity, size_t size) {
    if (n < *capacity) return true;
    int wanted = *capacity > 0 ? 2 * *capacity : 16;
    void *grown = realloc(*items, (size_t)wanted * size);
    if (grown == NULL) return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

// The part that a question belongs to; NULL without memory.
static data_file *part_of(opener *o, const data_question *q, const json_t *line) {
    for (int i = o->n - 1; i >= 0; i--)
        if (q->length == 0 ||
            (o->files[i]->length == q->length && strcmp(o->files[i]->name, q->task) == 0))
            return o->files[i];
    const char *system = json_string_value(json_object_get(line, "system"));
    data_file *data = calloc(1, sizeof *data);
    if (data == NULL || !grow((void **)&o->files, o->n, &o->capacity, sizeof *o->files)) {
        free(data);
        return NULL;
    }
    o->files[o->n++] = data;
    *data = (data_file){.form = o->form, .length = q->length, .digest = TEXT_HASH_START};
    data->task.max_tokens = q->max_tokens;
    data->task.metric = q->metric;
    data->path = text_copy(o->path);
    data->system = o->form == DATA_FROZEN && system != NULL ? text_copy(system) : NULL;
    snprintf(data->name, sizeof data->name, "%s", q->task);
    return data->path != NULL && (system == NULL || o->form != DATA_FROZEN || data->system != NULL)
               ? data
               : NULL;
}

// Questions stand sample by sample, each with the depths of the first.
static bool in_order(data_file *data, const data_question *q) {
    if (data->form != DATA_FROZEN) return true;
    if (q->sample == 0) return data->n_lines + 1 == data->n_depths;
    double depth = data->depths[data->n_lines % data->n_depths];
    return q->sample == data->n_lines / data->n_depths &&
           (depth == q->depth || (isnan(depth) && isnan(q->depth)));
}

static fv_status add_question(opener *o, const data_question *q, const json_line *line,
                              fv_error *error) {
    data_file *data = part_of(o, q, line->object);
    bool first = data != NULL && (data->n_depths == 0 || (o->form == DATA_FROZEN && !q->sample));
    if (data == NULL ||
        !grow((void **)&data->at, data->n_lines, &data->capacity, sizeof *data->at) ||
        (first && !grow((void **)&data->depths, data->n_depths, &data->depths_capacity,
                        sizeof *data->depths)))
        return fv_fail(error, FV_NO_MEMORY, "%s: out of memory", line->where);
    if (first) data->depths[data->n_depths++] = q->depth;
    if (!in_order(data, q))
        return fv_fail(error, FV_FORMAT, "%s: is not the next question of its task", line->where);
    data->at[data->n_lines++] = line->at;
    data->digest = text_hash(data->digest, line->text);
    if (q->max_tokens > data->task.max_tokens) data->task.max_tokens = q->max_tokens;
    if (q->length == 0 && q->tokens > data->length) data->length = q->tokens;
    if (q->metric == data->task.metric) return FV_OK;
    return fv_fail(error, FV_FORMAT,
                   "%s: is scored otherwise than the questions before it: all need `answers`, or "
                   "all `outputs`",
                   line->where);
}

// "frozen by Fovea 0.1.0, its tokens counted by vllm (llama)"
static char *about_set(const json_t *head) {
    const json_t *tokenizer = json_object_get(head, "tokenizer");
    const char *fovea = json_string_value(json_object_get(head, "fovea"));
    const char *by = json_string_value(json_object_get(tokenizer, "counted_by"));
    const char *model = json_string_value(json_object_get(tokenizer, "model"));
    text_buffer text = {0};
    text_add(&text, "frozen by Fovea %s, its tokens counted by %s%s%s%s", fovea ? fovea : "?",
             by ? by : "?", model ? " (" : "", model ? model : "", model ? ")" : "");
    if (text.failed) text_free(&text);
    return text.data;
}

static fv_status take_line(void *context, const json_line *line, fv_error *error) {
    opener *o = context;
    data_question q;
    bool is_question = true;
    fv_status status = FV_OK;
    if (o->n_lines++ == 0) o->form = data_form_of(line->object);
    if (o->form == DATA_FROZEN) {
        if (o->n_lines == 1) o->about = about_set(line->object);
        if (o->n_lines == 1 && json_object_get(line->object, "sequences") != NULL)
            return fv_fail(error, FV_USAGE,
                           "%s has sequences of tokens, for models of the lab: 'fovea needle RUN "
                           "--data %s' asks them",
                           o->path, o->path);
        status = frozen_take(&o->check, line, &is_question, error);
    }
    if (status != FV_OK || !is_question) return status;
    status = data_line_read(o->form, line, &q, error);
    if (status == FV_OK && o->form == DATA_CHAT) name_task(o->path, q.task, sizeof q.task);
    return status == FV_OK ? add_question(o, &q, line, error) : status;
}

// The last folder of the path that is a number; 0 for none.
static int length_of(const char *path) {
    int found = 0;
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        size_t n = strspn(at, "0123456789");
        if (n > 0 && n < 9 && at[n] == '/') found = atoi(at);
    }
    return found;
}

// RULER names a folder by the length that its questions come close to and do not pass. Where lines
// tell their lengths, a number that they do not bear out is something else, a year perhaps.
static void name_length(data_file *data) {
    int named = length_of(data->path), longest = data->length;
    bool is_length = named > 0 && (longest == 0 || (named >= longest && named / 2 <= longest));
    if (is_length) data->length = named;
    if (data->length == 0) data->length = 1;
}

// What is known of the task by its name; of others RULER's usual.
static void make_task(data_file *data) {
    const served_task *known = served_task_find(data->name), said = data->task;
    bool ruler = data->form == DATA_RULER;
    served_metric metric = ruler ? served_ruler_metric(data->name) : said.metric;
    if (known != NULL) data->task = *known;
    if (known == NULL) data->task.max_tokens = metric == EVAL_MATCH_PART ? 32 : 128;
    if (said.max_tokens > 0) data->task.max_tokens = said.max_tokens;
    data->task.name = data->name;
    data->task.help = "the questions of a file";
    data->task.build = build;
    data->task.unit = known != NULL && data->form == DATA_FROZEN ? known->unit : "tokens";
    data->task.metric = metric;
    data->task.has_depth = !isnan(data->depths[0]);
    data->task.as_is = true;
    data->task.spread = 0.4; // as a file has them
}

// A part whose lines are all read.
static fv_status finish(data_file *data, fv_error *error) {
    data->n = data->n_lines / data->n_depths;
    if (data->n * data->n_depths != data->n_lines)
        return fv_fail(error, FV_FORMAT, "%s: %s at %d has samples without all depths", data->path,
                       data->name, data->length);
    if (data->form == DATA_RULER) {
        name_task(data->path, data->name, sizeof data->name);
        name_length(data);
    }
    make_task(data);
    return FV_OK;
}

static int by_name(const void *left, const void *right) {
    const data_file *a = *(data_file *const *)left, *b = *(data_file *const *)right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static fv_status open_parts(opener *o, fv_error *error) {
    fv_status status = json_lines_each(o->path, 0, take_line, o, error);
    bool broken = status != FV_OK && o->n_lines == 0 && frozen_begins(o->path);
    if (o->form == DATA_FROZEN || broken) status = frozen_end(&o->check, o->path, status, error);
    if (status == FV_OK && o->n == 0)
        status = fv_fail(error, FV_FORMAT, "%s has no questions", o->path);
    for (int i = 0; i < o->n && status == FV_OK; i++) status = finish(o->files[i], error);
    if (status == FV_OK && o->form != DATA_FROZEN)
        qsort(o->files, (size_t)o->n, sizeof *o->files, by_name);
    if (status == FV_OK) status = json_lines_open(o->path, &o->files[0]->file, error);
    for (int i = 1; i < o->n && status == FV_OK; i++) {
        o->files[i]->file = o->files[0]->file;
        o->files[i]->shares_file = true;
    }
    return status;
}

// The parts of one file.
static fv_status open_one(const char *path, data_file ***files, int *n, char **about,
                          fv_error *error) {
    opener o = {.path = realpath(path, NULL)};
    if (o.path == NULL)
        return fv_fail(error, errno == ENOENT || errno == ENOTDIR ? FV_NOT_FOUND : FV_IO,
                       "%s cannot be read: %s", path, strerror(errno));
    fv_status status = open_parts(&o, error);
    free(o.path);
    if (status == FV_OK && about != NULL) {
        free(*about);
        *about = o.about;
        o.about = NULL;
    }
    free(o.about);
    *files = o.files;
    *n = o.n;
    return status;
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static bool is_file(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

// The parts of one more file.
static fv_status add_file(const char *path, data_file ***files, int *n, fv_error *error) {
    data_file **more, **all;
    int n_more = 0;
    fv_status status = open_one(path, &more, &n_more, NULL, error);
    all = status == FV_OK ? realloc(*files, (size_t)(*n + n_more) * sizeof *all) : NULL;
    if (all == NULL) {
        data_files_close(more, n_more);
        return status != FV_OK ? status : fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    memcpy(all + *n, more, (size_t)n_more * sizeof *all);
    free(more);
    *files = all;
    *n += n_more;
    return FV_OK;
}

// The files of a folder, in the order of their names.
static fv_status open_folder(const char *folder, data_file ***files, int *n, fv_error *error) {
    struct dirent **entries;
    int found = scandir(folder, &entries, wanted, alphasort);
    if (found < 0) return fv_fail(error, FV_IO, "%s cannot be read: %s", folder, strerror(errno));
    fv_status status = FV_OK;
    for (int i = 0; i < found; i++) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/%s/%s", folder, entries[i]->d_name, DATA_NAME);
        if (status == FV_OK && (size_t)length < sizeof path && is_file(path))
            status = add_file(path, files, n, error);
        free(entries[i]);
    }
    free(entries);
    if (status == FV_OK && *n == 0)
        status = fv_fail(error, FV_NOT_FOUND,
                         "%s has no TASK/%s of RULER's data; give such a file or the folder above "
                         "the tasks",
                         folder, DATA_NAME);
    return status;
}

fv_status data_files_open(const char *path, data_file ***files, int *n, char **about,
                          fv_error *error) {
    struct stat file;
    char inside[4096];
    *files = NULL;
    *n = 0;
    if (about != NULL) *about = NULL;
    bool folder = stat(path, &file) == 0 && S_ISDIR(file.st_mode);
    int length =
        snprintf(inside, sizeof inside, "%s%s%s", path, folder ? "/" : "", folder ? DATA_NAME : "");
    bool single = !folder || ((size_t)length < sizeof inside && is_file(inside));
    fv_status status = single ? open_one(folder ? inside : path, files, n, about, error)
                              : open_folder(path, files, n, error);
    if (status == FV_OK) return FV_OK;
    data_files_close(*files, *n);
    *files = NULL;
    *n = 0;
    return status;
}
