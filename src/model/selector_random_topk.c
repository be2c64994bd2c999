// The control that every selector must beat (arXiv 2603.02227): as many blocks, at random. Drawn once for each
// layer, head and position, so that queries and keys can adapt to it; or anew for every sequence of every
// step (model.selector_redraw).
#include "base/random.h"
#include "model/selectors.h"

#include <fovea/config.h>

void selector_noise(uint64_t seed, int layer, int head, uint32_t step, uint32_t sample, int query,
                    int n_units, real *ranks, ptrdiff_t stride) {
    enum { TAG = 0x5e1ec7 }; // no stream of random.h has it
    const uint32_t key[2] = {(uint32_t)seed ^ TAG, (uint32_t)(layer << 16 | head)};
    uint32_t words[4];
    for (int u = 0; u < n_units; u++) {
        const uint32_t counter[4] = {(uint32_t)u / 4, (uint32_t)query, step, sample};
        if (u % 4 == 0) random_philox(counter, key, words);
        ranks[u * stride] = ((real)(words[u % 4] >> 8) + (real)0.5) * (real)0x1p-24;
    }
}

static void rank(const selection *s) {
    const bool redraw = s->config->model.selector_redraw, alike = !redraw && !s->queries_in_lanes;
    const ptrdiff_t row = (ptrdiff_t)s->n_units * FV_LANES;
    for (int i = 0; i < s->n_queries; i++)
        for (int l = 0; l < FV_LANES; l++) {
            real *ranks = s->ranks + i * row;
            uint32_t sample = s->sample + (s->queries_in_lanes ? 0 : (uint32_t)l) + 1;
            if (!alike || l == 0)
                selector_noise((uint64_t)s->config->train.seed, s->layer, s->head,
                               redraw ? s->step : 0, redraw ? sample : 0,
                               selection_query_at(s, i, l), s->n_units, ranks + l, FV_LANES);
            for (int u = 0; u < s->n_units && alike; u++)
                ranks[u * FV_LANES + l] = ranks[u * FV_LANES];
        }
}

const selector_type selector_random_topk = {
    .part = {.help = "blocks at random: the control of every other selector",
             .example = "model: {selector: random_topk, selector_k: 2}",
             .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block),
                       FV_READS(model.selector_redraw)}},
    .rank = rank,
};
