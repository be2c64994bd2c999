#include "store/config_near.h"

#include "store/config_json.h"

#include <fovea/config.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void config_near_free(config_near *near) {
    free(near->config);
    free(near->text);
    free(near->begins);
    free(near->values);
    free(near->ends);
    *near = (config_near){.n = 0};
}

// Behind a JSON string whose quote stands at `c`; NULL where it does not end.
static const char *skip_string(const char *c) {
    for (c++; *c != '"'; c++) {
        if (*c == '\\') c++;
        if (*c == '\0') return NULL;
    }
    return c + 1;
}

// The comma or bracket at which the value that begins at `c` ends; NULL where it does not end.
static const char *skip_value(const char *c) {
    int depth = 0;
    while (c != NULL && *c != '\0') {
        if (depth == 0 && strchr(",}]", *c) != NULL) return c;
        if (*c == '"') {
            c = skip_string(c);
            continue;
        }
        depth += *c == '[' || *c == '{';
        depth -= *c == ']' || *c == '}';
        c++;
    }
    return NULL;
}

static bool make_room(config_near *near) {
    if (near->n < near->capacity) return true;
    int capacity = near->capacity > 0 ? 2 * near->capacity : 128;
    int **arrays[] = {&near->begins, &near->values, &near->ends};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        int *more = realloc(*arrays[i], (size_t)capacity * sizeof *more);
        if (more == NULL) return false;
        *arrays[i] = more;
    }
    near->capacity = capacity;
    return true;
}

// Finds the members of a text that is known to be a JSON object. Without memory, or in a text that
// has blanks between its members, which Fovea does not write, nothing is known.
static bool find_members(config_near *near) {
    const char *text = near->text, *c = text;
    near->n = 0;
    if (*c != '{') return false;
    do {
        const char *begin = ++c;
        if (*c != '"' || !make_room(near) || (c = skip_string(c)) == NULL || *c != ':')
            return false;
        const char *value = ++c;
        if ((c = skip_value(c)) == NULL) return false;
        near->begins[near->n] = (int)(begin - text);
        near->values[near->n] = (int)(value - text);
        near->ends[near->n++] = (int)(c - text);
    } while (*c == ',');
    return strcmp(c, "}") == 0;
}

// Reads the text from those of its members that are not as before. False where it has other members
// than the text of before, or anything is wrong with it: config_from_json finds words for it.
static bool read_differences(const config_near *near, const char *json, const char *where,
                             fv_config *config) {
    *config = *near->config;
    if (*json != '{') return false;
    for (int i = 0; i < near->n; i++) {
        const char *was = near->text + near->begins[i], *is = json + 1;
        size_t length = (size_t)(near->ends[i] - near->begins[i]);
        size_t key = (size_t)(near->values[i] - near->begins[i]);
        char end = i < near->n - 1 ? ',' : '}';
        if (strncmp(is, was, length) == 0 && is[length] == end) {
            json = is + length;
            continue;
        }
        if (strncmp(is, was, key) != 0) return false;
        const char *behind = skip_value(is + key);
        if (behind == NULL || *behind != end) return false;
        if (config_member_from_json(is, (size_t)(behind - is), where, config, NULL) != FV_OK)
            return false;
        json = behind;
    }
    return json[1] == '\0';
}

static void remember(config_near *near, const char *json, const fv_config *config) {
    near->n = 0;
    free(near->text);
    near->text = strlen(json) < INT_MAX ? strdup(json) : NULL;
    if (near->config == NULL) near->config = malloc(sizeof *near->config);
    if (near->config != NULL) *near->config = *config;
    if (near->text == NULL || near->config == NULL || !find_members(near)) near->n = 0;
}

fv_status config_near_read(config_near *near, const char *json, const char *where,
                           fv_config *config, fv_error *error) {
    if (near->n > 0 && read_differences(near, json, where, config)) return FV_OK;
    fv_status status = config_from_json(json, where, config, error);
    if (status == FV_OK) remember(near, json, config);
    return status;
}
