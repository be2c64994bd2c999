// InternLM 3: Llama with other defaults.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 10240},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 128512},
                                        {"num_hidden_layers", 48},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 2},
                                        {"head_dim", 128},
                                        {0}};

const cost_family cost_family_internlm3 = {
    .source = "InternLM3Config",
    .defaults = DEFAULTS,
    .like = &cost_family_llama,
};
