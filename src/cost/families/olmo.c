// OLMo: Llama whose norms have no weights.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 11008}, {"hidden_size", 4096},       {"vocab_size", 50304},
    {"num_hidden_layers", 32},    {"num_attention_heads", 32}, {"num_key_value_heads", COST_NONE},
    {"attention_bias", 0},        {"tie_word_embeddings", 0},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias"};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_olmo = {
    .source = "OlmoConfig",
    .defaults = DEFAULTS,
    .read = read,
};
