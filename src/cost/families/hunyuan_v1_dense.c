// Hunyuan, dense: Llama with norms of queries and keys.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 11008}, {"hidden_size", 4096},
    {"vocab_size", 290943},       {"num_hidden_layers", 32},
    {"num_attention_heads", 32},  {"num_key_value_heads", COST_NONE},
    {"head_dim", COST_NONE},      {"attention_bias", 0},
    {"tie_word_embeddings", 0},   {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qk_norm = true,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_hunyuan_v1_dense = {
    .source = "HunYuanDenseV1Config",
    .defaults = DEFAULTS,
    .read = read,
};
