// TinyLM: a transformer with biases on queries, keys and values, and an MLP of two matrices.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 1024},
                                        {"hidden_size", 256},
                                        {"vocab_size", 1000},
                                        {"num_hidden_layers", 4},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 4},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "", .plain = true, .attention_norms = 1, .mlp_norms = 1, .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_tiny_lm = {
    .source = "TinyLmConfig",
    .defaults = DEFAULTS,
    .read = read,
};
