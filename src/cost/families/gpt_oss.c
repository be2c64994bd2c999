// gpt-oss: experts with biases, every other layer slides, and a learned sink a head.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 1},      {"num_local_experts", 128},
                                        {"num_experts_per_tok", 4}, {"intermediate_size", 2880},
                                        {"hidden_size", 2880},      {"vocab_size", 201088},
                                        {"num_hidden_layers", 36},  {"tie_word_embeddings", 0},
                                        {"head_dim", 64},           {"num_attention_heads", 64},
                                        {"num_key_value_heads", 8}, {"layer_types", COST_NONE},
                                        {"sliding_window", 128},    {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .sinks = true,
                                       .attention_norms = 1,
                                       .sliding = SLIDES_BUT,
                                       .pattern = 2};
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts",
                                           "num_experts_per_tok|experts_per_token",
                                           "intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width + mixture.experts;
    mixture.expert_vectors = 2 * mixture.expert_hidden + stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_gpt_oss = {
    .source = "GptOssConfig",
    .defaults = DEFAULTS,
    .read = read,
};
