// What all files of the interface share: the buffers of texts and errors, and JSON.
#include "web.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static text_buffer text;
static fv_error error;
static char *room;

void *web_room(int size) {
    free(room);
    room = size >= 0 ? malloc((size_t)size + 1) : NULL;
    return room;
}

const char *web_text(void) {
    return text.data ? text.data : "";
}

const char *web_error(void) {
    return error.text;
}

void web_forget(void) {
    text.n = 0;
    text.failed = false;
    if (text.data) text.data[0] = '\0';
}

text_buffer *web_begin_text(void) {
    web_forget();
    return &text;
}

int web_end_text(void) {
    return text.failed ? fv_fail(&error, FV_NO_MEMORY, "out of memory") : FV_OK;
}

fv_error *web_failure(void) {
    return &error;
}

void put_item(text_buffer *out) {
    if (out->n > 0 && strchr("{[,:", out->data[out->n - 1]) == NULL) text_add_char(out, ',');
}

void put_string(text_buffer *out, const char *value) {
    text_add_char(out, '"');
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            text_add(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            text_add(out, "\\u%04x", *c);
        else
            text_add_char(out, *c);
    }
    text_add_char(out, '"');
}

void put_key(text_buffer *out, const char *key) {
    put_item(out);
    put_string(out, key);
    text_add_char(out, ':');
}

void put_number(text_buffer *out, double value) {
    if (isfinite(value))
        text_add(out, "%.6g", value);
    else
        text_add(out, "null");
}
