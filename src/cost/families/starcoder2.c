// StarCoder2: biases and LayerNorms everywhere, an MLP of two matrices.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"use_bias", 1},
                                        {"intermediate_size", 12288},
                                        {"hidden_size", 3072},
                                        {"vocab_size", 49152},
                                        {"num_hidden_layers", 30},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 24},
                                        {"num_key_value_heads", 2},
                                        {"sliding_window", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "use_bias",
                                       .output_bias = "use_bias",
                                       .mlp_bias = "use_bias",
                                       .plain = true,
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 2,
                                       .sliding = SLIDES_ALWAYS};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_starcoder2 = {
    .source = "Starcoder2Config",
    .defaults = DEFAULTS,
    .read = read,
};
