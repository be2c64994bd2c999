// SmolLM3: Llama; layers without rotary positions slide where it is asked for.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE},
                                        {"no_rope_layers", COST_NONE},
                                        {"no_rope_layer_interval", 4},
                                        {"attention_bias", 0},
                                        {"use_sliding_window", 0},
                                        {"sliding_window", COST_NONE},
                                        {"intermediate_size", 11008},
                                        {"mlp_bias", 0},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 128256},
                                        {"num_hidden_layers", 36},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", 4},
                                        {0}};

static void slide(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    const json_t *rotary = cost_config_list(c, "no_rope_layers");
    uint64_t interval = rotary == NULL ? cost_config_need(c, "no_rope_layer_interval") : 1;
    cost_config_expect(c, rotary == NULL || json_array_size(rotary) >= stack->n, "no_rope_layers",
                       "has %d entries for %d layers", (int)json_array_size(rotary), (int)stack->n);
    for (uint64_t i = 0; i < stack->n; i++)
        stack->kinds[i] = rotary != NULL ? json_integer_value(json_array_get(rotary, i)) == 0
                                         : (i + 1) % interval == 0;
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "attention_bias", .output_bias = "attention_bias", .attention_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    window = cost_config_flag(c, "use_sliding_window") ? cost_window(c, "sliding_window") : 0;
    if (window > 0) slide(c, &stack);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), "mlp_bias");
    mlp.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_smollm3 = {
    .source = "SmolLM3Config",
    .defaults = DEFAULTS,
    .read = read,
};
