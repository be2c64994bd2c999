// A completion that comes in pieces, as events: put together to what it would have been in one, and
// timed on the way.
#ifndef FOVEA_SERVED_REPLY_STREAM_H
#define FOVEA_SERVED_REPLY_STREAM_H

#include "served/event_stream.h"
#include "served/wire.h"

// Starts as {0}.
typedef struct reply_stream {
    event_stream events;
    text_buffer text, thought; // put together
    text_buffer error;         // the first event that tells of one
    json_t *finish, *model, *usage, *timings, *logprobs;
    double now, first, last; // seconds: of the bytes at hand, the first and the last piece of text
    int n_moments;           // at which pieces came
    bool begun, chosen, ended, broken, failed;
} reply_stream;

// Takes n more bytes, which came `seconds` after the request was begun.
void reply_stream_feed(reply_stream *s, const char *bytes, size_t n, double seconds);

// How much it holds, in bytes.
size_t reply_stream_size(const reply_stream *s);

// The body has ended: wire_read of it.
http_fault reply_stream_read(reply_stream *s, int status, const thoughts_known *known,
                             wire_reply *reply, char *note);

void reply_stream_free(reply_stream *s); // leaves {0}

#endif
