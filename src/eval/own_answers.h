// Answers of models of the lab in the table `asks` of eval.db, beside those of served models: what a
// prompt is known by is its task, seed, length, depth and number, and the fingerprint of its tokens;
// what a model is known by are its parameters.
#ifndef FOVEA_EVAL_OWN_ANSWERS_H
#define FOVEA_EVAL_OWN_ANSWERS_H

#include "eval/asks.h"
#include "probes/retrieval.h"

#include <fovea/own.h>

#define OWN_API "lab" // in the place of "chat" and "completions"

// The seed of a cell's sequences. They are the same in whatever grid the cell stands.
uint64_t own_cell_seed(uint64_t seed, int length, double depth);

// The fingerprint of a sequence.
uint64_t own_tokens_hash(const int32_t *tokens, int n);

// One answer; its texts stand one behind the other.
typedef struct own_answer {
    uint64_t hash;
    int sample;
    fv_answer answer;
    double score, logprob;
    char *texts;
    size_t said, logprobs; // in `texts`, behind what was expected
} own_answer;

typedef struct own_answers { // of a cell; starts as {0}
    own_answer *items;
    int n, capacity;
    int n_tokens; // of an answer
    bool failed;  // out of memory
} own_answers;

void own_answers_add(own_answers *answers, const retrieval_answer *answer);
void own_answers_free(own_answers *answers);

// Where they go. FV_USAGE where the label's answers are of another model, FV_STORE while another
// process writes there.
typedef struct own_store own_store;
fv_status own_store_open(const fv_config *config, const float *params, const char *label,
                         const fv_own_plan *plan, own_store **out, fv_error *error);
void own_store_close(own_store *store);

fv_status own_store_begin(own_store *store, fv_error *error);
fv_status own_store_put(own_store *store, const char *label, int length, double depth,
                        const own_answers *answers, fv_error *error);
fv_status own_store_commit(own_store *store, fv_error *error);

#endif
