#include "lab/yaml_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 200 }; // of one mapping

typedef struct flattening {
    const char *path;
    fv_options *options;
    fv_error *error;
} flattening;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

bool options_is_cut(const char *text) {
    int depth = 0;
    for (const char *c = text; *c; c++) depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
    return depth > 0;
}

// A comma in a call ends a value inside {...}, so that YAML reads the rest of it as one more key.
static fv_status fail_empty(const flattening *f, const fv_option *option, int line) {
    const fv_option *before = option > f->options->items ? option - 1 : NULL;
    bool is_rest = before != NULL && before->n_values == 1 && options_is_cut(before->values[0]) &&
                   (before->line == line || strchr(option->key, ')') != NULL);
    if (!is_rest)
        return fv_fail(f->error, FV_USAGE, "%s:%d: '%s' has no value", f->path, line, option->key);
    return fv_fail(f->error, FV_USAGE,
                   "%s:%d: '%s' has no value: it is the rest of '%s', and a value with a comma "
                   "inside {...} needs quotes, e.g. \"emergence(accuracy, 0.5)\"",
                   f->path, line, option->key, before->key);
}

// A list among the values of a `where` is one value of a field that is a list: "[attention, mlp]".
static bool copy_list(const fv_option *option, const yaml_value *value, char **copy) {
    bool plain =
        value->kind == YAML_LIST && option->is_list && strncmp(option->key, "where.", 6) == 0;
    for (int i = 0; plain && i < value->n; i++) plain = value->items[i].kind == YAML_SCALAR;
    if (!plain) return false;
    text_buffer text = {0};
    text_add(&text, "[");
    for (int i = 0; i < value->n; i++)
        text_add(&text, "%s%s", i > 0 ? ", " : "", value->items[i].scalar);
    text_add(&text, "]");
    *copy = text.data;
    return true;
}

static fv_status add_value(const flattening *f, fv_option *option, const yaml_value *value) {
    char *list = NULL;
    if (copy_list(option, value, &list)) {
        if (list == NULL) return no_memory(f->error);
        option->values[option->n_values++] = list;
        return FV_OK;
    }
    if (value->kind != YAML_SCALAR)
        return fv_fail(f->error, FV_USAGE,
                       "%s:%d: the list of '%s' must hold single values, not %s", f->path,
                       value->line, option->key, yaml_kind_text(value->kind));
    if (value->scalar[0] == '\0' && !value->quoted) return fail_empty(f, option, value->line);
    option->values[option->n_values] = text_copy(value->scalar);
    if (option->values[option->n_values] == NULL) return no_memory(f->error);
    option->n_values++;
    return FV_OK;
}

// Takes ownership of `key`.
static fv_status add_option(const flattening *f, char *key, const yaml_value *value) {
    fv_options *options = f->options;
    const char *problem = NULL;
    if (fv_options_find(options, key) != NULL) problem = "is given twice";
    if (options->n == MAX_OPTIONS) problem = "is one option too many";
    if (problem != NULL) {
        fv_fail(f->error, FV_USAGE, "%s:%d: '%.200s' %s", f->path, value->line, key, problem);
        free(key);
        return FV_USAGE;
    }
    bool is_list = value->kind == YAML_LIST;
    int n = is_list ? value->n : 1;
    fv_option *option = &options->items[options->n++];
    *option = (fv_option){.key = key, .is_list = is_list, .line = value->line};
    option->values = calloc(n > 0 ? (size_t)n : 1, sizeof *option->values);
    if (option->values == NULL) return no_memory(f->error);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++)
        status = add_value(f, option, is_list ? &value->items[i] : value);
    return status;
}

// `prefix` ends in a dot or is empty.
static fv_status flatten(const flattening *f, const char *prefix, const yaml_value *mapping) {
    for (int i = 0; i < mapping->n; i++) {
        const yaml_value *member = &mapping->items[i];
        bool nested = member->kind == YAML_MAPPING;
        text_buffer key = {0};
        text_add(&key, "%s%s%s", prefix, member->key, nested ? "." : "");
        if (key.failed) return no_memory(f->error);
        fv_status status;
        if (nested) {
            status = flatten(f, key.data, member);
            text_free(&key);
        } else {
            status = add_option(f, key.data, member);
        }
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

fv_status options_read(const char *path, const yaml_value *mapping, fv_options *options,
                       fv_error *error) {
    *options = (fv_options){.line = mapping->line};
    if (mapping->kind != YAML_MAPPING)
        return fv_fail(error, FV_USAGE,
                       "%s:%d: here stands %s where a mapping (key: value) belongs", path,
                       mapping->line, yaml_kind_text(mapping->kind));
    options->items = calloc(MAX_OPTIONS, sizeof *options->items);
    if (options->items == NULL) return no_memory(error);
    const flattening f = {path, options, error};
    return flatten(&f, "", mapping);
}

void options_free(fv_options *options) {
    for (int i = 0; i < options->n; i++) {
        for (int j = 0; j < options->items[i].n_values; j++) free(options->items[i].values[j]);
        free(options->items[i].values);
        free(options->items[i].key);
    }
    free(options->items);
    *options = (fv_options){0};
}

const fv_option *fv_options_find(const fv_options *options, const char *key) {
    for (int i = 0; i < options->n; i++)
        if (strcmp(options->items[i].key, key) == 0) return &options->items[i];
    return NULL;
}

const char *fv_options_text(const fv_options *options, const char *key, const char *otherwise) {
    const fv_option *option = fv_options_find(options, key);
    return option != NULL && option->n_values > 0 ? option->values[0] : otherwise;
}

double fv_options_number(const fv_options *options, const char *key, double otherwise) {
    const char *text = fv_options_text(options, key, NULL);
    double number;
    return text != NULL && text_to_real(text, &number) ? number : otherwise;
}
