// How long a prompt is for a server, in its own tokens, and how much haystack makes a given length.
#ifndef FOVEA_SERVED_TOKENS_H
#define FOVEA_SERVED_TOKENS_H

#include "served/address.h"
#include "served/served_task.h"
#include "served/wire.h"

// Ways to count, best first: name, text
#define TOKENS_WAY_LIST(X)                                                                         \
    X(VLLM, "vllm")              /* POST /tokenize {prompt} or {messages} -> {count} */            \
    X(LLAMA, "llama.cpp")        /* POST /tokenize {content} -> {tokens} */                        \
    X(LLAMA_PYTHON, "llama-cpp") /* POST /extras/tokenize/count {input} -> {count} */              \
    X(USAGE, "usage")            /* two short completions, and a line through them */              \
    X(ESTIMATE, "estimate")      /* four bytes a token: the server says nothing */

typedef enum tokens_way {
#define TOKENS_WAY_ENUM(name, text) TOKENS_##name,
    TOKENS_WAY_LIST(TOKENS_WAY_ENUM)
#undef TOKENS_WAY_ENUM
} tokens_way;

typedef struct token_counter {
    tokens_way way;
    int context; // the longest prompt and answer of the server, 0 where it does not say
    http *http;  // NULL: no server, always TOKENS_ESTIMATE
    http_call call;
    const char *model, *extra;
    wire_api api;
    address at;
    const volatile int *interrupted;
} token_counter;

// Finds out how the server counts. FV_IO where none answers at all, FV_INTERRUPTED.
fv_status tokens_open(token_counter *counter, fv_error *error);
void tokens_close(token_counter *counter);
const char *tokens_way_text(tokens_way way);

// The least units that a prompt can have, and its tokens; for tasks whose lengths are units
// already, those of the length. FV_USAGE where `place->length` tokens, of prompt and answer
// together, are below what the question itself needs.
fv_status tokens_check(token_counter *counter, const served_task *task, const served_source *source,
                       int max_tokens, const served_sample_place *place, int *n_units, int *tokens,
                       fv_error *error);

// From what tokens_check found: the units that fill `place->length` tokens without being more, and
// the tokens of such a prompt alone.
fv_status tokens_fit(token_counter *counter, const served_task *task, const served_source *source,
                     int max_tokens, const served_sample_place *place, int *n_units, int *tokens,
                     fv_error *error);

#endif
