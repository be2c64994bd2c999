// Replies, and what errors mean.
#include "served/wire.h"

#include "base/json.h"
#include "served/repetition.h"
#include "served/reply_logprobs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NOTE = sizeof((http_call *)0)->note };

// The sentence of an error, wherever this server puts it, or NULL.
static const char *error_sentence(const json_t *root) {
    if (json_is_array(root)) root = json_array_get(root, 0); // Google's
    const json_t *error = json_object_get(root, "error");
    if (json_is_string(error)) return json_string_value(error);
    const char *text = json_string_value(json_object_get(error, "message"));
    if (text == NULL && strcmp(json_string_value(json_object_get(root, "object"))
                                   ? json_string_value(json_object_get(root, "object"))
                                   : "",
                               "error") == 0)
        text = json_string_value(json_object_get(root, "message"));
    if (text == NULL) text = json_string_value(json_object_get(root, "detail"));
    return text;
}

static bool mentions(const char *text, const char *word) {
    for (size_t n = strlen(word); *text != '\0'; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == word[i]) i++;
        if (i == n) return true;
    }
    return false;
}

bool wire_refuses_stream(const char *note) {
    return mentions(note, "stream");
}

bool wire_refuses_logprobs(const char *note) {
    return mentions(note, "logprob") || mentions(note, "logits_all"); // llama-cpp-python's
}

static bool about_context(const char *text) {
    static const char *const PHRASES[] = {"context length",      "context window",
                                          "context size",        "maximum context",
                                          "max_model_len",       "n_ctx",
                                          "prompt is too long",  "input is too long",
                                          "exceed_context_size", "context_length_exceeded"};
    for (size_t i = 0; i < sizeof PHRASES / sizeof *PHRASES; i++)
        if (mentions(text, PHRASES[i])) return true;
    return false;
}

static bool about_model(const char *text) {
    return mentions(text, "model") && (mentions(text, "not found") || mentions(text, "not exist") ||
                                       mentions(text, "unknown"));
}

static void take_note(char *note, size_t size, const char *text) {
    size_t n = 0;
    for (; *text != '\0' && n + 1 < size; text++)
        note[n++] = strchr("\t\n\v\f\r", *text) != NULL ? ' ' : *text;
    if (*text != '\0') { // no half characters
        while (n > 0 && (note[n - 1] & 0xc0) == 0x80) n--;
        if (n > 0 && (unsigned char)note[n - 1] >= 0xc0) n--;
    }
    note[n] = '\0';
    fv_printable(note, size);
}

http_fault wire_fault(const char *body, size_t n, int status, char *note) {
    json_t *root = json_read(body, n, 0, NULL);
    const char *sentence = error_sentence(root);
    if (sentence == NULL && root == NULL && n > 0) sentence = body; // plain text, or a page
    char said[NOTE] = "";
    if (sentence != NULL) take_note(said, sizeof said, sentence);
    snprintf(note, NOTE, "HTTP %d%s%.*s", status, *said ? ": " : "", NOTE - 16, said);
    json_decref(root);
    if (status == 401 || status == 403) return HTTP_KEY;
    if (status == 429) return HTTP_BUSY;
    if (status != 404 && about_context(said)) return HTTP_CONTEXT;
    if (status == 404 || about_model(said)) return HTTP_MODEL;
    if (status == 413) return HTTP_CONTEXT;
    if (status >= 500 || status == 408 || status == 409 || status == 425) return HTTP_SERVER;
    return HTTP_REFUSED;
}

static int token_count(const json_t *usage, const char *key) {
    const json_t *count = json_object_get(usage, key);
    return json_is_integer(count) ? (int)json_integer_value(count) : -1;
}

// A content of parts: the text of those that are said, without those that are thought or called.
static void add_parts(const json_t *parts, text_buffer *text) {
    static const char *const SAID[] = {"text", "output_text", "refusal"};
    size_t i;
    const json_t *part;
    json_array_foreach(parts, i, part) {
        const char *type = json_string_value(json_object_get(part, "type"));
        bool said = type == NULL;
        for (size_t k = 0; !said && k < sizeof SAID / sizeof *SAID; k++)
            said = strcmp(type, SAID[k]) == 0;
        if (!said) continue;
        const json_t *inside = json_is_string(part) ? part : json_object_get(part, "text");
        if (json_is_object(inside)) inside = json_object_get(inside, "value");
        if (inside == NULL) inside = json_object_get(part, "refusal");
        if (json_is_string(inside))
            text_add_n(text, json_string_value(inside), json_string_length(inside));
    }
}

void wire_add_content(const json_t *content, text_buffer *text) {
    if (json_is_string(content))
        text_add_n(text, json_string_value(content), json_string_length(content));
    else
        add_parts(content, text);
}

