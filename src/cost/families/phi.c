// Phi-1, 1.5 and 2: one LayerNorm for both parts of a block, biases everywhere.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 8192}, {"hidden_size", 2048},       {"vocab_size", 51200},
    {"num_hidden_layers", 24},   {"num_attention_heads", 32}, {"num_key_value_heads", COST_NONE},
    {"qk_layernorm", 0},         {"tie_word_embeddings", 0},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "",
                                       .output_bias = "",
                                       .mlp_bias = "",
                                       .plain = true,
                                       .no_head_dim = true,
                                       .head_bias = true,
                                       .attention_norms = 2,
                                       .end_norms = 2};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    if (cost_config_flag(c, "qk_layernorm")) attention.vectors += 2 * cost_qk_norms(&attention);
    cost_read_blocks(c, model, &stack, &TRAITS, attention, window, 0);
}

const cost_family cost_family_phi = {
    .source = "PhiConfig",
    .defaults = DEFAULTS,
    .read = read,
};
