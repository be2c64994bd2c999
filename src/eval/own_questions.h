// What the questions of a model of the lab are known by.
#ifndef FOVEA_EVAL_OWN_QUESTIONS_H
#define FOVEA_EVAL_OWN_QUESTIONS_H

#include "eval/asks.h"

#include <fovea/own.h>

#define OWN_SAMPLING "{\"temperature\":0.0}" // the likeliest token is the answer

typedef struct own_questions {
    const char *task; // "needle"
    char rest[160]; // the fields of the task that shape its sequences: "vocab_size 32, n_pairs 4",
                    // behind "set HASH, " where they come from a frozen set
} own_questions;

// `set`: the hash of a frozen set, or NULL.
fv_status own_questions_of(const fv_config *config, const char *set, own_questions *questions,
                           fv_error *error);

// Calls `visit` with the key and value of every field of the task that shapes its sequences and that
// no cell says itself: those that are not as usual, and task.vocab_size.
typedef fv_status (*own_visit)(void *context, const char *key, const char *value, fv_error *error);
fv_status own_questions_fields(const fv_config *config, own_visit visit, void *context,
                               fv_error *error);

int own_questions_vocabulary(const fv_config *config); // tokens

// The other way round: such fields of the task as usual.
fv_status own_questions_reset(fv_config *config, fv_error *error);

// Those of one length; the texts are the questions'.
asks_group own_questions_group(const own_questions *questions, int length);

#endif
