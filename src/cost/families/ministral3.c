// Ministral 3: Mistral with another default of the window and a head_dim of its own.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"vocab_size", 131072},
                                        {"num_hidden_layers", 34},
                                        {"head_dim", 128},
                                        {"sliding_window", COST_NONE},
                                        {0}};

const cost_family cost_family_ministral3 = {
    .source = "Ministral3Config",
    .defaults = DEFAULTS,
    .like = &cost_family_mistral,
};
