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

#include "probes/probe_reading.h"

#include <fovea/record.h>

// The keys at or before the query, both positions in tokens [T], that are of the kind: writes them
// to keys [T] in increasing order and returns how many there are.
typedef int (*head_keys)(const int32_t *tokens, int query, int *keys);

// What the readings `patterns` and `prefix` make: attention patterns of sequences. The first reads
// up to 256 test sequences, fewer where their patterns are large; the second the same number of
// sequences in which tokens repeat, the test sequences where each of them does.
typedef struct head_batch {
    int n, context;       // sequences, T
    int n_layers, n_head; // attention layers
    probe_sequences sequences;
    const int32_t *tokens;  // [n][T]
    const float **patterns; // [n_layers] of [n][n_head][T][T]
    bool *asked;            // [n_layers][T]: the model reads this query of this layer
    int *keys;              // [T], room for a rule
    double *sums;           // [n_layers][n_head], room for scores
    long *counts;           // the same
} head_batch;

// Attention of head h of a layer: row [T] of a query of sequence s.
static inline const float *head_row(const head_batch *b, int layer, int h, int s, int query) {
    size_t T = (size_t)b->context, map = (size_t)s * (size_t)b->n_head + (size_t)h;
    return b->patterns[layer] + (map * T + (size_t)query) * T;
}

// Sums and counts of every head, sequence by sequence, query by query, key by key. Inlined into
// each score's file, so that its rule costs no call for every query: there are tens of thousands.
static inline void head_sum(const head_batch *b, head_keys matching) {
    for (int map = 0; map < b->n_layers * b->n_head; map++) {
        int layer = map / b->n_head;
        const bool *asked = b->asked + (size_t)layer * (size_t)b->context;
        double sum = 0;
        long count = 0;
        for (int s = 0; s < b->n; s++) {
            const int32_t *tokens = b->tokens + (size_t)s * (size_t)b->context;
            const float *rows = head_row(b, layer, map % b->n_head, s, 0);
            for (int query = 0; query < b->context; query++, rows += b->context) {
                if (!asked[query]) continue;
                int n = matching(tokens, query, b->keys);
                count += n > 0;
                for (int k = 0; k < n; k++) sum += rows[b->keys[k]];
            }
        }
        b->sums[map] = sum;
        b->counts[map] = count;
    }
}

fv_status head_scores_put(const head_batch *b, const char *probe, int step, fv_record *record,
                          fv_error *error);

// Adds a point "<probe>.<layer>" for every attention layer, "<probe>.<layer>.h<head>" where there
// are several heads: a whole probe. No point for a layer none of whose queries has a matching key.
static inline fv_status head_scores_add(const head_batch *b, const char *probe, head_keys matching,
                                        int step, fv_record *record, fv_error *error) {
    head_sum(b, matching);
    return head_scores_put(b, probe, step, record, error);
}

// "0" or "0.h1", by which series name a head.
void head_name(char *name, size_t size, int n_head, int layer, int head);

#endif
