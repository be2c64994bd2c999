// Jamba: Mamba, and attention in every so many layers; experts in every so many.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"mamba_expand", 2},          {"mamba_d_state", 16},
                                        {"mamba_d_conv", 4},          {"mamba_dt_rank", COST_NONE},
                                        {"mamba_conv_bias", 1},       {"mamba_proj_bias", 0},
                                        {"num_experts", 16},          {"num_experts_per_tok", 2},
                                        {"intermediate_size", 14336}, {"attn_layer_period", 8},
                                        {"attn_layer_offset", 4},     {"expert_layer_period", 2},
                                        {"expert_layer_offset", 1},   {"hidden_size", 4096},
                                        {"vocab_size", 65536},        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},   {"num_attention_heads", 32},
                                        {"num_key_value_heads", 8},   {0}};

static cost_dims read_mamba(cost_config *c, const cost_stack *stack) {
    cost_dims dims = {.width = stack->width,
                      .inner = cost_config_need(c, "mamba_expand") * stack->width,
                      .state_size = cost_config_need(c, "mamba_d_state"),
                      .conv = cost_config_need(c, "mamba_d_conv"),
                      .rank = cost_step_rank(c, "mamba_dt_rank", stack->width)};
    // The norms of the layer, of dt, B and C.
    dims.vectors = stack->width + dims.rank + 2 * dims.state_size;
    if (cost_config_flag(c, "mamba_conv_bias")) dims.vectors += dims.inner;
    if (cost_config_flag(c, "mamba_proj_bias")) dims.vectors += 2 * dims.inner + stack->width;
    return dims;
}

// Layers that come every `period`, the first at `offset`.
typedef struct turn {
    uint64_t period, offset;
} turn;

static turn read_turn(cost_config *c, const char *period, const char *offset) {
    turn t = {cost_config_need(c, period), cost_config_count(c, offset)};
    cost_config_expect(c, t.offset < t.period, offset, "must be less than %s, %d, not %d", period,
                       (int)t.period, (int)t.offset);
    return t;
}

static bool comes(uint64_t i, turn t) {
    return i % t.period == t.offset;
}

static cost_dims read_mixture(cost_config *c, const cost_stack *stack) {
    static const cost_mixture_keys KEYS = {"num_experts|num_local_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    cost_dims dims = {.experts = cost_config_need(c, KEYS.experts)};
    return dims.experts > 1 ? cost_mixture(c, stack, KEYS) : dims; // one expert is an MLP
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims attention = {.width = stack.width, .input = stack.width, .vectors = stack.width};
    cost_read_heads(c, "head_dim", stack.width, &attention);
    cost_dims mamba = read_mamba(c, &stack);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors = stack.width;
    cost_dims mixture = read_mixture(c, &stack);
    mixture.vectors = stack.width;
    turn attends = read_turn(c, "attn_layer_period", "attn_layer_offset"), mixes = {1, 1};
    if (mixture.experts > 1) mixes = read_turn(c, "expert_layer_period", "expert_layer_offset");
    for (uint64_t i = 0; i < stack.n; i++) {
        bool attention_here = comes(i, attends), experts_here = comes(i, mixes);
        cost_add(c, model, i, attention_here ? COST_ATTENTION : COST_MAMBA,
                 attention_here ? attention : mamba, 0);
        cost_add(c, model, i, experts_here ? COST_EXPERTS : COST_MLP, experts_here ? mixture : mlp,
                 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_jamba = {
    .source = "JambaConfig",
    .defaults = DEFAULTS,
    .read = read,
};
