// YAML read into a small tree that knows its lines. What makes YAML dangerous or ambiguous is
// refused: anchors and aliases (a few lines can expand to gigabytes), tags, merge keys by way of
// both, keys given twice, several documents, depth and size beyond what an experiment can mean.
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/text.h"

typedef enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAPPING } yaml_kind;

typedef struct yaml_value {
    yaml_kind kind;
    int line;                 // where it begins, from 1
    char *key;                // member of a mapping: its key
    char *scalar;             // scalar: its text
    bool quoted;              // scalar: written in quotes or as a block, never a number
    int n;                    // list, mapping: its items, in the document's order
    struct yaml_value *items; // [n]
} yaml_value;

// Reads one document. `name` and the line begin every message ("name:3: ..."); with NULL messages
// begin with neither. *value is freed with yaml_value_free. Fails with FV_FORMAT.
fv_status yaml_value_read(const char *source, size_t size, const char *name, yaml_value **value,
                          fv_error *error);

// Reads the file `path`. Fails with FV_NOT_FOUND for a file that cannot be opened.
fv_status yaml_value_read_file(const char *path, yaml_value **value, fv_error *error);
void yaml_value_free(yaml_value *value);

// The member of a mapping, or NULL.
const yaml_value *yaml_value_member(const yaml_value *mapping, const char *key);

// Refuses a member whose key is not in the NULL-terminated list: "WHAT: there is no key ...".
fv_status yaml_check_keys(const yaml_value *mapping, const char *const *keys, const char *what,
                          fv_error *error);

// Adds the value as one line of YAML: "4", "[attention, mlp]", "{a: 1}". It reads back to itself.
void yaml_value_write(const yaml_value *value, text_buffer *out);

// "a value", "a list", "a mapping"
const char *yaml_kind_text(yaml_kind kind);

#endif
