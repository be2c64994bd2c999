// Current-token score: the attention of a query to its own position, A[t][t]. The mean of the main
// diagonal, as TransformerLens's demos compute it.
#include "probes/head_scores.h"
#include "probes/probes.h"

static bool is_current(const int32_t *tokens, int query, int key) {
    (void)tokens;
    return key == query;
}

fv_status fv_measure_current_token(const fv_model *model, const float *params, int step,
                                   fv_record *record, fv_error *error) {
    return fv_head_score(model, params, "current_token", is_current, step, record, error);
}
