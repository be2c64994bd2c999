// Falcon-H1: attention and Mamba-2 side by side in every layer, then an MLP.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"mamba_d_state", 256},
                                        {"mamba_d_conv", 4},
                                        {"mamba_n_groups", 1},
                                        {"mamba_n_heads", 128},
                                        {"mamba_conv_bias", 1},
                                        {"mamba_chunk_size", 256},
                                        {"mamba_d_ssm", 1024},
                                        {"mamba_expand", 2},
                                        {"mamba_d_head", COST_NONE},
                                        {"mamba_rms_norm", 0},
                                        {"mamba_proj_bias", 0},
                                        {"projectors_bias", 0},
                                        {"attention_bias", 0},
                                        {"intermediate_size", 14336},
                                        {"mlp_bias", 0},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 128000},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 8},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mamba2_keys KEYS = {"mamba_d_state",   "mamba_d_conv",    "mamba_n_groups",
                                          "mamba_n_heads",   "mamba_conv_bias", NULL,
                                          "mamba_chunk_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t inner = 0;
    if (cost_config_says(c, "mamba_d_ssm")) inner = cost_config_size(c, "mamba_d_ssm", 0);
    if (inner == 0) inner = cost_config_need(c, "mamba_expand") * stack.width;
    cost_dims mamba = cost_mamba2(c, &stack, inner, KEYS);
    cost_check_mamba2_heads(c, &mamba, "mamba_d_head");
    mamba.vectors += stack.width;
    if (cost_config_flag(c, "mamba_rms_norm")) mamba.vectors += inner;
    if (cost_config_flag(c, "mamba_proj_bias"))
        mamba.vectors += 2 * inner + 2 * mamba.groups * mamba.state_size + mamba.ssm_heads;
    if (cost_config_flag(c, "projectors_bias")) mamba.vectors += stack.width;
    cost_dims attention = {.width = stack.width, .input = stack.width};
    cost_read_heads(c, "head_dim", stack.width, &attention);
    attention.vectors = cost_attention_biases(c, "attention_bias", "attention_bias", &attention);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), "mlp_bias");
    mlp.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MAMBA2, mamba, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_falcon_h1 = {
    .source = "FalconH1Config",
    .defaults = DEFAULTS,
    .read = read,
};
