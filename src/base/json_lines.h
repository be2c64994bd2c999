// JSON Lines: files with an object a line, as RULER and "Lost in the Middle" write them.
#ifndef FOVEA_BASE_JSON_LINES_H
#define FOVEA_BASE_JSON_LINES_H

#include <fovea/status.h>
#include <jansson.h>
#include <stdio.h>

// A line that is not blank.
typedef struct json_line {
    json_t *object; // parsed; json_incref keeps it
    const char *text;
    size_t n;
    const char *where; // "FILE:12", for messages
    long at;           // where it begins in the file
} json_line;

// Opens such a file; what is packed with gzip is read as what is in it. FV_NOT_FOUND, FV_IO.
fv_status json_lines_open(const char *path, FILE **file, fv_error *error);

// The text of a value: a string's own, else its JSON. NULL without memory; the caller frees it.
char *json_value_text(const json_t *value);

// Calls `visit` with every line, parsed with jansson's `flags`, until one fails. FV_NOT_FOUND,
// FV_IO, FV_FORMAT (a line that is no JSON object) or what `visit` returns.
typedef fv_status (*json_visit)(void *context, const json_line *line, fv_error *error);
fv_status json_lines_each(const char *path, size_t flags, json_visit visit, void *context,
                          fv_error *error);

// Reads the one line that begins at `at`. The caller frees *object.
fv_status json_lines_read(FILE *file, const char *path, long at, size_t flags, json_t **object,
                          fv_error *error);

#endif
