// Nemotron: Llama with LayerNorms and an MLP of two matrices.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"mlp_bias", 0},
                                        {"intermediate_size", 24576},
                                        {"hidden_size", 6144},
                                        {"vocab_size", 256000},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", COST_NONE},
                                        {"num_attention_heads", 48},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .mlp_bias = "mlp_bias",
                                       .plain = true,
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 2};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_nemotron = {
    .source = "NemotronConfig",
    .defaults = DEFAULTS,
    .read = read,
};
