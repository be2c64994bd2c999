// MiniMax-01: lightning attention, and softmax attention in some layers; experts as Mixtral.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"num_local_experts", 8},     {"num_experts_per_tok", 2},
                                        {"intermediate_size", 14336}, {"head_dim", COST_NONE},
                                        {"block_size", 256},          {"sliding_window", COST_NONE},
                                        {"layer_types", COST_NONE},   {"hidden_size", 4096},
                                        {"vocab_size", 32000},        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},   {"num_attention_heads", 32},
                                        {"num_key_value_heads", 8},   {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    static const char *const TYPES[] = {"linear_attention", "full_attention|attention", NULL};
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims attention = {.width = stack.width, .input = stack.width, .vectors = stack.width};
    cost_read_heads(c, "head_dim", stack.width, &attention);
    attention.window = cost_window(c, "sliding_window");
    cost_dims lightning = {.width = stack.width,
                           .head_dim = attention.head_dim,
                           .inner = attention.heads * attention.head_dim,
                           .scan = cost_config_size(c, "block_size", 1),
                           .vectors = stack.width};
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width;
    // Files of the model itself have a list of numbers, 1 for softmax.
    const json_t *list = cost_config_list(c, "attn_type_list");
    if (!cost_config_kinds(c, "layer_types", stack.n, TYPES, stack.kinds))
        for (uint64_t i = 0; i < stack.n; i++)
            stack.kinds[i] =
                list != NULL ? json_integer_value(json_array_get(list, i)) == 1 : (i + 1) % 2 != 0;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, stack.kinds[i] ? COST_ATTENTION : COST_LIGHTNING,
                 stack.kinds[i] ? attention : lightning, 0);
        cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_minimax = {
    .others = "minimax_text_01",
    .source = "MiniMaxConfig",
    .defaults = DEFAULTS,
    .read = read,
};
