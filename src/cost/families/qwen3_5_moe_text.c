// Qwen3.5-MoE: Qwen3-Next with experts in every layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"num_experts", 256},
                                        {"num_experts_per_tok", 8},
                                        {"moe_intermediate_size", 512},
                                        {"shared_expert_intermediate_size", 512},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 248320},
                                        {"num_hidden_layers", 40},
                                        {"tie_word_embeddings", 0},
                                        {"layer_types", COST_NONE},
                                        {"full_attention_interval", 4},
                                        {"head_dim", 256},
                                        {"attention_bias", 0},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", 2},
                                        {"linear_num_key_heads", 16},
                                        {"linear_key_head_dim", 128},
                                        {"linear_num_value_heads", 32},
                                        {"linear_value_head_dim", 128},
                                        {"linear_conv_kernel_dim", 4},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims mixture = cost_qwen_mixture(c, &stack);
    cost_add_delta_and_attention(c, model, &stack);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_qwen3_5_moe_text = {
    .others = "qwen3_5_moe",
    .source = "Qwen3_5MoeTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
