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
    fv_head_batch b;
    fv_status status = fv_head_batch_make(model, params, &b, error);
    if (status == FV_OK)
        status =
            fv_head_scores_add(model, &b, "duplicate_token", is_duplicate, step, record, error);
    fv_head_batch_free(&b);
    return status;
}
