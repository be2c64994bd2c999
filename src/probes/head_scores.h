// Scores of attention heads: how much of its attention a head gives to keys of one kind. Each score
// is its own file with the rule that tells its keys; this is what they share.
//
//   score of a head = mean over queries of sum over their matching keys of the attention to them
//
// over the test sequences and those queries that have a matching key, among those that the model
// reads of this layer (the last layer of a model with a loss at the last position is asked one
// query, and whatever it would do at others has never been trained). 1 is a head that does nothing
// else, 0 one that never does; uniform attention over t + 1 keys gives each match 1 / (t + 1).
//
// TransformerLens's demos measure the first of these as the mean of a diagonal of the pattern,
// which is the same number where all queries are read. Its detect_head(error_measure="mul") divides
// by the attention of all queries instead, also of those without a match, so that no head reaches 1
// there.
#ifndef FOVEA_PROBES_HEAD_SCORES_H
#define FOVEA_PROBES_HEAD_SCORES_H

#include <fovea/model.h>
#include <fovea/record.h>

// Whether a key at or before the query is of the kind; both are positions in tokens [T].
typedef bool (*fv_head_rule)(const int32_t *tokens, int query, int key);

// Attention patterns of sequences of the model's task.
typedef struct fv_head_batch {
    int n, context;       // sequences, T
    int n_layers, n_head; // attention layers
    int32_t *tokens;      // [n][T]
    int32_t *targets;     // [n][loss positions]
    float *patterns;      // [n][n_layers][n_head][T][T]
} fv_head_batch;

// Test sequences of the model's seed, up to 256, fewer where their patterns are large.
fv_status fv_head_batch_make(const fv_model *model, const float *params, fv_head_batch *b,
                             fv_error *error);

// The same number of sequences of uniformly random tokens that repeat: token t is token t - T/2.
// Every run of one shape and seed gets the same ones.
fv_status fv_head_batch_repeat(const fv_model *model, const float *params, fv_head_batch *b,
                               fv_error *error);
void fv_head_batch_free(fv_head_batch *b); // what it owns; also of a zeroed one, or a failed one

// Adds a point "<probe>.<layer>" for every attention layer, "<probe>.<layer>.h<head>" where there
// are several heads. No point for a layer none of whose queries has a matching key.
fv_status fv_head_scores_add(const fv_model *model, const fv_head_batch *b, const char *probe,
                             fv_head_rule rule, int step, fv_record *record, fv_error *error);

// The same of the model's test sequences, from the parameters on: a whole probe.
fv_status fv_head_score(const fv_model *model, const float *params, const char *probe,
                        fv_head_rule rule, int step, fv_record *record, fv_error *error);

// "0" or "0.h1", by which series name a head.
void fv_head_name(char *name, size_t size, int n_head, int layer, int head);

#endif
