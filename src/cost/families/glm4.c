// GLM-4: Llama with a norm behind each part too, and no bias of the output.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 1},      {"intermediate_size", 13696},
                                        {"hidden_size", 4096},      {"vocab_size", 151552},
                                        {"num_hidden_layers", 40},  {"tie_word_embeddings", 0},
                                        {"head_dim", 128},          {"num_attention_heads", 32},
                                        {"num_key_value_heads", 2}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "attention_bias", .attention_norms = 2, .mlp_norms = 2, .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_glm4 = {
    .source = "Glm4Config",
    .defaults = DEFAULTS,
    .read = read,
};
