// Mamba-2.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"state_size", 128},
                                        {"conv_kernel", 4},
                                        {"n_groups", 8},
                                        {"num_heads", 128},
                                        {"use_conv_bias", 1},
                                        {"use_bias", 0},
                                        {"chunk_size", 256},
                                        {"expand", 2},
                                        {"head_dim", 64},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 32768},
                                        {"num_hidden_layers", 64},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mamba2_keys KEYS = {"state_size",    "conv_kernel", "n_groups",  "num_heads",
                                          "use_conv_bias", "use_bias",    "chunk_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t inner = cost_config_need(c, "expand") * stack.width;
    cost_dims mamba = cost_mamba2(c, &stack, inner, KEYS);
    cost_check_mamba2_heads(c, &mamba, "head_dim");
    mamba.vectors += stack.width + inner;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MAMBA2, mamba, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_mamba2 = {
    .source = "Mamba2Config",
    .defaults = DEFAULTS,
    .read = read,
};
