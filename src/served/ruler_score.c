// Scores of RULER's prediction files: lines {index, pred, outputs, ...}. Its metrics are means of
// case insensitive substring matches, times a hundred, rounded to two digits. Rows of MRCR with a
// `response` have the mean of its metric, times a hundred and not rounded.
#include "base/json_lines.h"
#include "served/score.h"

#include <dirent.h>
#include <errno.h>
#include <fovea/whole_file.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// Whether the n bytes are one blank or control character, as Python's strip() has blanks.
static bool is_blank(const char *text, size_t n) {
    static const char *const WIDE[] = {"\xc2\x85", "\xc2\xa0", "\u1680", "\u2028",
                                       "\u2029",   "\u202f",   "\u205f", "\u3000"};
    if (n == 1) return (unsigned char)*text <= ' ';
    if (n == 3 && memcmp(text, "\xe2\x80", 2) == 0 && (unsigned char)text[2] >= 0x80 &&
        (unsigned char)text[2] <= 0x8a)
        return true; // U+2000 to U+200A
    for (size_t i = 0; i < sizeof WIDE / sizeof *WIDE; i++)
        if (n == strlen(WIDE[i]) && memcmp(text, WIDE[i], n) == 0) return true;
    return false;
}

// The bytes of the blank at the start, or with `end` at the end, of the text; 0 for none.
static size_t blank(const char *text, size_t n, bool end) {
    for (size_t length = 1; length <= 3 && length <= n; length++)
        if (is_blank(end ? text + n - length : text, length)) return length;
    return 0;
}

// RULER's postprocessing: blanks off both ends, control characters to line feeds, blanks off again,
// so that none of either is left at an end.
static char *postprocess(const char *text, size_t n) {
    for (size_t off; (off = blank(text, n, false)) > 0; n -= off) text += off;
    for (size_t off; (off = blank(text, n, true)) > 0;) n -= off;
    char *clean = text_copy_n(text, n);
    for (size_t i = 0; clean != NULL && i < n; i++)
        if ((unsigned char)clean[i] < 0x20) clean[i] = '\n';
    return clean;
}

static fv_status score_mrcr(served_metric *metric, const json_line *line, fv_ruler_score *score,
                            fv_error *error) {
    const char *response = json_string_value(json_object_get(line->object, "response"));
    char *answers[] = {
        (char *)json_string_value(json_object_get(line->object, "answer")),
        (char *)json_string_value(json_object_get(line->object, "random_string_to_prepend"))};
    if (response == NULL || answers[0] == NULL || answers[1] == NULL)
        return fv_fail(error, FV_FORMAT,
                       "%s: is no answered row of MRCR: {\"answer\": text, "
                       "\"random_string_to_prepend\": text, \"response\": text, ...}",
                       line->where);
    *metric = EVAL_MRCR;
    score->score += served_score_reply(EVAL_MRCR, response, answers, 2);
    score->nulls += *response == '\0';
    score->n++;
    return FV_OK;
}

typedef struct scorer {
    served_metric metric;
    fv_ruler_score *score;
} scorer;

static fv_status score_line(void *context, const json_line *line, fv_error *error) {
    scorer *s = context;
    if (json_object_get(line->object, "random_string_to_prepend") != NULL)
        return score_mrcr(&s->metric, line, s->score, error);
    const json_t *pred = json_object_get(line->object, "pred");
    const json_t *outputs = json_object_get(line->object, "outputs");
    if (json_is_array(pred)) pred = json_array_get(pred, 0);
    size_t n = json_array_size(outputs);
    if (!json_is_string(pred) || n == 0)
        return fv_fail(error, FV_FORMAT,
                       "%s: has no `pred` and `outputs`; RULER's client writes {\"pred\": ..., "
                       "\"outputs\": [...]} lines",
                       line->where);
    char *reply = postprocess(json_string_value(pred), json_string_length(pred));
    char **answers = calloc(n, sizeof *answers);
    bool failed = reply == NULL || answers == NULL;
    for (size_t i = 0; i < n && !failed; i++) {
        answers[i] = json_value_text(json_array_get(outputs, i)); // other writers have numbers
        failed = answers[i] == NULL;
    }
    if (!failed) {
        s->score->score += served_score_reply(s->metric, reply, answers, (int)n);
        s->score->nulls += *reply == '\0';
        s->score->n++;
    }
    for (size_t i = 0; i < n && answers != NULL; i++) free(answers[i]);
    free(answers);
    free(reply);
    return failed ? fv_fail(error, FV_NO_MEMORY, "out of memory") : FV_OK;
}

