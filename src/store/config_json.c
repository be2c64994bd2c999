#include "store/config_json.h"

#include <fovea/config.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_field(FILE *out, const fv_config *config, const fv_field *field) {
    const void *value = (const char *)config + field->offset;
    const fv_layers *layers = value;
    const fv_ints *ints = value;
    char text[FV_VALUE_SIZE];
    switch (field->type) {
    case FV_TYPE_INT:
    case FV_TYPE_REAL:
    case FV_TYPE_BOOL: // YAML and JSON write these alike
        fv_config_get(config, field, text, sizeof text);
        fputs(text, out);
        break;
    case FV_TYPE_CHOICE:
        fprintf(out, "\"%s\"", field->choices[*(const int *)value]);
        break;
    case FV_TYPE_TEXT:
        fv_config_get(config, field, text, sizeof text);
        fprintf(out, text[0] == '"' ? "%s" : "\"%s\"", text);
        break;
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES: // printable, and all that JSON asks to be marked are quotes and backslashes
        fputc('"', out);
        for (const char *c = value; *c != '\0'; c++)
            fprintf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        fputc('"', out);
        break;
    case FV_TYPE_INTS:
        for (int i = 0; i < ints->n; i++) fprintf(out, "%c%d", i ? ',' : '[', ints->value[i]);
        fputs(ints->n ? "]" : "[]", out);
        break;
    case FV_TYPE_LAYERS:
        for (int i = 0; i < layers->n; i++) {
            fv_layer_text(layers, i, text, sizeof text);
            fprintf(out, "%c\"%s\"", i ? ',' : '[', text);
        }
        fputs(layers->n ? "]" : "[]", out);
        break;
    }
}

char *config_to_json(const fv_config *config) {
    char *json = NULL;
    size_t size;
    FILE *out = open_memstream(&json, &size);
    if (out == NULL) return NULL;
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        fprintf(out, "%c\"%s\":", i ? ',' : '{', fields[i].key);
        print_field(out, config, &fields[i]);
    }
    fputc('}', out);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (!failed) return json;
    free(json);
    return NULL;
}

// The value as YAML text for fv_config_set; false for a type that no field has or a text too long.
static bool value_text(const json_t *value, char *text, size_t size) {
    int length = -1;
    if (json_is_string(value)) length = snprintf(text, size, "%s", json_string_value(value));
    if (json_is_integer(value))
        length = snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_real(value)) length = snprintf(text, size, "%.17g", json_real_value(value));
    if (json_is_boolean(value))
        length = snprintf(text, size, "%s", json_is_true(value) ? "true" : "false");
    return length >= 0 && (size_t)length < size;
}

static bool quoted_text(const json_t *value, char *text, size_t size) {
    char *json = json_is_string(value) ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    int length = json != NULL ? snprintf(text, size, "%s", json) : -1;
    free(json);
    return length >= 0 && (size_t)length < size;
}

static bool list_text(const json_t *list, char *text, size_t size) {
    size_t length = 0;
    text[length++] = '[';
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        if (i > 0) text[length++] = ',';
        // Two bytes stay free for the next comma or bracket and the end.
        if (length + 2 >= size || !value_text(item, text + length, size - length - 2)) return false;
        length += strlen(text + length);
    }
    text[length++] = ']';
    text[length] = '\0';
    return true;
}

static fv_status set_field(fv_config *config, const char *key, const json_t *value,
                           const char *where, fv_error *error) {
    if (fv_field_find(key) == NULL)
        return fv_fail(error, FV_NEWER,
                       "%s has the field '%s', which this version of Fovea does not know; use the "
                       "version that wrote it",
                       where, key);
    char text[FV_VALUE_SIZE];
    bool is_text = fv_field_find(key)->type == FV_TYPE_TEXT;
    bool readable = json_is_array(value) ? list_text(value, text, sizeof text)
                    : is_text            ? quoted_text(value, text, sizeof text)
                                         : value_text(value, text, sizeof text);
    if (!readable)
        return fv_fail(error, FV_FORMAT,
                       "%s: the value of '%s' is neither a number, a text nor a "
                       "list of these",
                       where, key);
    fv_error cause = {0};
    if (fv_config_set(config, key, text, &cause) != FV_OK)
        return fv_fail(error, FV_FORMAT, "%s: %s", where, cause.text);
    return FV_OK;
}

// Sets the fields that the object names.
static fv_status read_object(const char *json, const char *where, fv_config *config,
                             fv_error *error) {
    json_error_t cause;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, &cause);
    if (object == NULL && json_error_code(&cause) == json_error_out_of_memory)
        return fv_fail(error, FV_NO_MEMORY, "out of memory while reading %s", where);
    if (object == NULL)
        return fv_fail(error, FV_FORMAT, "%s: the configuration is not JSON: %s", where,
                       cause.text);
    fv_status status = FV_OK;
    if (!json_is_object(object))
        status = fv_fail(error, FV_FORMAT, "%s: the configuration is not a JSON object", where);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (status == FV_OK) status = set_field(config, key, value, where, error);
    }
    json_decref(object);
    return status;
}

fv_status config_from_json(const char *json, const char *where, fv_config *config,
                           fv_error *error) {
    fv_config_init(config);
    return read_object(json, where, config, error);
}

fv_status config_member_from_json(const char *member, size_t n, const char *where,
                                  fv_config *config, fv_error *error) {
    char *object = malloc(n + 3);
    if (object == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory while reading %s", where);
    object[0] = '{';
    memcpy(object + 1, member, n);
    strcpy(object + 1 + n, "}");
    fv_status status = read_object(object, where, config, error);
    free(object);
    return status;
}
