// MiMo-V2-Flash: values narrower than keys; sliding layers have twice the heads of keys, and
// sinks.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE},
                                        {"mlp_layer_types", COST_NONE},
                                        {"sliding_window", 129},
                                        {"v_head_dim", 128},
                                        {"attention_bias", 0},
                                        {"intermediate_size", 16384},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 152576},
                                        {"num_hidden_layers", 48},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", 192},
                                        {"num_attention_heads", 64},
                                        {"num_key_value_heads", 4},
                                        {"n_routed_experts", 256},
                                        {"num_experts_per_tok", 8},
                                        {"moe_intermediate_size", 2048},
                                        {0}};

static void find_layers(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    static const char *const MLPS[] = {"dense", "sparse", NULL};
    if (!cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds))
        for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = i > 0 && (i + 1) % 6 != 0;
    if (!cost_config_kinds(c, "mlp_layer_types", stack->n, MLPS, stack->others))
        for (uint64_t i = 0; i < stack->n; i++) stack->others[i] = i > 0;
}

// The file's own name counts the tokens before the query alone.
static uint64_t read_window(cost_config *c) {
    uint64_t before = cost_config_get(c, "sliding_window_size", 0);
    return before > 0 ? before + 1 : cost_window(c, "sliding_window");
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.attention_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t unused;
    cost_dims full = cost_transformer_attention(c, &stack, &TRAITS, &unused);
    full.value_dim = cost_config_need(c, "v_head_dim");
    bool biased = cost_config_flag(c, "attention_bias");
    find_layers(c, &stack);
    cost_dims sliding = full;
    sliding.kv_heads = 2 * full.kv_heads;
    sliding.window = read_window(c);
    sliding.vectors += full.heads;
    if (biased) {
        full.vectors +=
            full.heads * full.head_dim + full.kv_heads * (full.head_dim + full.value_dim);
        sliding.vectors +=
            full.heads * full.head_dim + sliding.kv_heads * (full.head_dim + full.value_dim);
    }
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    mixture.vectors += stack.width;
    uint64_t n_dense = 0;
    for (uint64_t i = 0; i < stack.n; i++) n_dense += !stack.others[i];
    cost_dims mlp =
        cost_mlp(c, &stack, 3, n_dense > 0 ? cost_config_need(c, "intermediate_size") : 0, NULL);
    mlp.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_SPLIT_ATTENTION, stack.kinds[i] ? sliding : full, 0);
        cost_add(c, model, i, stack.others[i] ? COST_EXPERTS : COST_MLP,
                 stack.others[i] ? mixture : mlp, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_mimo_v2_flash = {
    .source = "MiMoV2FlashConfig",
    .defaults = DEFAULTS,
    .read = read,
};
