// Qwen3-MoE: Qwen3 with experts.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},       {"num_experts", 128},
                                        {"num_experts_per_tok", 8},  {"moe_intermediate_size", 768},
                                        {"use_sliding_window", 0},   {"sliding_window", 4096},
                                        {"hidden_size", 2048},       {"vocab_size", 151936},
                                        {"num_hidden_layers", 24},   {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32}, {"num_key_value_heads", 4},
                                        {"decoder_sparse_step", 1},  {"mlp_only_layers", COST_NONE},
                                        {"intermediate_size", 6144}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    uint64_t window;
    const cost_mixture_traits *traits = &cost_qwen3_moe_traits;
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims attention = cost_transformer_attention(c, &stack, &traits->attention, &window);
    window = cost_config_flag(c, "use_sliding_window") ? cost_window(c, "sliding_window") : 0;
    for (uint64_t i = 0; i < stack.n; i++) stack.kinds[i] = 1;
    cost_read_mixtures_behind(c, model, &stack, traits, attention, window);
}

const cost_family cost_family_qwen3_moe = {
    .source = "Qwen3MoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
