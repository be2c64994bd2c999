// Persimmon: GPT-NeoX with norms of queries and keys.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 16384}, {"hidden_size", 4096},
                                        {"vocab_size", 262144},       {"num_hidden_layers", 36},
                                        {"num_attention_heads", 64},  {"qk_layernorm", 1},
                                        {"tie_word_embeddings", 0},   {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "",
                                       .output_bias = "",
                                       .mlp_bias = "",
                                       .plain = true,
                                       .no_head_dim = true,
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 2};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    if (cost_config_flag(c, "qk_layernorm")) attention.vectors += 2 * cost_qk_norms(&attention);
    cost_read_blocks(c, model, &stack, &TRAITS, attention, window, 0);
}

const cost_family cost_family_persimmon = {
    .source = "PersimmonConfig",
    .defaults = DEFAULTS,
    .read = read,
};
