// The gated delta rule beside gated attention (Qwen3-Next and later).
#include "cost/families.h"

static cost_dims read_attention(cost_config *c, const cost_stack *stack) {
    cost_dims dims = {.width = stack->width, .input = stack->width};
    cost_read_heads(c, "head_dim", stack->width, &dims);
    dims.vectors = stack->width + cost_qk_norms(&dims);
    // The gates of the output are made with the queries, their biases too.
    if (cost_config_flag(c, "attention_bias"))
        dims.vectors += (2 * dims.heads + 2 * dims.kv_heads) * dims.head_dim + stack->width;
    return dims;
}

static cost_dims read_delta(cost_config *c, const cost_stack *stack) {
    cost_dims dims = {.width = stack->width,
                      .key_heads = cost_config_need(c, "linear_num_key_heads"),
                      .key_dim = cost_config_need(c, "linear_key_head_dim"),
                      .ssm_heads = cost_config_need(c, "linear_num_value_heads"),
                      .value_dim = cost_config_need(c, "linear_value_head_dim"),
                      .conv = cost_config_need(c, "linear_conv_kernel_dim"),
                      .scan = COST_DELTA_CHUNK,
                      .float_state = cost_floats(c, "mamba_ssm_dtype", false),
                      .vectors = stack->width};
    cost_config_expect(c, dims.ssm_heads % dims.key_heads == 0, "linear_num_key_heads",
                       "must divide linear_num_value_heads, and %d does not divide %d",
                       (int)dims.key_heads, (int)dims.ssm_heads);
    return dims;
}

void cost_add_delta_and_attention(cost_config *c, fv_cost_model *model, cost_stack *stack) {
    static const char *const TYPES[] = {"linear_attention", "full_attention", NULL};
    if (!cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) {
        uint64_t interval = cost_config_need(c, "full_attention_interval");
        for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = (i + 1) % interval == 0;
    }
    uint64_t n_attends = 0;
    for (uint64_t i = 0; i < stack->n; i++) n_attends += stack->kinds[i];
    cost_dims attention = {0}, delta = {0};
    if (n_attends > 0) attention = read_attention(c, stack);
    if (n_attends < stack->n) delta = read_delta(c, stack);
    for (uint64_t i = 0; i < stack->n; i++)
        cost_add(c, model, i, stack->kinds[i] ? COST_GATED_ATTENTION : COST_DELTA,
                 stack->kinds[i] ? attention : delta, 0);
}
