// Qwen3-Next: a gated delta rule in three layers of four, gated attention in the fourth; experts.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"num_experts", 512},        {"num_experts_per_tok", 10},
                                        {"vocab_size", 151936},      {"num_hidden_layers", 48},
                                        {"decoder_sparse_step", 1},  {"mlp_only_layers", COST_NONE},
                                        {"intermediate_size", 5632}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims mixture = cost_qwen_mixture(c, &stack);
    cost_add_delta_and_attention(c, model, &stack);
    cost_add_sparse_mlps(c, model, &stack, mixture);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_qwen3_next = {
    .source = "Qwen3NextConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_qwen3_5_moe_text,
};
