// Solar Open: Llama's attention without a bias of the output, DeepSeek-V3's experts in every layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"hidden_size", 4096},
                                        {"vocab_size", 196608},
                                        {"num_hidden_layers", 48},
                                        {"num_attention_heads", 64},
                                        {"num_key_value_heads", 8},
                                        {"head_dim", 128},
                                        {"attention_bias", 0},
                                        {"moe_intermediate_size", 1280},
                                        {"n_routed_experts", 128},
                                        {"num_experts_per_tok", 8},
                                        {"n_shared_experts", 1},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.attention_norms = 1, .qkv_bias = "attention_bias"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_solar_open = {
    .source = "SolarOpenConfig",
    .defaults = DEFAULTS,
    .read = read,
};
