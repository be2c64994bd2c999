// Zamba: Mamba in every layer, and in some a transformer block that all of them share.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layers_block_type", COST_NONE},
                                        {"attn_layer_period", 6},
                                        {"attn_layer_offset", 4},
                                        {"mamba_expand", 2},
                                        {"mamba_d_state", 16},
                                        {"mamba_d_conv", 4},
                                        {"mamba_dt_rank", COST_NONE},
                                        {"n_mamba_heads", 2},
                                        {"mamba_conv_bias", 1},
                                        {"mamba_proj_bias", 0},
                                        {"attention_hidden_size", COST_NONE},
                                        {"attention_head_dim", COST_NONE},
                                        {"intermediate_size", 14848},
                                        {"tie_word_embeddings", 1},
                                        {"hidden_size", 3712},
                                        {"vocab_size", 32000},
                                        {"num_hidden_layers", 76},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", 16},
                                        {0}};

static void find_hybrids(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"mamba|linear_attention", "hybrid", NULL};
    if (cost_config_kinds(c, "layers_block_type|layer_types", stack->n, TYPES, stack->kinds))
        return;
    uint64_t period = cost_config_need(c, "attn_layer_period");
    uint64_t offset = cost_config_count(c, "attn_layer_offset");
    cost_config_expect(c, offset < period, "attn_layer_offset",
                       "must be less than attn_layer_period, %d, not %d", (int)period, (int)offset);
    for (uint64_t i = 0; i < stack->n; i++)
        stack->kinds[i] = i < 3 ? i == 2 : (i - 3) % period == offset;
}

static cost_dims read_mamba(cost_config *c, const cost_stack *stack) {
    cost_dims dims = {.width = stack->width,
                      .inner = cost_config_need(c, "mamba_expand") * stack->width,
                      .state_size = cost_config_need(c, "mamba_d_state"),
                      .conv = cost_config_need(c, "mamba_d_conv"),
                      .rank = cost_step_rank(c, "mamba_dt_rank", stack->width)};
    uint64_t heads = cost_config_need(c, "n_mamba_heads");
    cost_config_expect(c, dims.inner % heads == 0, "n_mamba_heads",
                       "must divide the %d inner channels, and %d does not", (int)dims.inner,
                       (int)heads);
    // What every head makes dt, B and C from are its own channels alone, which changes no size.
    dims.blocked = 1;
    dims.vectors = stack->width;
    if (cost_config_flag(c, "mamba_conv_bias")) dims.vectors += dims.inner;
    if (cost_config_flag(c, "mamba_proj_bias")) dims.vectors += 2 * dims.inner + stack->width;
    return dims;
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims mamba = read_mamba(c, &stack);
    uint64_t shared = cost_config_size(c, "attention_hidden_size", 2 * stack.width);
    cost_dims attention = {.width = stack.width, .input = shared, .vectors = shared};
    cost_read_heads(c, "attention_head_dim|head_dim", 2 * stack.width, &attention);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += stack.width;
    cost_dims linear = {.input = stack.width, .output = stack.width};
    find_hybrids(c, &stack);
    // The library shares the block as it shares the embedding: only where that is tied.
    uint64_t n_blocks = cost_config_flag(c, "tie_word_embeddings") ? 1 : 0;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_MAMBA, mamba, 0);
        if (!stack.kinds[i]) continue;
        cost_add(c, model, i, COST_ATTENTION, attention, n_blocks);
        cost_add(c, model, i, COST_MLP, mlp, n_blocks);
        cost_add(c, model, i, COST_LINEAR, linear, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_zamba = {
    .source = "ZambaConfig",
    .defaults = DEFAULTS,
    .read = read,
};
