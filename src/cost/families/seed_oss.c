// Seed-OSS: Llama with a bias of its own for the output.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"attention_bias", 1},        {"attention_out_bias", 0},  {"mlp_bias", 0},
    {"intermediate_size", 27648}, {"hidden_size", 4096},      {"vocab_size", 155136},
    {"num_hidden_layers", 64},    {"tie_word_embeddings", 0}, {"head_dim", 128},
    {"num_attention_heads", 80},  {"num_key_value_heads", 8}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_out_bias",
                                       .mlp_bias = "mlp_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_seed_oss = {
    .source = "SeedOssConfig",
    .defaults = DEFAULTS,
    .read = read,
};
