// Blocks ranked by the largest score of one of their keys.
#include "model/selectors.h"

#include <string.h>

static void rank(const selection *s) {
    memset(s->ranks, 0, (size_t)s->n_queries * (size_t)s->n_units * FV_LANES * sizeof *s->ranks);
    for (int i = 0; i < s->n_queries; i++)
        for (int j = 0; j < s->n_keys; j++) {
            const real *p = s->weights + ((ptrdiff_t)i * s->n_keys + j) * FV_LANES;
            real *rank =
                s->ranks + ((ptrdiff_t)i * s->n_units + s->key_at[j] / s->block) * FV_LANES;
            for (int l = 0; l < FV_LANES; l++)
                if (p[l] > rank[l]) rank[l] = p[l];
        }
}

const selector_type selector_block_max = {
    .part = {.help = "the blocks that hold the keys of the largest scores",
             .example = "model: {selector: block_max, selector_block: 2, selector_k: 2}",
             .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block)}},
    .reads_weights = true,
    .rank = rank,
};
