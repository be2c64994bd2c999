// Jais 2: LayerNorms, an MLP of two matrices.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 26624},
                                        {"hidden_size", 3328},
                                        {"vocab_size", 150272},
                                        {"num_hidden_layers", 32},
                                        {"num_attention_heads", 26},
                                        {"num_key_value_heads", COST_NONE},
                                        {"head_dim", COST_NONE},
                                        {"attention_bias", 1},
                                        {"mlp_bias", 1},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.mlp_bias = "mlp_bias",
                                       .plain = true,
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 2,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias"};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_jais2 = {
    .source = "Jais2Config",
    .defaults = DEFAULTS,
    .read = read,
};
