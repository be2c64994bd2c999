// Duplicate-token score: the attention of a query to earlier positions that hold the same token,
// sum of A[t][j] over j < t with x[j] = x[t], over the queries whose token occurred before. The
// pattern is TransformerLens's duplicate_token_head, which leaves out the query itself, too.
#include "probes/head_scores.h"
#include "probes/probes.h"

static bool is_duplicate(const int32_t *tokens, int query, int key) {
    return key < query && tokens[key] == tokens[query];
}

fv_status fv_measure_duplicate_token(const fv_model *model, const float *params, int step,
                                     fv_record *record, fv_error *error) {
    return fv_head_score(model, params, "duplicate_token", is_duplicate, step, record, error);
}
