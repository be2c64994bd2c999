#include "base/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum {
    MAX_DEPTH = 16,
    MAX_VALUES = 200000,
    MAX_MEMBERS = 1000, // of one mapping; looking for double keys is quadratic in it
    MAX_BYTES = 1 << 20,
};

typedef struct reader {
    yaml_parser_t parser;
    const char *name;
    int n_values;
    fv_error *error;
} reader;

static fv_status fail(const reader *r, int line, fv_status status, const char *format, ...)
    FV_PRINTF(4, 5);

static fv_status fail(const reader *r, int line, fv_status status, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (r->name == NULL) return fv_fail(r->error, status, "%s", message);
    return fv_fail(r->error, status, "%s:%d: %s", r->name, line, message);
}

// libyaml keeps an offset instead of a line for bytes that are no text: it reads ahead.
static int line_of_offset(const yaml_parser_t *p) {
    const unsigned char *text = p->input.string.start;
    int line = 1;
    for (size_t i = 0; i < p->problem_offset && text + i < p->input.string.end; i++)
        line += text[i] == '\n';
    return line;
}

static fv_status next_event(reader *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) return FV_OK;
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return fv_fail(r->error, FV_NO_MEMORY, "out of memory");
    if (p->error == YAML_READER_ERROR)
        return fail(r, line_of_offset(p), FV_FORMAT, "this is not UTF-8 text: %s", p->problem);
    if (p->error == YAML_SCANNER_ERROR && p->buffer.pointer != NULL && *p->buffer.pointer == '\t')
        return fail(r, (int)p->problem_mark.line + 1, FV_FORMAT,
                    "YAML syntax: a tab where lines are indented; YAML indents with blanks");
    return fail(r, (int)p->problem_mark.line + 1, FV_FORMAT, "YAML syntax: %s%s%s", p->problem,
                p->context ? " " : "", p->context ? p->context : "");
}

static fv_status check_plain(const reader *r, const yaml_event_t *event, int line) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
    if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
    if (event->type == YAML_ALIAS_EVENT || anchor != NULL)
        return fail(
            r, line, FV_FORMAT,
            "YAML anchors (&) and aliases (*) are refused; write the value out, in quotes if "
            "it begins with & or *");
    if (tag != NULL)
        return fail(r, line, FV_FORMAT, "YAML tags (%s) are refused; write the plain value",
                    (const char *)tag);
    return FV_OK;
}

static void free_inside(yaml_value *value) {
    for (int i = 0; i < value->n; i++) free_inside(&value->items[i]);
    free(value->items);
    free(value->scalar);
    free(value->key);
}

// A new last item, zeroed, or NULL without memory.
static yaml_value *append(yaml_value *parent) {
    if ((parent->n & (parent->n - 1)) == 0) { // full at every power of two
        size_t capacity = parent->n == 0 ? 1 : 2 * (size_t)parent->n;
        yaml_value *items = realloc(parent->items, capacity * sizeof *items);
        if (items == NULL) return NULL;
        parent->items = items;
    }
    yaml_value *item = &parent->items[parent->n++];
    memset(item, 0, sizeof *item);
    return item;
}

static fv_status read_value(reader *r, const yaml_event_t *event, int depth, yaml_value *value);

static fv_status read_scalar(reader *r, const yaml_event_t *event, yaml_value *value) {
    const char *source = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(source, '\0', length) != NULL)
        return fail(r, value->line, FV_FORMAT, "a text holds a NUL character");
    value->kind = YAML_SCALAR;
    value->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    value->scalar = text_copy_n(source, length);
    return value->scalar ? FV_OK : fv_fail(r->error, FV_NO_MEMORY, "out of memory");
}

static fv_status read_list(reader *r, int depth, yaml_value *value) {
    value->kind = YAML_LIST;
    for (;;) {
        yaml_event_t event;
        fv_status status = next_event(r, &event);
        if (status != FV_OK) return status;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        yaml_value *item = end ? NULL : append(value);
        if (item != NULL) status = read_value(r, &event, depth + 1, item);
        if (!end && item == NULL) status = fv_fail(r->error, FV_NO_MEMORY, "out of memory");
        yaml_event_delete(&event);
        if (end || status != FV_OK) return status;
    }
}

