// Granite 3 with experts: Mixtral with biases where asked for.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 11008},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 32000},
                                        {"num_hidden_layers", 32},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {"attention_bias", 0},
                                        {"num_local_experts", 8},
                                        {"num_experts_per_tok", 2},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_traits TRAITS = {
        .attention = {.attention_norms = 1,
                      .qkv_bias = "attention_bias",
                      .output_bias = "attention_bias"},
        .keys = {"num_local_experts|num_experts", "num_experts_per_tok", "intermediate_size"}};
    cost_read_mixtures(c, model, &TRAITS);
}

const cost_family cost_family_granitemoe = {
    .source = "GraniteMoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
