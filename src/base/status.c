#include <fovea/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *fv_status_text(fv_status status) {
    switch (status) {
#define TEXT(name, code, text)                                                                     \
    case FV_##name:                                                                                \
        return text;
        FV_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

// How a character is written that must not be printed; NULL for all others. *n receives its bytes.
static const char *escape(const char *at, char room[8], int *n) {
    static const char SHORT[] = "\nn\rr\tt";
    unsigned char c = (unsigned char)at[0], next = c != 0 ? (unsigned char)at[1] : 0;
    const char *name = c != 0 ? strchr(SHORT, c) : NULL;
    *n = 1;
    if (c < 0x20 && name != NULL)
        snprintf(room, 8, "\\%c", name[1]);
    else if (c < 0x20 || c == 0x7f)
        snprintf(room, 8, "\\x%02x", c);
    else if (c == 0xc2 && next >= 0x80 &&
             next < 0xa0) // U+0080 to U+009F, which steer terminals too
        snprintf(room, 8, "\\u%04x", next), *n = 2;
    else
        return NULL;
    return room;
}

void fv_printable(char *text, size_t size) {
    char room[8];
    for (size_t i = 0; text[i] != '\0'; i++) {
        int n;
        const char *escaped = escape(&text[i], room, &n);
        if (escaped == NULL) continue;
        size_t length = strlen(escaped), rest = strlen(&text[i + (size_t)n]);
        if (i + length + 1 > size) {
            text[i] = '\0';
            return;
        }
        if (i + length + rest + 1 > size) rest = size - 1 - i - length;
        memmove(&text[i + length], &text[i + (size_t)n], rest);
        memcpy(&text[i], escaped, length);
        text[i + length + rest] = '\0';
        i += length - 1;
    }
}

fv_status(fv_fail)(fv_error *error, fv_status status, const char *format, ...) {
    if (error == NULL) return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    fv_printable(error->text, sizeof error->text);
    return status;
}
