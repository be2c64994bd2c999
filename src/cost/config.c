#include "cost/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = INT32_MAX };

static void note(cost_config *c, const char *key, const char *format, va_list arguments) {
    if (c->status != FV_OK) return;
    char what[400];
    vsnprintf(what, sizeof what, format, arguments);
    c->status = fv_fail(c->error, FV_FORMAT, "%s: %s %s", c->name, key, what);
}

void cost_config_wrong(cost_config *c, const char *key, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    note(c, key, format, arguments);
    va_end(arguments);
}

void cost_config_expect(cost_config *c, bool right, const char *key, const char *format, ...) {
    if (right || c->missing.n > 0) return;
    va_list arguments;
    va_start(arguments, format);
    note(c, key, format, arguments);
    va_end(arguments);
}

// The value as it stands in the file, or its beginning.
typedef struct shown {
    char text[44];
} shown;

static shown show(const json_t *value) {
    shown s = {"no value"};
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text != NULL) snprintf(s.text, sizeof s.text, strlen(text) < 41 ? "%s" : "%.37s...", text);
    free(text);
    return s;
}

// The field, or NULL where it is absent or null.
static json_t *find(const cost_config *c, const char *key) {
    json_t *value = json_object_get(c->fields, key);
    return json_is_null(value) ? NULL : value;
}

static bool is_whole(const json_t *value, int64_t lowest, int64_t highest) {
    return json_is_integer(value) && json_integer_value(value) >= lowest &&
           json_integer_value(value) <= highest;
}

static uint64_t whole_number(cost_config *c, const char *key, const json_t *value, int64_t lowest) {
    if (is_whole(value, lowest, LARGEST)) return (uint64_t)json_integer_value(value);
    cost_config_wrong(c, key, "must be a whole number from %d to %d, not %s", (int)lowest, LARGEST,
                      show(value).text);
    return (uint64_t)lowest;
}

uint64_t cost_config_need(cost_config *c, const char *key) {
    const json_t *value = find(c, key);
    if (value != NULL) return whole_number(c, key, value, 1);
    text_add(&c->missing, "%s%s", c->missing.n ? ", " : "", key);
    return 1;
}

uint64_t cost_config_size(cost_config *c, const char *key, uint64_t otherwise) {
    const json_t *value = find(c, key);
    return value != NULL ? whole_number(c, key, value, 1) : otherwise;
}

uint64_t cost_config_get(cost_config *c, const char *key, uint64_t otherwise) {
    const json_t *value = find(c, key);
    return value != NULL ? whole_number(c, key, value, 0) : otherwise;
}

bool cost_config_flag(cost_config *c, const char *key, bool otherwise) {
    const json_t *value = find(c, key);
    if (value == NULL) return otherwise;
    if (!json_is_boolean(value))
        cost_config_wrong(c, key, "must be true or false, not %s", show(value).text);
    return json_is_true(value);
}

// --- lists -------------------------------------------------------------------------------------

json_t *cost_config_list(cost_config *c, const char *key) {
    json_t *value = find(c, key);
    if (value == NULL || json_is_array(value)) return value;
    cost_config_wrong(c, key, "must be a list, not %s", show(value).text);
    return NULL;
}

static bool is_one_of(const json_t *value, const char *const *words) {
    const char *text = json_string_value(value);
    for (; text != NULL && *words != NULL; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

void cost_config_check_kinds(cost_config *c, const char *key, const json_t *list, uint64_t n_layers,
                             const char *const *words) {
    if (list == NULL) return;
    cost_config_expect(c, json_array_size(list) == n_layers, key, "has %d entries for %d layers",
                       (int)json_array_size(list), (int)n_layers);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (is_one_of(json_array_get(list, i), words)) continue;
        char known[200] = "";
        for (int w = 0; words[w] != NULL; w++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                     w == 0         ? ""
                     : words[w + 1] ? ", "
                                    : " and ",
                     words[w]);
        cost_config_wrong(c, key, "holds %s for layer %d; known are %s",
                          show(json_array_get(list, i)).text, (int)i, known);
        return;
    }
}

void cost_config_check_layers(cost_config *c, const char *key, const json_t *list,
                              uint64_t n_layers) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        cost_config_expect(c, is_whole(entry, 0, (int64_t)n_layers - 1), key,
                           "holds %s; an entry must be the number of a layer, 0 to %d",
                           show(entry).text, (int)n_layers - 1);
    }
}

fv_status cost_config_finish(cost_config *c) {
    if (c->status != FV_OK) return c->status;
    if (c->missing.failed) return fv_fail(c->error, FV_NO_MEMORY, "out of memory for a config");
    if (c->missing.n == 0) return FV_OK;
    return fv_fail(c->error, FV_FORMAT, "%s: a config of the family %s must have %s", c->name,
                   c->family, c->missing.data);
}
