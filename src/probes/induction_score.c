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

static int keys_of(const int32_t *tokens, int query, int *keys) {
    int n = 0;
    for (int key = 1; key <= query; key++) {
        keys[n] = key;
        n += tokens[key - 1] == tokens[query];
    }
    return n;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const head_batch *b = view->read;
    bool repeated = b->sequences == FV_SEQUENCES_REPEATED;
    return head_scores_add(b, repeated ? "induction.repeated" : "induction", keys_of, view->step,
                           record, error);
}

const fv_probe probe_induction = {
    .name = "induction",
    .help = "attention of each head to what followed earlier occurrences of the query's token "
            "(prefix matching); on repeated random tokens where the task's sequences repeat none",
    .reads = &reading_prefix,
    .measure = measure,
};
