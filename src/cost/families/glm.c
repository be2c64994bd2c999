// GLM-4 as it was first: Llama without a bias of the output.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 13696},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 151552},
                                        {"num_hidden_layers", 40},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 2},
                                        {"head_dim", 128},
                                        {"attention_bias", 1},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "attention_bias", .attention_norms = 1, .mlp_norms = 1, .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_glm = {
    .source = "GlmConfig",
    .defaults = DEFAULTS,
    .read = read,
};
