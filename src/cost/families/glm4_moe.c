// GLM-4.5: attention as Qwen3 has it, experts as DeepSeek-V3.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"use_qk_norm", 0},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 151552},
                                        {"num_hidden_layers", 46},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 96},
                                        {"num_key_value_heads", 8},
                                        {"n_routed_experts", 128},
                                        {"num_experts_per_tok", 8},
                                        {"moe_intermediate_size", 1408},
                                        {"n_shared_experts", 1},
                                        {"first_k_dense_replace", 1},
                                        {"intermediate_size", 10944},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias", .attention_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    if (cost_config_flag(c, "use_qk_norm")) attention.vectors += cost_qk_norms(&attention);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    cost_add_first_dense(c, model, &stack, mixture, NULL);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_glm4_moe = {
    .source = "Glm4MoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
