// Previous-token score: the attention of a query to the position in front of it, A[t][t - 1], over
// the queries from the second position on. The mean of the first lower diagonal, as
// TransformerLens's demos compute it and its previous_token_head pattern marks it.
#include "probes/head_scores.h"
#include "probes/probes.h"

static bool is_previous(const int32_t *tokens, int query, int key) {
    (void)tokens;
    return key == query - 1;
}

fv_status fv_measure_previous_token(const fv_model *model, const float *params, int step,
                                    fv_record *record, fv_error *error) {
    return fv_head_score(model, params, "previous_token", is_previous, step, record, error);
}
