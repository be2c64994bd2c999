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
    static const cost_mixture_traits TRAITS = {
        .attention = {.whole_qk_norm = true, .attention_norms = 1},
        .keys = {"num_local_experts|num_experts", "num_experts_per_tok", "intermediate_size"},
        .routing_bias = true};
    cost_read_mixtures(c, model, &TRAITS);
}

const cost_family cost_family_minimax_m2 = {
    .source = "MiniMaxM2Config",
    .defaults = DEFAULTS,
    .read = read,
};
