// Qwen1.5-MoE and Qwen2-MoE: Qwen2 with experts, one of them shared and gated.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE},
                                        {"max_window_layers", 28},
                                        {"qkv_bias", 1},
                                        {"num_experts", 60},
                                        {"num_experts_per_tok", 4},
                                        {"moe_intermediate_size", 1408},
                                        {"use_sliding_window", 0},
                                        {"sliding_window", 4096},
                                        {"shared_expert_intermediate_size", 5632},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 151936},
                                        {"num_hidden_layers", 24},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", 16},
                                        {"decoder_sparse_step", 1},
                                        {"mlp_only_layers", COST_NONE},
                                        {"intermediate_size", 5632},
                                        {0}};

static void slide(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    uint64_t first = cost_config_count(c, "max_window_layers");
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = i % 2 == 0 && i < first;
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "qkv_bias", .attention_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    window = cost_config_flag(c, "use_sliding_window") ? cost_window(c, "sliding_window") : 0;
    if (window > 0) slide(c, &stack);
    cost_dims mixture = cost_qwen_mixture(c, &stack);
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    cost_add_sparse_mlps(c, model, &stack, mixture);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_qwen2_moe = {
    .source = "Qwen2MoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
