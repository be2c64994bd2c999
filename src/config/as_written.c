#include "config/as_written.h"

#include "config/config_refuse.h"
#include "config/stages.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PATTERN_LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_.*?-";
enum { PATTERN_SIZE = 128, MOST_PATTERNS = 64 };

typedef struct pattern_row {
    const char *name;
    double factor;
} pattern_row;

static int by_name(const void *a, const void *b) {
    return strcmp(((const pattern_row *)a)->name, ((const pattern_row *)b)->name);
}

static fv_status refuse(const fv_field *field, const char *what, const char *given,
                        fv_error *error) {
    return fv_fail(error, FV_USAGE, "%s must be %s, as in %s; not %.100s", field->key, what,
                   field->type == FV_TYPE_NAMES ? "[W_Q, W_K]" : "{W_Q: 10}", given);
}

static fv_status check_pattern(const fv_field *field, const char *pattern, fv_error *error) {
    size_t length = strlen(pattern);
    if (length > 0 && length < PATTERN_SIZE && strspn(pattern, PATTERN_LETTERS) == length)
        return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "%s: '%.100s' is no pattern of a tensor's name; write W_Q, blocks.0.attn.W_Q or "
                   "\"blocks.*.W_O\"",
                   field->key, pattern);
}

static fv_status read_names(const fv_field *field, const yaml_value *list, pattern_row *rows,
                            int *n, fv_error *error) {
    for (int i = 0; i < list->n; i++) {
        const yaml_value *item = &list->items[i];
        if (item->kind != YAML_SCALAR)
            return refuse(field, "a list of patterns", yaml_kind_text(item->kind), error);
        fv_status status = check_pattern(field, item->scalar, error);
        if (status != FV_OK) return status;
        rows[(*n)++] = (pattern_row){item->scalar, 0};
    }
    return FV_OK;
}

static fv_status read_factors(const fv_field *field, const yaml_value *mapping, pattern_row *rows,
                              int *n, fv_error *error) {
    for (int i = 0; i < mapping->n; i++) {
        const yaml_value *item = &mapping->items[i];
        double factor;
        fv_status status = check_pattern(field, item->key, error);
        if (status != FV_OK) return status;
        bool number = item->kind == YAML_SCALAR && !item->quoted &&
                      text_to_real(item->scalar, &factor) && factor >= 0 &&
                      factor <= field->highest;
        if (!number)
            return fv_fail(error, FV_USAGE,
                           "%s: the factor of %s must be a number above 0 and up to %g, not %.60s",
                           field->key, item->key, field->highest,
                           item->kind == YAML_SCALAR ? item->scalar : yaml_kind_text(item->kind));
        if (factor == 0)
            return fv_fail(error, FV_USAGE,
                           "%s: the factor of %s is 0; what stays as it begins is named in "
                           "train.freeze",
                           field->key, item->key);
        rows[(*n)++] = (pattern_row){item->key, factor};
    }
    return FV_OK;
}

// A plain scalar of YAML cannot begin with * (an alias) or ? (a key).
static void add_pattern(text_buffer *out, const char *pattern) {
    bool quoted = *pattern == '*' || *pattern == '?' || *pattern == '-';
    text_add(out, quoted ? "\"%s\"" : "%s", pattern);
}

static void write_rows(const fv_field *field, pattern_row *rows, int n, text_buffer *out) {
    bool names = field->type == FV_TYPE_NAMES;
    qsort(rows, (size_t)n, sizeof *rows, by_name);
    text_add_char(out, names ? '[' : '{');
    for (int i = 0; i < n; i++) {
        if (names && i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0) continue;
        if (i > 0) text_add(out, ", ");
        add_pattern(out, rows[i].name);
        char number[32];
        if (!names) text_from_real(rows[i].factor, number, sizeof number);
        if (!names) text_add(out, ": %s", number);
    }
    text_add_char(out, names ? ']' : '}');
}

// A single pattern stands for a list of it.
static fv_status set_patterns(const fv_field *field, const yaml_value *given, text_buffer *out,
                              fv_error *error) {
    pattern_row rows[MOST_PATTERNS];
    int n = 0;
    bool names = field->type == FV_TYPE_NAMES;
    yaml_value alone = {.kind = YAML_LIST, .n = 1, .items = (yaml_value *)given};
    if (names && given->kind == YAML_SCALAR) given = &alone;
    if (given->kind != (names ? YAML_LIST : YAML_MAPPING))
        return refuse(field, names ? "a list of patterns" : "a mapping from patterns to factors",
                      given->kind == YAML_SCALAR ? given->scalar : yaml_kind_text(given->kind),
                      error);
    if (given->n > MOST_PATTERNS)
        return fv_fail(error, FV_USAGE, "%s has %d patterns; %d are the most", field->key, given->n,
                       MOST_PATTERNS);
    fv_status status = names ? read_names(field, given, rows, &n, error)
                             : read_factors(field, given, rows, &n, error);
    if (status == FV_OK) write_rows(field, rows, n, out);
    return status;
}

fv_status written_set(const fv_field *field, const yaml_value *given, void *written,
                      fv_error *error) {
    text_buffer text = {0};
    fv_status status = field->type == FV_TYPE_STAGES ? stages_write(field, given, &text, error)
                                                     : set_patterns(field, given, &text, error);
    if (status == FV_OK && text.failed) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK && text.n >= WRITTEN_SIZE)
        status = fv_fail(error, FV_USAGE, "%s has %zu bytes, and %d are the most: %.60s...",
                         field->key, text.n, WRITTEN_SIZE - 1, text.data);
    if (status == FV_OK) {
        memset(written, 0, WRITTEN_SIZE);
        memcpy(written, text.data, text.n);
    }
    text_free(&text);
    return status;
}

// --- what they say --------------------------------------------------------------------------------

bool pattern_fits(const char *pattern, const char *name) {
    const char *last = strrchr(name, '.');
    if (strchr(pattern, '.') == NULL)
        return fnmatch(pattern, last != NULL ? last + 1 : name, 0) == 0;
    for (; name != NULL; name = strchr(name, '.')) {
        if (*name == '.') name++;
        if (fnmatch(pattern, name, 0) == 0) return true;
    }
    return false;
}

// The text has the one form that write_rows gives it.
bool written_pattern(const char *written, int i, char pattern[PATTERN_SIZE], double *factor) {
    const char *at = written + 1;
    for (; i > 0 && at != NULL; i--) {
        at = strstr(at, ", ");
        if (at != NULL) at += 2;
    }
    if (at == NULL || *at == ']' || *at == '}' || *at == '\0') return false;
    if (*at == '"') at++;
    size_t length = strspn(at, PATTERN_LETTERS);
    if (length >= PATTERN_SIZE) return false;
    memcpy(pattern, at, length);
    pattern[length] = '\0';
    const char *colon = strchr(at, ':');
    *factor = written[0] == '{' && colon != NULL ? strtod(colon + 1, NULL) : 0;
    return true;
}
