// The language model of Qwen2-VL and Qwen2.5-VL: Qwen2 with other defaults.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 29568}, {"hidden_size", 8192},      {"vocab_size", 152064},
    {"num_hidden_layers", 80},    {"tie_word_embeddings", 0}, {"num_attention_heads", 64},
    {"num_key_value_heads", 8},   {"layer_types", COST_NONE}, {"max_window_layers", 80},
    {"use_sliding_window", 0},    {"sliding_window", 4096},   {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_transformer(c, model, &cost_qwen2_traits);
}

const cost_family cost_family_qwen2_vl = {
    .others = "qwen2_vl_text qwen2_5_vl qwen2_5_vl_text",
    .source = "Qwen2VLTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
