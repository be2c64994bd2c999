// Gemma 2: every other layer slides; a norm behind each part too.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"attention_bias", 0},      {"intermediate_size", 9216}, {"hidden_size", 2304},
    {"vocab_size", 256000},     {"num_hidden_layers", 26},   {"tie_word_embeddings", 1},
    {"head_dim", 256},          {"num_attention_heads", 8},  {"num_key_value_heads", 4},
    {"layer_types", COST_NONE}, {"sliding_window", 4096},    {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 1,
                                       .sliding = SLIDES_BUT,
                                       .pattern = 2};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_gemma2 = {
    .source = "Gemma2Config",
    .defaults = DEFAULTS,
    .read = read,
};
