// Induction score, or prefix matching: the attention of a query to the positions behind earlier
// occurrences of its token, sum of A[t][j] over j <= t with x[j - 1] = x[t], over the queries whose
// token occurred before. The pattern is TransformerLens's induction_head; the idea is that of
// Olsson et al., "In-context learning and induction heads" (2022), who average it over random
// tokens that are repeated four times.
//
// It is measured on the task's own test sequences where each of them asks, at a position that the
// loss reads, for a token that occurred before: recall, mqar and induction by construction, copying
// from few tokens over long contexts by chance. The series is "induction.<head>". Elsewhere such
// queries are rare or none, and the sequences are random tokens repeated once, T/2 and T/2:
// "induction.repeated.<head>", unless the context is shorter than 4.
#include "probes/head_scores.h"
#include "probes/probes.h"

enum { SHORTEST_REPETITION = 4 };

static bool follows_same(const int32_t *tokens, int query, int key) {
    return key > 0 && tokens[key - 1] == tokens[query];
}

static bool occurred_before(const int32_t *tokens, int query) {
    for (int t = 0; t < query; t++)
        if (tokens[t] == tokens[query]) return true;
    return false;
}

static bool repeats(const fv_model *model, const fv_head_batch *b) {
    int n_queries;
    const int *queries = fv_model_loss_positions(model, &n_queries);
    for (int s = 0; s < b->n; s++) {
        bool found = false;
        for (int i = 0; i < n_queries && !found; i++)
            found = occurred_before(b->tokens + (size_t)s * (size_t)b->context, queries[i]);
        if (!found) return false;
    }
    return true;
}

fv_status fv_measure_induction(const fv_model *model, const float *params, int step,
                               fv_record *record, fv_error *error) {
    fv_head_batch b;
    const char *series = "induction";
    fv_status status = fv_head_batch_make(model, params, &b, error);
    if (status == FV_OK && !repeats(model, &b)) {
        fv_head_batch_free(&b);
        if (fv_model_config_of(model)->task.context_length < SHORTEST_REPETITION) return FV_OK;
        series = "induction.repeated";
        status = fv_head_batch_repeat(model, params, &b, error);
    }
    if (status == FV_OK)
        status = fv_head_scores_add(model, &b, series, follows_same, step, record, error);
    fv_head_batch_free(&b);
    return status;
}
