// IQuest-Coder: Llama with other defaults.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 27648},
                                        {"hidden_size", 5120},
                                        {"vocab_size", 76800},
                                        {"num_hidden_layers", 80},
                                        {"num_attention_heads", 40},
                                        {"num_key_value_heads", 8},
                                        {"head_dim", 128},
                                        {0}};

const cost_family cost_family_iquestcoder = {
    .source = "IQuestCoderConfig",
    .defaults = DEFAULTS,
    .like = &cost_family_llama,
};
