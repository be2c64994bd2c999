// BitNet: Llama with a norm before each output.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 6912}, {"hidden_size", 2560},       {"vocab_size", 128256},
    {"num_hidden_layers", 30},   {"num_attention_heads", 20}, {"num_key_value_heads", 5},
    {"attention_bias", 0},       {"tie_word_embeddings", 0},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.attention_norms = 2,
                                       .mlp_norms = 1,
                                       .end_norms = 1,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    uint64_t hidden = cost_config_need(c, "intermediate_size");
    cost_read_blocks(c, model, &stack, &TRAITS, attention, window, hidden);
}

const cost_family cost_family_bitnet = {
    .source = "BitNetConfig",
    .defaults = DEFAULTS,
    .read = read,
};
