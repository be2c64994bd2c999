// First-token score: the attention of a query to the first position, A[t][0], over the queries from the
// second position on. What no query is about goes there, where a head has nothing to find: an attention
// sink (2309.17453).
#include "probes/head_scores.h"
#include "probes/probes.h"

static int keys_of(const int32_t *tokens, int query, int *keys) {
    (void)tokens;
    keys[0] = 0;
    return query > 0;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    return head_scores_add(view->read, "first_token", keys_of, view->step, record, error);
}

const fv_probe probe_first_token = {
    .name = "first_token",
    .help = "attention of each head to the first position: an attention sink",
    .reads = &reading_patterns,
    .measure = measure,
};