// Reads one key into *key, a text the caller frees.
static fv_status read_key(reader *r, const yaml_event_t *event, const yaml_value *mapping,
                          char **key) {
    int line = (int)event->start_mark.line + 1;
    fv_status status = check_plain(r, event, line);
    if (status != FV_OK) return status;
    if (event->type != YAML_SCALAR_EVENT)
        return fail(r, line, FV_FORMAT, "a key must be a word, not a list or a mapping");
    yaml_value scalar = {.line = line};
    status = read_scalar(r, event, &scalar);
    if (scalar.scalar == NULL) return status;
    if (mapping->n == MAX_MEMBERS)
        status = fail(r, line, FV_FORMAT, "a mapping holds more than %d keys", MAX_MEMBERS);
    else if (yaml_value_member(mapping, scalar.scalar) != NULL)
        status = fail(r, line, FV_FORMAT, "the key '%.100s' is given twice, first in line %d",
                      scalar.scalar, yaml_value_member(mapping, scalar.scalar)->line);
    *key = scalar.scalar;
    return status;
}

static fv_status read_mapping(reader *r, int depth, yaml_value *value) {
    value->kind = YAML_MAPPING;
    for (;;) {
        yaml_event_t event;
        fv_status status = next_event(r, &event);
        if (status != FV_OK) return status;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return FV_OK;
        }
        char *key = NULL;
        int key_line = (int)event.start_mark.line + 1;
        status = read_key(r, &event, value, &key);
        yaml_event_delete(&event);
        yaml_value *item = status == FV_OK ? append(value) : NULL;
        if (item == NULL) {
            free(key);
            return status != FV_OK ? status : fv_fail(r->error, FV_NO_MEMORY, "out of memory");
        }
        item->key = key;
        status = next_event(r, &event);
        if (status != FV_OK) return status;
        status = read_value(r, &event, depth + 1, item);
        item->line = key_line; // where a reader looks for it
        yaml_event_delete(&event);
        if (status != FV_OK) return status;
    }
}

static fv_status read_value(reader *r, const yaml_event_t *event, int depth, yaml_value *value) {
    value->line = (int)event->start_mark.line + 1;
    fv_status status = check_plain(r, event, value->line);
    if (status != FV_OK) return status;
    if (depth > MAX_DEPTH)
        return fail(r, value->line, FV_FORMAT, "values are nested more than %d deep", MAX_DEPTH);
    if (++r->n_values > MAX_VALUES)
        return fail(r, value->line, FV_FORMAT, "there are more than %d values", MAX_VALUES);
    if (event->type == YAML_SCALAR_EVENT) return read_scalar(r, event, value);
    if (event->type == YAML_SEQUENCE_START_EVENT) return read_list(r, depth, value);
    return read_mapping(r, depth, value);
}

// Consumes the next event, which must be of the type given.
static fv_status expect(reader *r, yaml_event_type_t type, const char *otherwise) {
    yaml_event_t event;
    fv_status status = next_event(r, &event);
    if (status != FV_OK) return status;
    if (event.type != type)
        status = fail(r, (int)event.start_mark.line + 1, FV_FORMAT, "%s", otherwise);
    yaml_event_delete(&event);
    return status;
}

static fv_status read_document(reader *r, yaml_value *value) {
    fv_status status = expect(r, YAML_STREAM_START_EVENT, "the file is empty");
    if (status == FV_OK) status = expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty");
    if (status != FV_OK) return status;
    yaml_event_t event;
    status = next_event(r, &event);
    if (status != FV_OK) return status;
    status = read_value(r, &event, 1, value);
    yaml_event_delete(&event);
    if (status == FV_OK) status = expect(r, YAML_DOCUMENT_END_EVENT, "the document does not end");
    if (status == FV_OK)
        status = expect(r, YAML_STREAM_END_EVENT, "only one document (---) may stand in a file");
    return status;
}

