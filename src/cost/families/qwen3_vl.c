// The language model of Qwen3-VL: Qwen3 that never slides.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},       {"intermediate_size", 22016},
                                        {"hidden_size", 4096},       {"vocab_size", 151936},
                                        {"num_hidden_layers", 32},   {"tie_word_embeddings", 0},
                                        {"head_dim", 128},           {"num_attention_heads", 32},
                                        {"num_key_value_heads", 32}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_qwen3_vl = {
    .others = "qwen3_vl_text",
    .source = "Qwen3VLTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
