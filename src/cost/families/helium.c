// Helium: Llama without a bias of the output.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 7040},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 48000},
                                        {"num_hidden_layers", 24},
                                        {"num_attention_heads", 20},
                                        {"num_key_value_heads", 20},
                                        {"head_dim", 128},
                                        {"attention_bias", 0},
                                        {"mlp_bias", 0},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .mlp_bias = "mlp_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_helium = {
    .source = "HeliumConfig",
    .defaults = DEFAULTS,
    .read = read,
};