fv_status yaml_value_read(const char *source, size_t size, const char *name, yaml_value **value,
                          fv_error *error) {
    *value = NULL;
    reader r = {.name = name, .error = error};
    if (size > MAX_BYTES)
        return fail(&r, 1, FV_FORMAT, "the text is longer than %d bytes", MAX_BYTES);
    const char *wide = text_wide(source, size);
    if (wide != NULL) return fail(&r, 1, FV_FORMAT, "this is %s text; save it as UTF-8", wide);
    // libyaml counts a mark as a column, and the first key stands deeper than the others.
    size_t mark = text_mark(source, size);
    if (text_mark(source + mark, size - mark) > 0)
        return fail(&r, 1, FV_FORMAT,
                    "the text begins with two byte order marks; leave one or none");
    yaml_value *root = calloc(1, sizeof *root);
    if (root == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (!yaml_parser_initialize(&r.parser)) {
        free(root);
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)source + mark, size - mark);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    fv_status status = read_document(&r, root);
    yaml_parser_delete(&r.parser);
    if (status != FV_OK) {
        yaml_value_free(root);
        return status;
    }
    *value = root;
    return FV_OK;
}

// Reads at most MAX_BYTES + 1 bytes, which yaml_value_read then refuses.
static fv_status read_bytes(FILE *file, const char *path, char **bytes, size_t *size,
                            fv_error *error) {
    struct stat info;
    if (fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode))
        return fv_fail(error, FV_NOT_FOUND, "%s is a folder, not an experiment file", path);
    *bytes = malloc(MAX_BYTES + 1);
    if (*bytes == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    *size = fread(*bytes, 1, MAX_BYTES + 1, file);
    if (!ferror(file)) return FV_OK;
    return fv_fail(error, FV_IO, "%s cannot be read: %s", path, strerror(errno));
}

fv_status yaml_value_read_file(const char *path, yaml_value **value, fv_error *error) {
    *value = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fv_fail(error, errno == ENOMEM ? FV_NO_MEMORY : FV_NOT_FOUND,
                       "%s cannot be opened: %s", path, strerror(errno));
    char *bytes = NULL;
    size_t size = 0;
    fv_status status = read_bytes(file, path, &bytes, &size, error);
    fclose(file);
    if (status == FV_OK) status = yaml_value_read(bytes, size, path, value, error);
    free(bytes);
    return status;
}

void yaml_value_free(yaml_value *value) {
    if (value == NULL) return;
    free_inside(value);
    free(value);
}

const yaml_value *yaml_value_member(const yaml_value *mapping, const char *key) {
    for (int i = 0; i < mapping->n; i++)
        if (strcmp(mapping->items[i].key, key) == 0) return &mapping->items[i];
    return NULL;
}

fv_status yaml_check_keys(const yaml_value *mapping, const char *const *keys, const char *what,
                          fv_error *error) {
    for (int i = 0; i < mapping->n; i++) {
        const char *key = mapping->items[i].key;
        int k = 0;
        while (keys[k] != NULL && strcmp(keys[k], key) != 0) k++;
        if (keys[k] == NULL)
            return fv_fail(error, FV_USAGE, "%s: there is no key '%.100s'; the nearest is '%s'",
                           what, key, text_nearest(key, keys));
    }
    return FV_OK;
}

static void write_quoted(const char *scalar, text_buffer *out) {
    text_add_char(out, '"');
    for (const char *c = scalar; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            text_add(out, "\\x%02x", (unsigned char)*c);
            continue;
        }
        if (*c == '"' || *c == '\\') text_add_char(out, '\\');
        text_add_char(out, *c);
    }
    text_add_char(out, '"');
}

void yaml_value_write(const yaml_value *value, text_buffer *out) {
    if (value->kind == YAML_SCALAR) {
        // A plain scalar that spans lines or is empty would not read back the same inside a list.
        bool plain = !value->quoted && value->scalar[0] != '\0' && !strpbrk(value->scalar, ",[]{}");
        if (plain) text_add(out, "%s", value->scalar);
        if (!plain) write_quoted(value->scalar, out);
        return;
    }
    bool list = value->kind == YAML_LIST;
    text_add_char(out, list ? '[' : '{');
    for (int i = 0; i < value->n; i++) {
        if (i > 0) text_add(out, ", ");
        if (!list) {
            write_quoted(value->items[i].key, out);
            text_add(out, ": ");
        }
        yaml_value_write(&value->items[i], out);
    }
    text_add_char(out, list ? ']' : '}');
}

const char *yaml_kind_text(yaml_kind kind) {
    static const char *const texts[] = {"a value", "a list", "a mapping"};
    return texts[kind];
}
