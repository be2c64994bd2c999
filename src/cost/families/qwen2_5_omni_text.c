// The language model of Qwen2.5-Omni's thinker: Qwen2 with other defaults; the thinker's class says
// that it is not tied.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 18944}, {"hidden_size", 3584},      {"vocab_size", 152064},
    {"num_hidden_layers", 28},    {"tie_word_embeddings", 0}, {"num_attention_heads", 28},
    {"num_key_value_heads", 4},   {"layer_types", COST_NONE}, {"max_window_layers", 28},
    {"use_sliding_window", 0},    {"sliding_window", 32768},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_transformer(c, model, &cost_qwen2_traits);
}

const cost_family cost_family_qwen2_5_omni_text = {
    .others = "qwen2_5_omni qwen2_5_omni_thinker",
    .source = "Qwen2_5OmniTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