static fv_status score_file(const char *path, fv_ruler_score *score, fv_error *error) {
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    *score = (fv_ruler_score){0};
    snprintf(score->task, sizeof score->task, "%.*s", (int)strcspn(name, "."), name);
    scorer s = {served_ruler_metric(score->task), score};
    fv_status status = json_lines_each(path, JSON_ALLOW_NUL, score_line, &s, error);
    if (status == FV_OK && score->n == 0)
        return fv_fail(error, FV_FORMAT, "%s has no predictions", path);
    if (status == FV_OK) score->score = score->score / score->n * 100;
    if (status == FV_OK && s.metric != EVAL_MRCR) score->score = round(score->score * 100) / 100;
    return status;
}

static int wanted(const struct dirent *entry) {
    const char *end = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && end != NULL && strcmp(end, ".jsonl") == 0;
}

static fv_status score_folder(const char *folder, fv_ruler_score **scores, int *n,
                              fv_error *error) {
    struct dirent **entries;
    int found = scandir(folder, &entries, wanted, alphasort);
    if (found < 0) return fv_fail(error, FV_IO, "%s cannot be read: %s", folder, strerror(errno));
    fv_status status = FV_OK;
    *scores = calloc((size_t)found + 1, sizeof **scores);
    if (*scores == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < found; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (status == FV_OK) status = score_file(path, &(*scores)[(*n)++], error);
        free(entries[i]);
    }
    free(entries);
    if (status == FV_OK && found == 0)
        status = fv_fail(error, FV_NOT_FOUND,
                         "%s has no TASK.jsonl file of predictions as RULER's client writes them",
                         folder);
    return status;
}

// As pandas prints a float: the shortest text, with a point.
static void write_score(FILE *csv, double score) {
    char text[32];
    text_from_real(score, text, sizeof text);
    fprintf(csv, ",%s%s", text, strchr(text, '.') ? "" : ".0");
}

static fv_status write_summary(const char *folder, const fv_ruler_score *scores, int n,
                               fv_error *error) {
    text_buffer path = {0};
    fv_whole_file file;
    text_add(&path, "%s/summary.csv", folder);
    fv_status status = path.failed ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                   : fv_whole_file_open(&file, path.data, error);
    text_free(&path);
    if (status != FV_OK) return status;
    FILE *csv = file.stream;
    for (int i = 0; i <= n; i++) fprintf(csv, "%s%d", i ? "," : "", i);
    fputs("\nTasks", csv);
    for (int i = 0; i < n; i++) fprintf(csv, ",%s", scores[i].task);
    fputs("\nScore", csv);
    for (int i = 0; i < n; i++) write_score(csv, scores[i].score);
    fputs("\nNulls", csv);
    for (int i = 0; i < n; i++) fprintf(csv, ",%d/%d", scores[i].nulls, scores[i].n);
    fputc('\n', csv);
    return fv_whole_file_close(&file, 1, error);
}

fv_status fv_ruler_score_files(const char *path, bool summary, fv_ruler_score **scores, int *n,
                               fv_error *error) {
    struct stat file;
    *scores = NULL;
    *n = 0;
    if (stat(path, &file) != 0)
        return fv_fail(error, errno == ENOENT ? FV_NOT_FOUND : FV_IO, "%s cannot be read: %s", path,
                       strerror(errno));
    fv_status status;
    if (S_ISDIR(file.st_mode)) {
        status = score_folder(path, scores, n, error);
        if (status == FV_OK && summary) status = write_summary(path, *scores, *n, error);
    } else {
        *scores = calloc(1, sizeof **scores);
        status = *scores == NULL ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                 : score_file(path, *scores, error);
        *n = 1;
    }
    if (status == FV_OK) return FV_OK;
    free(*scores);
    *scores = NULL;
    *n = 0;
    return status;
}
