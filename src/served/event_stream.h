// Server-sent events (WHATWG HTML, "Server-sent events"), as servers stream their answers: lines
// "data: ...", an empty line behind each event. The bytes come split anywhere.
#ifndef FOVEA_SERVED_EVENT_STREAM_H
#define FOVEA_SERVED_EVENT_STREAM_H

#include "base/text.h"

// Starts as {0}.
typedef struct event_stream {
    text_buffer line, data; // of the event on its way
    bool after_return;      // the last byte was a carriage return
} event_stream;

// Whether a body that begins so is such a stream. Nothing that is JSON is.
bool event_stream_begins(const char *bytes, size_t n);

// Takes n more bytes; calls `take` with the data of each event that they end.
typedef void (*event_take)(void *context, const char *data, size_t n);
void event_stream_feed(event_stream *s, const char *bytes, size_t n, event_take take,
                       void *context);

// The end of the body: what is not ended by an empty line is an event all the same.
void event_stream_end(event_stream *s, event_take take, void *context);

void event_stream_free(event_stream *s);

#endif
