// nanochat: norms without weights, an MLP of two matrices.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 8192}, {"hidden_size", 768},       {"vocab_size", 50304},
    {"num_hidden_layers", 12},   {"num_attention_heads", 6}, {"num_key_value_heads", 6},
    {"attention_bias", 0},       {"tie_word_embeddings", 0}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .plain = true, .qkv_bias = "attention_bias", .output_bias = "attention_bias"};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_nanochat = {
    .source = "NanoChatConfig",
    .defaults = DEFAULTS,
    .read = read,
};
