// Duplicate-token score: the attention of a query to earlier positions that hold the same token,
// sum of A[t][j] over j < t with x[j] = x[t], over the queries whose token occurred before. The
// pattern is TransformerLens's duplicate_token_head, which leaves out the query itself, too.
#include "probes/head_scores.h"
#include "probes/probes.h"

static int keys_of(const int32_t *tokens, int query, int *keys) {
    int n = 0;
    for (int key = 0; key < query; key++) {
        keys[n] = key;
        n += tokens[key] == tokens[query];
    }
    return n;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    return head_scores_add(view->read, "duplicate_token", keys_of, view->step, record, error);
}

const fv_probe probe_duplicate_token = {
    .name = "duplicate_token",
    .help = "attention of each head to earlier occurrences of the query's token",
    .needs = "task: {vocab_size: 4}",
    .reads = &reading_patterns,
    .measure = measure,
};
