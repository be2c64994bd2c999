// How many tokens a prompt has, by the server's own tokenizer where it has one to ask.
//
// What a server counts is the text alone or what its template makes of it; what it reads is always
// the latter. `added` is the difference, the same for all prompts of a task: measured once, and
// corrected by the usage of any answer that says more.
#ifndef FOVEA_SERVED_TOKENS_H
#define FOVEA_SERVED_TOKENS_H

#include "served/address.h"
#include "served/wire.h"

// Ways to count, best first: name, text
#define TOKENS_WAY_LIST(X)                                                                         \
    X(VLLM, "vllm")              /* POST /tokenize {prompt} or {messages} -> {count} */            \
    X(LLAMA, "llama.cpp")        /* POST /tokenize {content} -> {tokens} */                        \
    X(LLAMA_PYTHON, "llama-cpp") /* POST /extras/tokenize/count {input} -> {count} */              \
    X(USAGE, "usage")            /* estimated: a line through the usage of two completions */      \
    X(ESTIMATE, "estimate")      /* four bytes a token: the server says nothing */

typedef enum tokens_way {
#define TOKENS_WAY_ENUM(name, text) TOKENS_##name,
    TOKENS_WAY_LIST(TOKENS_WAY_ENUM)
#undef TOKENS_WAY_ENUM
} tokens_way;

const char *tokens_way_text(tokens_way way);

// Whether prompts are counted, each for itself, and not estimated by their bytes.
bool tokens_way_counts(tokens_way way);

typedef struct token_counter {
    tokens_way way;
    int context; // the longest prompt and answer of the server, 0 where it does not say
    http *http;  // NULL: no server, always TOKENS_ESTIMATE
    http_call call;
    const char *model, *extra;
    thoughts_known thoughts;
    wire_api api;
    address at;
    double patience; // seconds that a server may take to load its model
    const volatile int *interrupted;
    void (*say)(void *context, const char *text); // what is waited for; may be NULL
    void *context_of_say;
} token_counter;

// Finds out how the server counts, when it is ready: one that answers 502, 503, 504 or 429 (and has
// no /health that says otherwise) is waited for. FV_IO where none answers at all or is never ready,
// FV_INTERRUPTED.
fv_status tokens_open(token_counter *counter, fv_error *error);
void tokens_close(token_counter *counter);

// How the prompts of one task are counted. Starts as {0}.
typedef struct token_rule {
    tokens_way way;
    int added;              // tokens of the template beside what is counted
    int n_messages;         // of the chat that this was seen of: each costs as much
    bool added_known;       // false: assumed
    bool begins_thought;    // the template ends in the opening mark of a thought
    const char *path;       // where a prompt is counted, behind the server's root
    char *url;              // the whole of it, with this around the prompt
    wire_frame frame;       //
    double fixed, per_byte; // of estimates, for a prompt's plain text
} token_rule;

// The rule for prompts like these: `least` is the shortest of them, `longer` a further one (or
// NULL) for the slope of estimates.
fv_status tokens_rule_make(token_counter *counter, const prompt *least, const prompt *longer,
                           token_rule *rule, fv_error *error);
void tokens_rule_free(token_rule *rule);

// The body of a request that counts, before the prompt.
const char *tokens_rule_head(const token_rule *rule, const prompt *p);

// Whether that request has the text alone, without what stands between messages.
bool tokens_rule_bare(const token_rule *rule);

// What the server's count says of the prompt: the tokens that it will read, or -1.
int tokens_rule_read(const token_rule *rule, const prompt *p, const char *body, size_t n);

// The same without asking, of rules that estimate.
int tokens_rule_estimate(const token_rule *rule, const prompt *p);

// The tokens of a prompt, counted now. FV_IO where the server does not count it.
fv_status tokens_count(token_counter *counter, const token_rule *rule, const prompt *p, int *tokens,
                       fv_error *error);

// An answer's usage: a template adds at least what was read beyond the count.
void tokens_rule_learn(token_rule *rule, const prompt *p, int counted, int read);

// Whether the server read clearly less than the prompt has.
bool tokens_rule_truncated(const token_rule *rule, int counted, int read);

#endif
