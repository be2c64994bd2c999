// Granite whose layers slide, all but the first of four, with sinks.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 8192}, {"hidden_size", 2560},
                                        {"vocab_size", 100352},      {"num_hidden_layers", 24},
                                        {"num_attention_heads", 20}, {"num_key_value_heads", 4},
                                        {"tie_word_embeddings", 1},  {"sliding_window", 128},
                                        {"layer_types", COST_NONE},  {0}};

// kinds: 1 where a layer slides.
static void slide(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = i % 4 != 0;
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &cost_llama_traits, &window);
    attention.vectors += attention.heads; // sinks
    window = cost_window(c, "sliding_window");
    if (window > 0) slide(c, &stack);
    cost_read_blocks(c, model, &stack, &cost_llama_traits, attention, window, 0);
}

const cost_family cost_family_granite_swa = {
    .source = "GraniteSWAConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_llama,
};
