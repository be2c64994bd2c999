// Qwen3: norms of queries and keys instead of biases.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},       {"intermediate_size", 22016},
                                        {"hidden_size", 4096},       {"vocab_size", 151936},
                                        {"num_hidden_layers", 32},   {"tie_word_embeddings", 0},
                                        {"head_dim", 128},           {"num_attention_heads", 32},
                                        {"num_key_value_heads", 32}, {"layer_types", COST_NONE},
                                        {"max_window_layers", 28},   {"use_sliding_window", 0},
                                        {"sliding_window", 4096},    {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1,
                                       .sliding = SLIDES_UPPER};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_qwen3 = {
    .source = "Qwen3Config",
    .defaults = DEFAULTS,
    .read = read,
};
