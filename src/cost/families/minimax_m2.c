// MiniMax-M2: Mixtral with norms over all heads, and biases that choose experts.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"num_local_experts", 256},
                                        {"num_experts_per_tok", 8},
                                        {"intermediate_size", 1536},
                                        {"hidden_size", 3072},
                                        {"vocab_size", 200064},
                                        {"num_hidden_layers", 62},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", 128},
                                        {"num_attention_heads", 48},
                                        {"num_key_value_heads", 8},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.whole_qk_norm = true, .attention_norms = 1};
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width;
    mixture.routing_bias = mixture.experts;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_minimax_m2 = {
    .name = "minimax_m2",
    .source = "MiniMaxM2Config",
    .defaults = DEFAULTS,
    .read = read,
};
