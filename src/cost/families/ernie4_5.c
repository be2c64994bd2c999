// ERNIE 4.5, dense: Llama whose biases have one flag.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 3072}, {"hidden_size", 1024},
                                        {"vocab_size", 103424},      {"num_hidden_layers", 18},
                                        {"num_attention_heads", 16}, {"num_key_value_heads", 2},
                                        {"head_dim", 128},           {"use_bias", 0},
                                        {"tie_word_embeddings", 1},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "use_bias",
                                       .output_bias = "use_bias",
                                       .mlp_bias = "use_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_ernie4_5 = {
    .source = "Ernie4_5Config",
    .defaults = DEFAULTS,
    .read = read,
};
