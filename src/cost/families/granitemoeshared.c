// Granite 3 with experts, and one MLP that every token meets.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"shared_intermediate_size", 0}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    static const cost_traits TRAITS = {
        .qkv_bias = "attention_bias", .output_bias = "attention_bias", .attention_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.shared_hidden = cost_config_count(c, "shared_intermediate_size");
    mixture.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_granitemoeshared = {
    .source = "GraniteMoeSharedConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_granitemoe,
};
