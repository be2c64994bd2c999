// Mixture of block attention (MoBA, arXiv 2502.13189): blocks ranked by the score of the query and the mean of
// their keys. A query's own block is kept, and the best of the earlier ones.
#include "model/selectors.h"

const selector_type selector_block_topk = {
    .part = {.help = "the blocks whose mean key has the largest score (MoBA)",
             .example = "model: {selector: block_topk, selector_block: 2, selector_k: 2}",
             .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block)}},
    .ranks_means = true,
};