// The text of a choice: a message's content, as a string or in parts, its refusal, or a
// completion's text. False where there is none of them.
static bool choice_text(const json_t *choice, text_buffer *text) {
    const json_t *message = json_object_get(choice, "message"), *content;
    content = json_is_object(message) ? json_object_get(message, "content")
                                      : json_object_get(choice, "text");
    const json_t *refusal = json_object_get(message, "refusal");
    bool nothing = content == NULL || json_is_null(content);
    if (nothing && json_is_string(refusal)) content = refusal;
    text_add_n(text, "", 0);
    if (json_is_string(content) || json_is_array(content))
        wire_add_content(content, text);
    else
        return json_is_null(content) || (content == NULL && json_is_object(message));
    return true;
}

// How servers say that the tokens ended before the answer did.
static bool is_cut(const char *finish) {
    return strcmp(finish, "length") == 0 || strcmp(finish, "model_length") == 0 ||
           strcasecmp(finish, "max_tokens") == 0;
}

// The thought that servers put beside the content, or NULL.
static const char *apart_thought(const json_t *choice) {
    const json_t *message = json_object_get(choice, "message");
    const char *text = json_string_value(json_object_get(message, "reasoning_content"));
    return text != NULL ? text : json_string_value(json_object_get(message, "reasoning"));
}

static void take_choice(const json_t *root, const json_t *choice, const thoughts_known *known,
                        text_buffer *text, wire_reply *reply) {
    const json_t *usage = json_object_get(root, "usage");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    thoughts_found found;
    const char *model = json_string_value(json_object_get(root, "model"));
    snprintf(reply->finish, sizeof reply->finish, "%s", finish ? finish : "");
    take_note(reply->model, sizeof reply->model, model != NULL ? model : "");
    reply->prompt_tokens = token_count(usage, "prompt_tokens");
    reply->completion_tokens = token_count(usage, "completion_tokens");
    const char *thought = apart_thought(choice);
    const char *whole = *text->data == '\0' && thought != NULL ? thought : text->data;
    bool loops = ends_in_repetition(whole, strlen(whole));
    size_t n_whole = strlen(text->data), n_apart = thought != NULL ? strlen(thought) : 0;
    reply->cut = is_cut(reply->finish);
    thoughts_known here = *known;
    here.begun &= n_apart == 0; // who puts it apart leaves none of it in the content
    text->n = thoughts_remove(text->data, strlen(text->data), &here, reply->cut, &found);
    reply->cut |= found.open;
    reply->begun = found.begun;
    reply->loops = reply->cut && loops;
    reply->thought_tokens =
        reply_thought_tokens(usage, reply->completion_tokens, n_apart + n_whole - text->n, text->n,
                             &reply->thought_estimated);
    const json_t *timings = json_object_get(root, "timings");
    reply->cached_tokens = reply_cached_tokens(usage, timings);
    reply_speed_from_timings(timings, &reply->speed);
    reply_logprobs_take(root, choice, &reply->logprobs);
    reply->text = text->data;
    *text = (text_buffer){0};
}

void wire_reply_init(wire_reply *reply) {
    *reply = (wire_reply){
        .prompt_tokens = -1, .completion_tokens = -1, .cached_tokens = -1, .thought_tokens = -1};
}

void wire_reply_free(wire_reply *reply) {
    free(reply->text);
    json_decref(reply->logprobs);
    *reply = (wire_reply){0};
}

bool wire_has_error(const json_t *root) {
    return error_sentence(root) != NULL;
}

http_fault wire_read_json(const json_t *root, const thoughts_known *known, wire_reply *reply,
                          char *note) {
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    text_buffer text = {0};
    http_fault fault = HTTP_NONE;
    if (choice == NULL || !choice_text(choice, &text)) {
        snprintf(note, NOTE, "the reply has no choices[0] with a message or a text");
        fault = HTTP_MALFORMED;
    } else if (text.failed) {
        fault = HTTP_MALFORMED;
    } else {
        take_choice(root, choice, known, &text, reply);
    }
    text_free(&text);
    return fault;
}

http_fault wire_read(const char *body, size_t n, int status, const thoughts_known *known,
                     wire_reply *reply, char *note) {
    wire_reply_init(reply);
    if (status != 200) return wire_fault(body, n, status, note);
    json_error_t why;
    json_t *root = json_read(body, n, 0, &why);
    http_fault fault = HTTP_MALFORMED;
    if (root == NULL)
        snprintf(note, NOTE, "the reply is no JSON: %.100s", why.text);
    else if (wire_has_error(root))
        fault = wire_fault(body, n, 500, note);
    else
        fault = wire_read_json(root, known, reply, note);
    json_decref(root);
    return fault;
}
