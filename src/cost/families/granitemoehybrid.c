// Granite 4: Mamba-2 or attention, each with an MLP and, where there are any, experts beside it.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"mamba_d_state", 256},
                                        {"mamba_d_conv", 4},
                                        {"mamba_n_groups", 1},
                                        {"mamba_n_heads", 128},
                                        {"mamba_conv_bias", 1},
                                        {"mamba_proj_bias", 0},
                                        {"mamba_chunk_size", 256},
                                        {"num_local_experts", 8},
                                        {"num_experts_per_tok", 2},
                                        {"intermediate_size", 11008},
                                        {"layer_types", COST_NONE},
                                        {"mamba_expand", 2},
                                        {"mamba_d_head", COST_NONE},
                                        {"attention_bias", 0},
                                        {"shared_intermediate_size", 1024},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 32000},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mamba2_keys KEYS = {"mamba_d_state",   "mamba_d_conv",    "mamba_n_groups",
                                          "mamba_n_heads",   "mamba_conv_bias", "mamba_proj_bias",
                                          "mamba_chunk_size"};
    static const cost_mixture_keys EXPERTS = {"num_local_experts", "num_experts_per_tok",
                                              "intermediate_size"};
    static const char *const TYPES[] = {"linear_attention|mamba", "full_attention|attention", NULL};
    cost_stack stack = cost_stack_begin(c, model);
    cost_config_kinds(c, "layer_types|layers_block_type", stack.n, TYPES, stack.kinds);
    cost_dims mamba = {0}, attention = {.width = stack.width, .input = stack.width}, mixture = {0};
    uint64_t n_attends = 0;
    for (uint64_t i = 0; i < stack.n; i++) n_attends += stack.kinds[i];
    if (n_attends < stack.n) {
        uint64_t inner = cost_config_need(c, "mamba_expand") * stack.width;
        mamba = cost_mamba2(c, &stack, inner, KEYS);
        cost_check_mamba2_heads(c, &mamba, "mamba_d_head");
        mamba.vectors += stack.width + inner;
    }
    if (n_attends > 0) cost_read_heads(c, "head_dim", stack.width, &attention);
    attention.vectors =
        stack.width + cost_attention_biases(c, "attention_bias", "attention_bias", &attention);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "shared_intermediate_size"), NULL);
    mlp.vectors += stack.width;
    bool mixes = cost_config_count(c, "num_local_experts") > 0;
    if (mixes) mixture = cost_mixture(c, &stack, EXPERTS);
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, stack.kinds[i] ? COST_ATTENTION : COST_MAMBA2,
                 stack.kinds[i] ? attention : mamba, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
        if (mixes) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_granitemoehybrid = {
    .source = "GraniteMoeHybridConfig",
    .defaults = DEFAULTS,
    .read = read,
};
