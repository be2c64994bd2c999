// The language model of Qwen2-VL and Qwen2.5-VL: Qwen2 with other defaults.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 29568}, {"hidden_size", 8192},
                                        {"vocab_size", 152064},       {"num_hidden_layers", 80},
                                        {"num_attention_heads", 64},  {"num_key_value_heads", 8},
                                        {"max_window_layers", 80},    {0}};

const cost_family cost_family_qwen2_vl = {
    .others = "qwen2_vl_text qwen2_5_vl qwen2_5_vl_text",
    .source = "Qwen2VLTextConfig",
    .defaults = DEFAULTS,
    .like = &cost_family_qwen2,
};
