// Hunyuan: Mixtral with norms of queries and keys, and one shared MLP.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"num_experts", 1},
                                        {"moe_topk", 1},
                                        {"intermediate_size", 11008},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 290943},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", COST_NONE},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_traits TRAITS = {.attention = {.qkv_bias = "attention_bias",
                                                             .output_bias = "attention_bias",
                                                             .qk_norm = true,
                                                             .attention_norms = 1},
                                               .keys = {"num_experts|num_local_experts",
                                                        "moe_topk|num_experts_per_tok",
                                                        "intermediate_size"},
                                               .shared_like_one = true};
    cost_read_mixtures(c, model, &TRAITS);
}

const cost_family cost_family_hunyuan_v1_moe = {
    .source = "HunYuanMoEV1Config",
    .defaults = DEFAULTS,
    .read = read,
};
