#include "cost/config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = INT32_MAX, MAX_KEY = 96 };

static json_t *find_any(const cost_config *c, const char *keys, char key[MAX_KEY]);

static void keep(cost_config *c, const char *keys, const char *format, va_list arguments) {
    if (c->status != FV_OK) return;
    char what[400], key[MAX_KEY];
    vsnprintf(what, sizeof what, format, arguments);
    find_any(c, keys, key);
    c->status = fv_fail(c->error, FV_FORMAT, "%s: %s %s", c->name, key, what);
}

void cost_config_wrong(cost_config *c, const char *key, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    keep(c, key, format, arguments);
    va_end(arguments);
}

void cost_config_expect(cost_config *c, bool right, const char *key, const char *format, ...) {
    if (right || c->missing.n > 0) return;
    va_list arguments;
    va_start(arguments, format);
    keep(c, key, format, arguments);
    va_end(arguments);
}

void cost_config_note(cost_config *c, const char *format, ...) {
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    // A field of which every layer asks is said once.
    if (c->notes.data == NULL || strstr(c->notes.data, line) == NULL)
        text_add(&c->notes, "%s\n", line);
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

// --- finding -----------------------------------------------------------------------------------

// The next of several keys, copied to `word`; NULL behind the last one.
static const char *next_key(const char *keys, char word[MAX_KEY]) {
    size_t n = strcspn(keys, "|");
    if (n == 0) return NULL;
    snprintf(word, MAX_KEY, "%.*s", (int)n, keys);
    return keys + n + (keys[n] == '|');
}

static json_t *walk(const json_t *fields, const char *path) {
    char word[MAX_KEY];
    const char *dot = strchr(path, '.');
    if (dot == NULL) return json_object_get(fields, path);
    snprintf(word, sizeof word, "%.*s", (int)(dot - path), path);
    return walk(json_object_get(fields, word), dot + 1);
}

// The value of the first key that the file has, NULL for none; *key is it, or the first of all.
static json_t *find_any(const cost_config *c, const char *keys, char key[MAX_KEY]) {
    char word[MAX_KEY];
    next_key(keys, key);
    for (const char *at = keys; (at = next_key(at, word)) != NULL;) {
        json_t *value = walk(c->fields, word);
        if (value == NULL) continue;
        snprintf(key, MAX_KEY, "%s", word);
        return value;
    }
    return NULL;
}

// Of several that the file has, those behind the first one are not used.
static void mark_used(cost_config *c, const char *keys) {
    char word[MAX_KEY], key[MAX_KEY];
    if (find_any(c, keys, key) != NULL) keys = key;
    for (const char *at = keys; (at = next_key(at, word)) != NULL;) {
        if (json_object_set_new(c->used, word, json_true()) != 0) c->notes.failed = true;
        char *dot = strchr(word, '.');
        if (dot != NULL) *dot = '\0';
        if (dot != NULL && json_object_set_new(c->used, word, json_true()) != 0)
            c->notes.failed = true;
    }
}

bool cost_config_has(const cost_config *c, const char *keys) {
    char key[MAX_KEY];
    const json_t *value = find_any(c, keys, key);
    return value != NULL && !json_is_null(value);
}

json_t *cost_config_find(cost_config *c, const char *keys) {
    char key[MAX_KEY];
    mark_used(c, keys);
    json_t *value = find_any(c, keys, key);
    return json_is_null(value) ? NULL : value;
}

// --- defaults ----------------------------------------------------------------------------------

// Of the first of several keys that the class has.
static const cost_default *find_default(const cost_config *c, const char *keys) {
    char word[MAX_KEY];
    for (int i = 0; i < COST_CLASSES && c->defaults[i] != NULL; i++)
        for (const char *at = keys; (at = next_key(at, word)) != NULL;)
            for (const cost_default *d = c->defaults[i]; d->key != NULL; d++)
                if (strcmp(d->key, word) == 0) return d;
    return NULL;
}

static void miss(cost_config *c, const char *key) {
    text_add(&c->missing, "%s%s", c->missing.n ? ", " : "", key);
}

typedef struct answer {
    json_t *value;     // of the file, NULL: none
    char key[MAX_KEY]; // under which it stands
    bool is_default;   // `otherwise` is the class's
    int64_t otherwise; // COST_NONE: None
} answer;

// What the file says, else the class. A null is None, whatever the class has.
static answer ask(cost_config *c, const char *keys) {
    answer a = {.otherwise = COST_NONE};
    mark_used(c, keys);
    const cost_default *d = find_default(c, keys);
    a.value = find_any(c, keys, a.key);
    bool null = json_is_null(a.value);
    if (null) a.value = NULL;
    if (a.value != NULL || null || d == NULL) return a;
    snprintf(a.key, sizeof a.key, "%s", d->key);
    a.is_default = true;
    a.otherwise = d->value;
    return a;
}

static void note_number(cost_config *c, const char *key, int64_t value) {
    cost_config_note(c, "%s: %lld, as %s's default", key, (long long)value, c->source);
}

bool cost_config_says(const cost_config *c, const char *keys) {
    char key[MAX_KEY];
    const json_t *value = find_any(c, keys, key);
    const cost_default *d = find_default(c, keys);
    if (value != NULL && !json_is_null(value)) return true;
    return d != NULL && d->value != COST_NONE;
}

// --- numbers -----------------------------------------------------------------------------------

static bool as_whole(const json_t *value, int64_t lowest, int64_t *whole) {
    double real = json_number_value(value);
    if (!json_is_number(value) || real < (double)lowest || real > LARGEST || real != floor(real))
        return false;
    *whole = (int64_t)real;
    return true;
}

static uint64_t whole_number(cost_config *c, const char *key, const json_t *value, int64_t lowest) {
    int64_t whole = lowest;
    if (!as_whole(value, lowest, &whole))
        cost_config_wrong(c, key, "must be a whole number from %d to %d, not %s", (int)lowest,
                          LARGEST, show(value).text);
    return (uint64_t)whole;
}

static uint64_t number(cost_config *c, const char *keys, int64_t lowest) {
    answer a = ask(c, keys);
    if (a.value != NULL) return whole_number(c, a.key, a.value, lowest);
    if (a.is_default && a.otherwise != COST_NONE) {
        note_number(c, a.key, a.otherwise);
        return (uint64_t)a.otherwise;
    }
    miss(c, a.key);
    return 1;
}

uint64_t cost_config_need(cost_config *c, const char *key) {
    return number(c, key, 1);
}

uint64_t cost_config_count(cost_config *c, const char *key) {
    return number(c, key, 0);
}

static uint64_t optional(cost_config *c, const char *keys, uint64_t otherwise, int64_t lowest) {
    answer a = ask(c, keys);
    if (a.value != NULL) return whole_number(c, a.key, a.value, lowest);
    if (!a.is_default) return otherwise;
    if (a.otherwise != COST_NONE) {
        note_number(c, a.key, a.otherwise);
        return (uint64_t)a.otherwise;
    }
    cost_config_note(c, "%s: none, as %s's default, which gives %llu", a.key, c->source,
                     (unsigned long long)otherwise);
    return otherwise;
}

uint64_t cost_config_size(cost_config *c, const char *key, uint64_t otherwise) {
    return optional(c, key, otherwise, 1);
}

uint64_t cost_config_get(cost_config *c, const char *key, uint64_t otherwise) {
    return optional(c, key, otherwise, 0);
}

bool cost_config_flag(cost_config *c, const char *keys) {
    answer a = ask(c, keys);
    if (a.value == NULL) {
        bool value = a.is_default && a.otherwise == 1;
        if (a.is_default)
            cost_config_note(c, "%s: %s, as %s's default", a.key, value ? "true" : "false",
                             c->source);
        return value;
    }
    if (!json_is_boolean(a.value))
        cost_config_wrong(c, a.key, "must be true or false, not %s", show(a.value).text);
    return json_is_true(a.value);
}

// --- lists -------------------------------------------------------------------------------------

json_t *cost_config_list(cost_config *c, const char *keys) {
    char key[MAX_KEY];
    json_t *value = cost_config_find(c, keys);
    if (value == NULL || json_is_array(value)) return value;
    find_any(c, keys, key);
    cost_config_wrong(c, key, "must be a list, not %s", show(value).text);
    return NULL;
}

static bool is_word(const char *text, const char *words) {
    char word[MAX_KEY];
    for (const char *at = words; (at = next_key(at, word)) != NULL;)
        if (strcmp(text, word) == 0) return true;
    return false;
}

static int word_number(const json_t *value, const char *const *words) {
    const char *text = json_string_value(value);
    for (int w = 0; text != NULL && words[w] != NULL; w++)
        if (is_word(text, words[w])) return w;
    return -1;
}

static void refuse_word(cost_config *c, const char *key, const json_t *value, size_t layer,
                        const char *const *words) {
    char known[240] = "", word[MAX_KEY];
    for (int w = 0; words[w] != NULL; w++)
        for (const char *at = words[w]; (at = next_key(at, word)) != NULL;) {
            bool last = words[w + 1] == NULL && *at == '\0';
            const char *between = *known == '\0' ? "" : last ? " and " : ", ";
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", between, word);
        }
    cost_config_wrong(c, key, "holds %s for layer %d; known are %s", show(value).text, (int)layer,
                      known);
}

bool cost_config_kinds(cost_config *c, const char *keys, uint64_t n_layers,
                       const char *const *words, uint8_t *kinds) {
    char key[MAX_KEY];
    const json_t *list = cost_config_list(c, keys);
    if (list == NULL) return false;
    find_any(c, keys, key);
    size_t n = json_array_size(list);
    cost_config_expect(c, n == n_layers || (n > n_layers && c->longer_lists), key,
                       "has %d entries for %d layers", (int)n, (int)n_layers);
    for (size_t i = 0; i < n_layers && i < n; i++) {
        int w = word_number(json_array_get(list, i), words);
        kinds[i] = (uint8_t)(w > 0 ? w : 0);
        if (w >= 0) continue;
        refuse_word(c, key, json_array_get(list, i), i, words);
        break;
    }
    return true;
}

bool cost_config_marks(cost_config *c, const char *keys, uint64_t n_layers, uint8_t *marks) {
    char key[MAX_KEY];
    const json_t *list = cost_config_list(c, keys);
    if (list == NULL) return false;
    find_any(c, keys, key);
    memset(marks, 0, n_layers);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        int64_t layer = 0;
        bool right = as_whole(entry, 0, &layer) && (uint64_t)layer < n_layers;
        cost_config_expect(c, right, key,
                           "holds %s; an entry must be the number of a layer, 0 to %d",
                           show(entry).text, (int)n_layers - 1);
        if (right) marks[layer] = 1;
    }
    return true;
}

fv_status cost_config_finish(cost_config *c) {
    if (c->status != FV_OK) return c->status;
    if (c->missing.failed || c->notes.failed)
        return fv_fail(c->error, FV_NO_MEMORY, "out of memory for a config");
    if (c->missing.n == 0) return FV_OK;
    return fv_fail(c->error, FV_FORMAT, "%s: a config of the family %s must have %s", c->name,
                   c->family, c->missing.data);
}
