// Command R: one norm for both parts of a block; norms over all heads where asked for.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 22528}, {"hidden_size", 8192},
    {"vocab_size", 256000},       {"num_hidden_layers", 40},
    {"num_attention_heads", 64},  {"num_key_value_heads", COST_NONE},
    {"attention_bias", 0},        {"use_qk_norm", 0},
    {"tie_word_embeddings", 1},   {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.attention_norms = 1,
                                       .end_norms = 1,
                                       .no_head_dim = true,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    if (cost_config_flag(c, "use_qk_norm"))
        attention.vectors += (attention.heads + attention.kv_heads) * attention.head_dim;
    cost_read_blocks(c, model, &stack, &TRAITS, attention, window, 0);
}

const cost_family cost_family_cohere = {
    .source = "CohereConfig",
    .defaults = DEFAULTS,
    .read = read,
};
