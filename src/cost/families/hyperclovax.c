// HyperCLOVA X: Llama with a norm behind each part too.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"use_post_norm", 1}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.mlp_bias = "mlp_bias",
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    uint64_t norm = cost_config_flag(c, "use_post_norm") ? stack.width : 0;
    attention.vectors += norm;
    cost_read_blocks(c, model, &stack, &TRAITS, attention, window, norm);
}

const cost_family cost_family_hyperclovax = {
    .source = "HyperCLOVAXConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_llama,
};
