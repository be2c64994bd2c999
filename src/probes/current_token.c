// Current-token score: the attention of a query to its own position, A[t][t]. The mean of the main
// diagonal, as TransformerLens's demos compute it.
#include "probes/head_scores.h"
#include "probes/probes.h"

static int keys_of(const int32_t *tokens, int query, int *keys) {
    (void)tokens;
    keys[0] = query;
    return 1;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    return head_scores_add(view->read, "current_token", keys_of, view->step, record, error);
}

const fv_probe probe_current_token = {
    .name = "current_token",
    .help = "attention of each head to the query's own position",
    .reads = &reading_patterns,
    .measure = measure,
};
