// OLMoE: Mixtral with norms over all heads.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 2048},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 50304},
                                        {"num_hidden_layers", 16},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", COST_NONE},
                                        {"attention_bias", 0},
                                        {"num_experts", 64},
                                        {"num_experts_per_tok", 8},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_traits TRAITS = {
        .attention = {.whole_qk_norm = true,
                      .attention_norms = 1,
                      .qkv_bias = "attention_bias",
                      .output_bias = "attention_bias"},
        .keys = {"num_experts|num_local_experts", "num_experts_per_tok", "intermediate_size"}};
    cost_read_mixtures(c, model, &TRAITS);
}

const cost_family cost_family_olmoe = {
    .source = "OlmoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
