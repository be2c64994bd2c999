// The keys of the largest scores, one by one: softmax among them (Explicit Sparse Transformer, arXiv
// 1912.11637). Ranked by dense weights, which rise with the score.
#include "model/selectors.h"

#include <string.h>

static void rank(const selection *s) {
    for (int i = 0; i < s->n_queries; i++)
        for (int j = 0; j < s->n_keys; j++)
            memcpy(s->ranks + ((ptrdiff_t)i * s->n_units + s->key_at[j]) * FV_LANES,
                   s->weights + ((ptrdiff_t)i * s->n_keys + j) * FV_LANES,
                   FV_LANES * sizeof *s->ranks);
}

const selector_type selector_topk = {
    .part = {.help = "the selector_k keys of the largest scores",
             .example = "model: {selector: topk, selector_k: 2}",
             .reads = {FV_READS(model.selector_k)}},
    .single = true,
    .reads_weights = true,
    .rank = rank,
};
