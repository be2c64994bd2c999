// Mixtral: experts in every layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"num_local_experts", 8},   {"num_experts_per_tok", 2},    {"intermediate_size", 14336},
    {"hidden_size", 4096},      {"vocab_size", 32000},         {"num_hidden_layers", 32},
    {"tie_word_embeddings", 0}, {"head_dim", COST_NONE},       {"num_attention_heads", 32},
    {"num_key_value_heads", 8}, {"sliding_window", COST_NONE}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.attention_norms = 1, .sliding = SLIDES_ALWAYS};
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_mixtral = {
    .name = "mixtral",
    .source = "MixtralConfig",
    .defaults = DEFAULTS,
    .read = read,
};
