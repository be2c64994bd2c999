// Mamba.
#include "cost/families.h"

const cost_default cost_mamba_defaults[] = {{"state_size", 16},
                                            {"conv_kernel", 4},
                                            {"time_step_rank", COST_NONE},
                                            {"expand", 2},
                                            {"use_conv_bias", 1},
                                            {"use_bias", 0},
                                            {"hidden_size", 768},
                                            {"vocab_size", 50280},
                                            {"num_hidden_layers", 32},
                                            {"tie_word_embeddings", 1},
                                            {0}};

const cost_family cost_family_mamba = {
    .source = "MambaConfig",
    .defaults = cost_mamba_defaults,
    .read = cost_read_mamba,
};
