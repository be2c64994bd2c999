// Previous-token score: the attention of a query to the position in front of it, A[t][t - 1], over
// the queries from the second position on. The mean of the first lower diagonal, as
// TransformerLens's demos compute it and its previous_token_head pattern marks it.
#include "probes/head_scores.h"
#include "probes/probes.h"

static int keys_of(const int32_t *tokens, int query, int *keys) {
    (void)tokens;
    keys[0] = query - 1;
    return query > 0;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    return head_scores_add(view->read, "previous_token", keys_of, view->step, record, error);
}

const fv_probe probe_previous_token = {
    .name = "previous_token",
    .help = "attention of each head to the position in front of the query",
    .reads = &reading_patterns,
    .measure = measure,
};
