// Linear attention (Katharopoulos et al., 2020, arXiv 2006.16236): softmax's exp(q k) becomes a product
// of positive features, so that the sum over keys is a state: S += k v', z += k, y = S' q / (z q).
#include "model/recurrence.h"

static void describe(const fv_config *config, recurrence *is) {
    const int map = config->model.feature_map;
    recurrence_heads(config, 0, is);
    is->name = "linear_attention";
    is->positive = map != FV_FEATURE_MAP_NONE;
    is->counts = map == FV_FEATURE_MAP_ELU_PLUS_ONE;
    is->scaled = !is->counts;
}

FV_RECURRENCE_LAYER(
    linear_attention,
    .help =
        "attention by a sum of keys and values instead of a softmax: a state of a matrix a head",
    .example = "model: {layers: [linear_attention, mlp], n_embd: 16, n_head: 2, residual: true}",
    .reads = {FV_RECURRENCE_READS, FV_READS(model.feature_map)});
