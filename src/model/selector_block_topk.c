// Mixture of block attention (MoBA, arXiv 2502.13189): blocks ranked by the score of the query and the mean of
// their keys. A query's own block is kept, and the best of the earlier ones.
#include "model/selectors.h"

#include <string.h>

// The means of the keys of each block that has any.
static void average(const selection *s) {
    const kernel_attend *a = s->attend;
    const size_t size = (size_t)a->d_key * FV_LANES;
    const real *keys = a->k.data + s->group * a->k.group_stride;
    memset(s->means, 0, (size_t)s->n_units * size * sizeof *s->means);
    for (int j = 0, first = 0; j < a->n_rows_keys; j++) {
        int unit = s->key_at[j] / s->block;
        real *mean = s->means + (size_t)unit * size;
        for (size_t f = 0; f < size; f++) mean[f] += keys[j * a->k.row_stride + (ptrdiff_t)f];
        bool last = j + 1 == a->n_rows_keys || s->key_at[j + 1] / s->block != unit;
        for (size_t f = 0; f < size && last; f++) mean[f] /= (real)(j + 1 - first);
        if (last) first = j + 1;
    }
}

static void rank(const selection *s) {
    kernel_attend a = *s->attend;
    average(s);
    a.n_groups = 1;
    a.q.data += s->group * a.q.group_stride;
    a.k = a.v = (kernel_attend_rows){s->means, (ptrdiff_t)a.d_key * FV_LANES, 0};
    a.p = (kernel_attend_rows){s->ranks, (ptrdiff_t)s->n_units * FV_LANES, 0};
    a.n_rows_keys = s->n_units;
    a.n_keys = s->n_units_of;
    a.first_key = NULL;
    a.n_sinks = 0;
    s->tile->kernels->attend(&a);
}

const selector_type selector_block_topk = {
    .part = {.help = "the blocks whose mean key has the largest score (MoBA)",
             .example = "model: {selector: block_topk, selector_block: 2, selector_k: 2}",
             .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block)}},
    .reads_means = true,
    .rank = rank,
};
