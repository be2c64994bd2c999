// dots.llm1: attention as Qwen3 has it, experts as DeepSeek-V3; upper layers may slide.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 10944},    {"hidden_size", 4608},        {"vocab_size", 152064},
    {"num_hidden_layers", 62},       {"num_attention_heads", 32},  {"num_key_value_heads", 32},
    {"moe_intermediate_size", 1408}, {"first_k_dense_replace", 0}, {"n_shared_experts", COST_NONE},
    {"attention_bias", 0},           {"layer_types", COST_NONE},   {"sliding_window", 4096},
    {"max_window_layers", 62},       {"tie_word_embeddings", 0},   {0}};

// kinds: 1 where a layer slides.
static void slide(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    for (uint64_t i = cost_config_count(c, "max_window_layers"); i < stack->n; i++)
        stack->kinds[i] = 1;
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qk_norm = true,
                                       .attention_norms = 1,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    window = cost_window(c, "sliding_window");
    if (window > 0) slide(c, &stack);
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    cost_add_first_dense(c, model, &stack, mixture, NULL);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_dots1 = {
    .source = "Dots1Config",
    .defaults = DEFAULTS,
    .read = read,
};
