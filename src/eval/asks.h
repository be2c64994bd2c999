// Questions and what came of them, in the table `asks` of eval.db. One connection of
// the process writes; a second process that wants to is turned away.
#ifndef FOVEA_EVAL_ASKS_H
#define FOVEA_EVAL_ASKS_H

#include "eval/db.h"

#include <fovea/eval.h>

typedef struct asks asks;

typedef enum asks_timed_by {
    ASKS_TIMED_BY_NOBODY,
    ASKS_TIMED_BY_TIMINGS, // llama.cpp's own
    ASKS_TIMED_BY_STREAM   // by when the pieces of a stream came
} asks_timed_by;

// "timings", "stream", or NULL.
const char *asks_timed_text(asks_timed_by by);

// How fast an answer came; 0 where not known.
typedef struct asks_speed {
    double first_token;     // seconds from the request to the first token
    double prefill, decode; // tokens a second: of the prompt as far as it was read anew, and of the
                            // answer behind its first token
    asks_timed_by by;       // the two rates
} asks_speed;

// What all questions of one command share.
typedef struct asks_key {
    const char *model, *api; // the model's label
    uint64_t seed;
} asks_key;

// Whose answer a row is, and what else its request said. In rows that were stored before this was
// noted all texts are NULL.
typedef struct asks_origin {
    const char *endpoint;         // address.identity
    const char *server;           // its name and version; NULL where it does not tell
    const char *model, *returned; // as the request names it, and the reply; NULL where it does not
    const char *sampling, *extra; // of wire_settings
    int max_tokens;
    const char *fovea; // the version that asked
} asks_origin;

// Whose answers count.
typedef enum asks_whose {
    ASKS_KNOWN = 1,
    ASKS_UNKNOWN = 2, // those of an unknown origin
    ASKS_ANYONES = ASKS_KNOWN | ASKS_UNKNOWN
} asks_whose;

// The questions of a task at one length, and which of their answers count.
typedef struct asks_group {
    const char *task, *haystack;
    int length;
    const char *sampling, *extra;
    int max_tokens;
    bool same_prompts; // whatever max_tokens is: then an answer that ended before a smaller one
                       // is as good
    asks_whose whose;
    int load;             // that was asked for; 0: none
    const char *known_as; // the label of those of unknown origin, beside the key's
} asks_group;

// One question. Texts read by asks_get and asks_each live until the next call.
typedef struct asks_row {
    int64_t id;
    const char *model, *api, *task, *haystack, *unit;
    uint64_t seed, prompt_hash;
    int length, sample, n_units;
    double depth; // NAN: none
    fv_answer answer;
    double score;
    const char *expected; // a JSON list
    const char *reply;    // NULL without one
    const char *distractor;
    double distractor_depth;
    const char *finish, *error_kind, *error;
    int http_status, attempts, prompt_tokens, completion_tokens; // tokens: -1 where not known
    double seconds;                                              // NAN where not known
    int in_flight; // requests at once when it was sent, with itself; -1 where not known
    int load;      // how many there should be, where loads are compared; else 0
    int cached_tokens, thought_tokens; // -1 where not known
    bool thought_estimated;
    double logprob;       // of the expected answer, the sum of `logprobs`; NAN where not told
    const char *logprobs; // of its tokens, a JSON list; NULL where not told
    asks_speed speed;
    asks_origin origin;
} asks_row;

// `writes` false opens what is there without a trace, or nothing at all where there is none.
fv_status asks_open(const char *folder, bool writes, asks **out, fv_error *error);
void asks_close(asks *a);

fv_status asks_begin(asks *a, fv_error *error);
fv_status asks_commit(asks *a, fv_error *error);

// Adds a question, or replaces the one of the same place.
fv_status asks_put(asks *a, const asks_row *row, fv_error *error);

// Calls `visit` with one row of every question that has one, in the order of depths and samples:
// the best of those that count.
typedef void (*asks_visit)(void *context, const asks_row *row);
fv_status asks_each(asks *a, const asks_key *key, const asks_group *group, asks_visit visit,
                    void *context, fv_error *error);

// Whether answers of this origin may join those of the label: there are none of a known origin yet,
// or some are of the same endpoint and model, and so is `returned` where both say it. *other [512]
// says of what they are if not.
fv_status asks_same_model(asks *a, const char *label, const asks_origin *origin, bool *same,
                          char *other, fv_error *error);

// The seed of the label's newest answer under that API; *found false where there is none.
fv_status asks_last_seed(asks *a, const char *label, const char *api, bool *found, uint64_t *seed,
                         fv_error *error);

// One question by its number; FV_NOT_FOUND.
fv_status asks_get(asks *a, int64_t id, asks_row *row, fv_error *error);

#endif
