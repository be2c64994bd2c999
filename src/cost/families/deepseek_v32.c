// DeepSeek-V3.2: V3 whose indexer picks the tokens that are read.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"index_n_heads", 64},
                                        {"index_head_dim", 128},
                                        {"index_topk", 2048},
                                        {"mlp_layer_types", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_indexed(c, model, NULL);
}

const cost_family cost_family_deepseek_v32 = {
    .source = "DeepseekV32Config",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_deepseek_v3,
};
