#include "served/reply_stream.h"

#include "base/json.h"
#include "served/reply_logprobs.h"

#include <stdio.h>
#include <string.h>

enum { NOTE = sizeof((http_call *)0)->note };

// --- pieces ------------------------------------------------------------------------------------

static void keep(json_t **kept, json_t *value) {
    if (value == NULL || json_is_null(value)) return;
    json_decref(*kept);
    *kept = json_incref(value);
}

static void add_string(text_buffer *text, const json_t *value) {
    if (json_is_string(value))
        text_add_n(text, json_string_value(value), json_string_length(value));
}

// Some servers end with the whole message once more, beside an empty delta or none.
static void take_piece(reply_stream *s, const json_t *choice) {
    const json_t *delta = json_object_get(choice, "delta");
    const json_t *reasoning = json_object_get(delta, "reasoning_content");
    const json_t *content = json_object_get(delta, "content");
    size_t before = s->text.n + s->thought.n;
    if (delta == NULL && before == 0) delta = json_object_get(choice, "message");
    if (content == NULL) content = json_object_get(delta, "content");
    if (!json_is_string(reasoning)) reasoning = json_object_get(delta, "reasoning");
    add_string(&s->thought, reasoning);
    add_string(&s->text, json_object_get(delta, "refusal"));
    add_string(&s->text, json_object_get(choice, "text"));
    wire_add_content(content, &s->text);
    bool more = s->text.n + s->thought.n > before || json_array_size(content) > 0;
    if (!more) return;
    if (s->n_moments == 0) s->first = s->now;
    s->n_moments += s->n_moments == 0 || s->now != s->last;
    s->last = s->now;
}

static void take_event(void *context, const char *data, size_t n) {
    reply_stream *s = context;
    if (strcmp(data, "[DONE]") == 0) {
        s->ended = true;
        return;
    }
    json_t *root = json_read(data, n, 0, NULL), *choice;
    size_t i;
    s->broken |= root == NULL;
    if (wire_has_error(root) && s->error.n == 0) text_add_n(&s->error, data, n);
    keep(&s->model, json_object_get(root, "model"));
    keep(&s->usage, json_object_get(root, "usage"));
    keep(&s->timings, json_object_get(root, "timings"));
    json_array_foreach(json_object_get(root, "choices"), i, choice) {
        if (json_integer_value(json_object_get(choice, "index")) != 0) continue; // of n > 1
        s->chosen = true;
        take_piece(s, choice);
        reply_logprobs_take(root, choice, &s->logprobs);
        keep(&s->finish, json_object_get(choice, "finish_reason"));
        keep(&s->usage, json_object_get(choice, "usage")); // Moonshot's
    }
    json_decref(root);
}

void reply_stream_feed(reply_stream *s, const char *bytes, size_t n, double seconds) {
    s->begun = true;
    s->now = seconds;
    event_stream_feed(&s->events, bytes, n, take_event, s);
}

size_t reply_stream_size(const reply_stream *s) {
    return s->text.n + s->thought.n + s->events.line.n + s->events.data.n;
}

// --- the whole ---------------------------------------------------------------------------------

static json_t *text_json(const text_buffer *text) {
    return text->n > 0 ? json_stringn(text->data, text->n) : json_null();
}

static json_t *whole(const reply_stream *s) {
    json_t *root = json_pack("{s:[{s:{s:o, s:o}}]}", "choices", "message", "content",
                             text_json(&s->text), "reasoning_content", text_json(&s->thought));
    json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    if (s->finish != NULL) json_object_set(choice, "finish_reason", s->finish);
    if (s->model != NULL) json_object_set(root, "model", s->model);
    if (s->usage != NULL) json_object_set(root, "usage", s->usage);
    if (s->timings != NULL) json_object_set(root, "timings", s->timings);
    return root;
}

// What comes at one moment was held back on its way, and says nothing of when it was there.
static void measure(const reply_stream *s, wire_reply *reply) {
    int n = reply->completion_tokens;
    int n_cached = reply->cached_tokens > 0 ? reply->cached_tokens : 0;
    reply->streamed = true;
    if (s->n_moments < 2 && n != 1) return;
    asks_speed *speed = &reply->speed;
    if (speed->by == ASKS_TIMED_BY_NOBODY) {
        speed->by = ASKS_TIMED_BY_STREAM;
        speed->prefill = reply_speed_prefill(reply->prompt_tokens - n_cached, n_cached, s->first);
        if (n > 1 && s->last > s->first) speed->decode = (n - 1) / (s->last - s->first);
    }
    speed->first_token = s->first;
}

static const char *what_is_wrong(const reply_stream *s) {
    if (s->broken) return "an event of the stream is no JSON";
    if (!s->chosen) return "the stream has no choices[0] with a delta or a text";
    if (!s->ended && s->finish == NULL) return "the stream ended before the answer did";
    bool failed = s->text.failed || s->thought.failed || s->events.line.failed;
    return failed || s->events.data.failed ? "no memory for the reply" : NULL;
}

http_fault reply_stream_read(reply_stream *s, int status, const thoughts_known *known,
                             wire_reply *reply, char *note) {
    wire_reply_init(reply);
    event_stream_end(&s->events, take_event, s);
    if (s->error.n > 0 || status != 200)
        return wire_fault(s->error.n > 0 ? s->error.data : "", s->error.n,
                          status != 200 ? status : 500, note);
    const char *wrong = what_is_wrong(s);
    if (wrong != NULL) {
        snprintf(note, NOTE, "%s", wrong);
        return HTTP_MALFORMED;
    }
    json_t *root = whole(s);
    http_fault fault = wire_read_json(root, known, reply, note);
    json_decref(root);
    if (fault != HTTP_NONE) return fault;
    measure(s, reply);
    json_decref(reply->logprobs);
    reply->logprobs = json_incref(s->logprobs);
    return fault;
}

void reply_stream_free(reply_stream *s) {
    event_stream_free(&s->events);
    text_free(&s->text);
    text_free(&s->thought);
    text_free(&s->error);
    json_decref(s->finish);
    json_decref(s->model);
    json_decref(s->usage);
    json_decref(s->timings);
    json_decref(s->logprobs);
    *s = (reply_stream){0};
}
