// LFM2: short convolutions, attention in some layers.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 12288},
                                        {"block_auto_adjust_ff_dim", 1},
                                        {"block_ffn_dim_multiplier", 1},
                                        {"block_multiple_of", 256},
                                        {"layer_types", COST_NONE},
                                        {"full_attn_idxs", COST_NONE},
                                        {"conv_L_cache", 3},
                                        {"conv_bias", 0},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 65536},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 8},
                                        {0}};

// Two thirds of the file's width, rounded up, where it is adjusted.
static uint64_t read_hidden(cost_config *c) {
    uint64_t hidden = cost_config_need(c, "block_ff_dim|intermediate_size");
    if (!cost_config_flag(c, "block_auto_adjust_ff_dim")) return hidden;
    hidden = 2 * hidden / 3;
    const json_t *factor = cost_config_find(c, "block_ffn_dim_multiplier");
    if (factor != NULL && json_number_value(factor) > 0 && json_number_value(factor) < 1e6)
        hidden = (uint64_t)(json_number_value(factor) * (double)hidden);
    uint64_t multiple = cost_config_need(c, "block_multiple_of");
    return (hidden + multiple - 1) / multiple * multiple;
}

// kinds: 1 where a layer attends.
static void find_attention(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"conv", "full_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    if (cost_config_marks(c, "full_attn_idxs", stack->n, stack->kinds)) return;
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = 1;
    cost_config_note(c, "full_attn_idxs: every layer, as Lfm2Config's default");
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    find_attention(c, &stack);
    uint64_t n_attends = 0;
    for (uint64_t i = 0; i < stack.n; i++) n_attends += stack.kinds[i];
    cost_dims attention = {.width = stack.width, .input = stack.width},
              conv = {.width = stack.width, .inner = stack.width};
    if (n_attends > 0) cost_read_heads(c, "head_dim", stack.width, &attention);
    attention.vectors = stack.width + cost_qk_norms(&attention);
    conv.vectors = stack.width;
    if (n_attends < stack.n) {
        conv.conv = cost_config_need(c, "conv_L_cache");
        if (cost_config_flag(c, "conv_bias")) conv.vectors += 5 * stack.width;
    }
    cost_dims mlp = cost_mlp(c, &stack, 3, read_hidden(c), NULL);
    mlp.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, stack.kinds[i] ? COST_ATTENTION : COST_SHORT_CONV,
                 stack.kinds[i] ? attention : conv, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_lfm2 = {
    .source = "Lfm2Config",
    .defaults = DEFAULTS,
    .read = read,
};
