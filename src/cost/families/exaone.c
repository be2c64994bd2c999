// EXAONE 3: Llama with other defaults, and older names of fields.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 14336}, {"hidden_size", 4096},
                                        {"vocab_size", 102400},       {"num_hidden_layers", 32},
                                        {"num_attention_heads", 32},  {"num_key_value_heads", 8},
                                        {"head_dim", COST_NONE},      {0}};

const cost_family cost_family_exaone = {
    .source = "ExaoneConfig",
    .defaults = DEFAULTS,
    .like = &cost_family_llama,
};
