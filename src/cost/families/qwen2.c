// Qwen2: biases of queries, keys and values; upper layers slide where it is asked for.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 22016}, {"hidden_size", 4096},      {"vocab_size", 151936},
    {"num_hidden_layers", 32},    {"tie_word_embeddings", 0}, {"num_attention_heads", 32},
    {"num_key_value_heads", 32},  {"layer_types", COST_NONE}, {"max_window_layers", 28},
    {"use_sliding_window", 0},    {"sliding_window", 4096},   {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_transformer(c, model, &cost_qwen2_traits);
}

const cost_family cost_family_qwen2 = {
    .source = "Qwen2Config",
    .defaults = DEFAULTS,
    .read = read,
};
