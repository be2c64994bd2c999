// Gemma: Llama with heads of their own width.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},       {"intermediate_size", 24576},
                                        {"hidden_size", 3072},       {"vocab_size", 256000},
                                        {"num_hidden_layers", 28},   {"tie_word_embeddings", 1},
                                        {"head_dim", 256},           {"num_attention_heads", 16},
                                        {"num_key_value_heads", 16}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_gemma = {
    .source = "GemmaConfig",
    .defaults = DEFAULTS,
    .read = read,
};
