// The language model of Qwen2.5-Omni's thinker: Qwen2 with other defaults; the thinker's class says
// that it is not tied.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 18944}, {"hidden_size", 3584},
                                        {"vocab_size", 152064},       {"num_hidden_layers", 28},
                                        {"num_attention_heads", 28},  {"num_key_value_heads", 4},
                                        {"sliding_window", 32768},    {0}};

const cost_family cost_family_qwen2_5_omni_text = {
    .others = "qwen2_5_omni qwen2_5_omni_thinker",
    .source = "Qwen2_5OmniTextConfig",
    .defaults = DEFAULTS,
    .like = &cost_family_qwen2,
};
