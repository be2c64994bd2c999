// Qwen3.5: Qwen3-Next with a dense MLP.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 12288},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 248320},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"layer_types", COST_NONE},
                                        {"full_attention_interval", 4},
                                        {"head_dim", 256},
                                        {"attention_bias", 0},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", 4},
                                        {"linear_num_key_heads", 16},
                                        {"linear_key_head_dim", 128},
                                        {"linear_num_value_heads", 32},
                                        {"linear_value_head_dim", 128},
                                        {"linear_conv_kernel_dim", 4},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += stack.width;
    cost_add_delta_and_attention(c, model, &stack);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_qwen3_5_text = {
    .others = "qwen3_5",
    .source = "Qwen3_5TextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
