// GPT-NeoX and Pythia: LayerNorms, an MLP of two matrices, rotary positions.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 1},       {"intermediate_size", 24576},
                                        {"hidden_size", 6144},       {"vocab_size", 50432},
                                        {"num_hidden_layers", 44},   {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 64}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .mlp_bias = "",
                                       .plain = true,
                                       .no_head_dim = true,
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 2};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_gpt_neox = {
    .source = "GPTNeoXConfig",
    .defaults = DEFAULTS,
    .read = read,
    .even_heads = true,
};
