#include "served/data_file.h"

#include "served/lines.h"
#include "served/score.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char DATA_NAME[] = "validation.jsonl";

// --- prompts -----------------------------------------------------------------------------------

fv_status data_file_line(const data_file *data, int i, json_t **line, fv_error *error) {
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
    fv_status status = data_file_line(data, place->sample, &line, error);
    if (status != FV_OK) return status;
    const json_t *input = json_object_get(line, "input"),
                 *outputs = json_object_get(line, "outputs");
    const char *prefix = json_string_value(json_object_get(line, "answer_prefix"));
    prompt_add_n(p, json_string_value(input), json_string_length(input));
    prompt_end(p, prefix != NULL ? prefix : "");
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        char *answer = json_value_text(json_array_get(outputs, i));
        p->failed |= answer == NULL;
        if (answer != NULL) prompt_answer(p, answer);
        free(answer);
    }
    json_decref(line);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// --- opening -----------------------------------------------------------------------------------

static fv_status take_line(void *context, const json_line *line, fv_error *error) {
    data_file *data = context;
    const json_t *length = json_object_get(line->object, "length");
    if (!json_is_string(json_object_get(line->object, "input")) ||
        json_array_size(json_object_get(line->object, "outputs")) == 0)
        return fv_fail(error, FV_FORMAT,
                       "%s: has no `input` and `outputs`; a line of RULER's data is {\"index\": "
                       "..., \"input\": ..., \"outputs\": [...], \"length\": ...}",
                       line->where);
    if (data->n == data->capacity) {
        int capacity = data->capacity > 0 ? 2 * data->capacity : 256;
        long *grown = realloc(data->at, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return fv_fail(error, FV_NO_MEMORY, "%s: out of memory", line->where);
        data->at = grown;
        data->capacity = capacity;
    }
    data->at[data->n++] = line->at;
    data->digest = text_hash(data->digest, line->text);
    json_int_t tokens = json_integer_value(length);
    if (tokens > data->length && tokens < INT_MAX) data->length = (int)tokens;
    return FV_OK;
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

// What is known of the task by its name; of others RULER's usual.
static void make_task(data_file *data) {
    const served_task *known = served_task_find(data->name);
    const served_metric metric = served_ruler_metric(data->name);
    if (known != NULL) data->task = *known;
    if (known == NULL) data->task.max_tokens = metric == EVAL_MATCH_PART ? 32 : 128;
    data->task.name = data->name;
    data->task.help = "the questions of a file";
    data->task.build = build;
    data->task.unit = "tokens";
    data->task.metric = metric;
    data->task.has_depth = false;
    data->task.as_is = true;
    data->task.spread = 0.4; // as a file has them
}

static void close_one(data_file *data) {
    if (data == NULL) return;
    if (data->file != NULL) fclose(data->file);
    free(data->path);
    free(data->at);
    free(data);
}

static fv_status open_one(const char *path, data_file **out, fv_error *error) {
    *out = NULL;
    data_file *data = calloc(1, sizeof *data);
    if (data != NULL) data->path = realpath(path, NULL);
    if (data == NULL || data->path == NULL) {
        free(data);
        return fv_fail(error, errno == ENOENT || errno == ENOTDIR ? FV_NOT_FOUND : FV_IO,
                       "%s cannot be read: %s", path, strerror(errno));
    }
    data->digest = TEXT_HASH_START;
    name_task(data->path, data->name, sizeof data->name);
    fv_status status = json_lines_each(data->path, 0, take_line, data, error);
    if (status == FV_OK && data->n == 0)
        status = fv_fail(error, FV_FORMAT, "%s has no questions", path);
    if (status == FV_OK) status = json_lines_open(data->path, &data->file, error);
    if (status != FV_OK) {
        close_one(data);
        return status;
    }
    name_length(data);
    make_task(data);
    *out = data;
    return FV_OK;
}

void data_files_close(data_file **files, int n) {
    for (int i = 0; i < n; i++) close_one(files[i]);
    free(files);
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static bool is_file(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

// The files of a folder, in the order of their names.
static fv_status open_folder(const char *folder, data_file ***files, int *n, fv_error *error) {
    struct dirent **entries;
    int found = scandir(folder, &entries, wanted, alphasort);
    if (found < 0) return fv_fail(error, FV_IO, "%s cannot be read: %s", folder, strerror(errno));
    fv_status status = FV_OK;
    *files = calloc((size_t)found + 1, sizeof **files);
    if (*files == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < found; i++) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/%s/%s", folder, entries[i]->d_name, DATA_NAME);
        if (status == FV_OK && (size_t)length < sizeof path && is_file(path)) {
            status = open_one(path, &(*files)[*n], error);
            *n += status == FV_OK;
        }
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

fv_status data_files_open(const char *path, data_file ***files, int *n, fv_error *error) {
    struct stat file;
    char inside[4096];
    *files = NULL;
    *n = 0;
    bool folder = stat(path, &file) == 0 && S_ISDIR(file.st_mode);
    int length =
        snprintf(inside, sizeof inside, "%s%s%s", path, folder ? "/" : "", folder ? DATA_NAME : "");
    bool single = !folder || ((size_t)length < sizeof inside && is_file(inside));
    fv_status status = FV_OK;
    if (single) {
        *files = calloc(1, sizeof **files);
        status = *files == NULL ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                : open_one(folder ? inside : path, *files, error);
        *n = status == FV_OK;
    } else {
        status = open_folder(path, files, n, error);
    }
    if (status == FV_OK) return FV_OK;
    data_files_close(*files, *n);
    *files = NULL;
    *n = 0;
    return status;
}
