// The two APIs on the wire, as OpenAI, vLLM and llama.cpp speak them: bodies of requests, replies
// and errors.
#ifndef FOVEA_SERVED_WIRE_H
#define FOVEA_SERVED_WIRE_H

#include "served/http.h"
#include "served/reply_speed.h"
#include "served/thoughts.h"

typedef enum wire_api { WIRE_CHAT, WIRE_COMPLETIONS } wire_api;

// What stands before and after the prompt in every body. `extra` is a JSON object whose members are
// added to the body, replace its own, or with null take them away; NULL for none.
enum { WIRE_STREAMED = 1, WIRE_WITH_LOGPROBS = 2, WIRE_N_TAILS = 4 };
typedef struct wire_frame {
    char *head, *head_system, *head_chat; // head_system: with a system message; head_chat: of a
                                          // prompt that has its messages' roles
    char *tails[WIRE_N_TAILS];            // wire_tail
} wire_frame;

fv_status wire_frame_make(wire_frame *frame, wire_api api, const char *model, const char *system,
                          int max_tokens, const char *extra, fv_error *error);

// The same for a request that only counts or shows a prompt: nothing but model, prompt and what
// `extra` gives to the template.
fv_status wire_frame_bare(wire_frame *frame, wire_api api, const char *model, const char *system,
                          const char *extra, fv_error *error);
void wire_frame_free(wire_frame *frame);

// The head for a prompt.
const char *wire_head(const wire_frame *frame, const prompt *p);

// The tail, which may ask for the answer in pieces, or for log-probabilities; NULL where `extra`
// decides about them.
const char *wire_tail(const wire_frame *frame, bool streamed, bool logprobs);

// What of a body, beside model and prompt, shapes the answer: compact JSON with sorted keys.
typedef struct wire_settings {
    char *sampling; // the members that say how tokens are drawn, as they are sent
    char *extra;    // `extra` itself
    int max_tokens; // as it is sent; 0 where `extra` takes it away
} wire_settings;
fv_status wire_settings_make(wire_settings *settings, int max_tokens, const char *extra,
                             fv_error *error);
void wire_settings_free(wire_settings *settings);

// A reply that could be read.
typedef struct wire_reply {
    char *text;                           // without thoughts; "" where there is no more; owned
    char finish[24];                      // "stop", "length", ...; "" where it does not say
    char model[128];                      // as the reply names it; "" where it does not
    bool cut;                             // it ends where the tokens did, or inside a thought
    bool begun;                           // it closes a thought that it does not open
    bool loops;                           // it is cut, and repeats itself up to there
    bool streamed;                        // it came in pieces
    int prompt_tokens, completion_tokens; // -1 where usage is missing
    int cached_tokens;                    // of the prompt, read before; -1 where not known
    int thought_tokens;                   // of the completion; -1 where not known
    bool thought_estimated;               // by the share of its bytes
    asks_speed speed;
    json_t *logprobs; // a list, as reply_logprobs.h takes it; NULL where not told; owned
} wire_reply;
void wire_reply_free(wire_reply *reply); // leaves {0}

// Reads a completion. HTTP_NONE and *reply, or what is wrong, with a sentence in `note` [256].
http_fault wire_read(const char *body, size_t n, int status, const thoughts_known *known,
                     wire_reply *reply, char *note);

// What an HTTP status and an error body mean.
http_fault wire_fault(const char *body, size_t n, int status, char *note);

// --- for replies that come in pieces ---

void wire_reply_init(wire_reply *reply); // nothing is known

// Adds what is said in a content, a string or a list of parts.
void wire_add_content(const json_t *content, text_buffer *text);

// Whether an object of a reply tells of an error.
bool wire_has_error(const json_t *root);

// wire_read of a body of status 200 that is parsed already.
http_fault wire_read_json(const json_t *root, const thoughts_known *known, wire_reply *reply,
                          char *note);

// Whether a note of a refusal is about streaming, or about log-probabilities.
bool wire_refuses_stream(const char *note);
bool wire_refuses_logprobs(const char *note);

#endif
