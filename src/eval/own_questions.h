// What the questions of a model of the lab are known by.
#ifndef FOVEA_EVAL_OWN_QUESTIONS_H
#define FOVEA_EVAL_OWN_QUESTIONS_H

#include "eval/asks.h"

#include <fovea/own.h>

#define OWN_SAMPLING "{\"temperature\":0.0}" // the likeliest token is the answer

typedef struct own_questions {
    const char *task; // "needle"
    char rest[160];   // the fields of the task that shape its sequences: "vocab_size 32, n_pairs 4"
} own_questions;

fv_status own_questions_of(const fv_config *config, own_questions *questions, fv_error *error);

// Those of one length; the texts are the questions'.
asks_group own_questions_group(const own_questions *questions, int length);

#endif
