// The units nearest to the middle of what a query has behind it.
#include "model/selectors.h"

static void rank(const selection *s) {
    for (int i = 0; i < s->n_queries; i++)
        for (int u = 0; u < s->n_units; u++)
            for (int l = 0; l < FV_LANES; l++) {
                int off = 2 * u - selection_query_at(s, i, l) / s->block;
                real *to = s->ranks + ((ptrdiff_t)i * s->n_units + u) * FV_LANES + l;
                *to = 1 / (real)(1 + (off < 0 ? -off : off));
            }
}

const selector_type selector_middle = {
    .part =
        {
            .help = "units nearest to the middle of what a query has behind it",
            .example = "model: {selector: middle, selector_k: 2}",
            .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block)},
        },
    .rank = rank,
};
