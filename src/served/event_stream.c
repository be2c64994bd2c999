#include "served/event_stream.h"

#include <string.h>

bool event_stream_begins(const char *bytes, size_t n) {
    // "error" is llama.cpp's before 2025.
    static const char *const FIELDS[] = {":", "data:", "event:", "id:", "retry:", "error:"};
    size_t start = text_mark(bytes, n);
    while (start < n && (bytes[start] == '\r' || bytes[start] == '\n')) start++;
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        size_t length = strlen(FIELDS[i]);
        if (n - start >= length && memcmp(bytes + start, FIELDS[i], length) == 0) return true;
    }
    return false;
}

static void clear(text_buffer *b) {
    b->n = 0;
    text_add_n(b, "", 0);
}

static void end_event(event_stream *s, event_take take, void *context) {
    if (s->data.n > 0) take(context, s->data.data, s->data.n);
    clear(&s->data);
}

// Several lines of data are one text of several lines. What else a line says nobody needs.
static void end_line(event_stream *s, event_take take, void *context) {
    const char *line = s->line.data != NULL ? s->line.data : "";
    line += text_mark(line, s->line.n);
    if (*line == '\0') {
        end_event(s, take, context);
    } else if (strncmp(line, "data:", 5) == 0 || strncmp(line, "error:", 6) == 0) {
        const char *value = strchr(line, ':') + 1;
        text_add(&s->data, "%s", s->data.n > 0 ? "\n" : "");
        value += *value == ' ';
        text_add_n(&s->data, value, (size_t)(line + strlen(line) - value));
    }
    clear(&s->line);
}

void event_stream_feed(event_stream *s, const char *bytes, size_t n, event_take take,
                       void *context) {
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\r' && bytes[i] != '\n') {
            s->after_return = false;
            continue;
        }
        text_add_n(&s->line, bytes + start, i - start);
        start = i + 1;
        // "\r\n" is one end of a line.
        if (bytes[i] == '\r' || !s->after_return) end_line(s, take, context);
        s->after_return = bytes[i] == '\r';
    }
    text_add_n(&s->line, bytes + start, n - start);
}

void event_stream_end(event_stream *s, event_take take, void *context) {
    if (s->line.n > 0) end_line(s, take, context);
    end_event(s, take, context);
}

void event_stream_free(event_stream *s) {
    text_free(&s->line);
    text_free(&s->data);
    *s = (event_stream){0};
}
