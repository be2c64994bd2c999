// Apertus: an MLP of two matrices, and an activation with two parameters of its own; norms of
// queries and keys.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 14336}, {"hidden_size", 4096},       {"vocab_size", 131072},
    {"num_hidden_layers", 32},    {"num_attention_heads", 32}, {"num_key_value_heads", COST_NONE},
    {"attention_bias", 0},        {"tie_word_embeddings", 0},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qk_norm = true,
                                       .plain = true,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_read_blocks(c, model, &stack, &TRAITS, attention, window, 2);
}

const cost_family cost_family_apertus = {
    .source = "ApertusConfig",
    .defaults = DEFAULTS,
    .read = read,
};
