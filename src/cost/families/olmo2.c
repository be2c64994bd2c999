// OLMo 2: norms over all heads of queries and keys.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"attention_bias", 0},       {"intermediate_size", 11008},       {"hidden_size", 4096},
    {"vocab_size", 50304},       {"num_hidden_layers", 32},          {"tie_word_embeddings", 0},
    {"num_attention_heads", 32}, {"num_key_value_heads", COST_NONE}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .whole_qk_norm = true,
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_olmo2 = {
    .source = "Olmo2Config",
    .defaults = DEFAULTS,
    .read = read,
};
