// EXAONE 4: Qwen3 whose layers slide by a number or by letters, L for those that do (LLLG).
#include "cost/families.h"

#include <string.h>

static const cost_default DEFAULTS[] = {{"sliding_window_pattern", 4},
                                        {"layer_types", COST_NONE},
                                        {"sliding_window", 4096},
                                        {"intermediate_size", 16384},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 102400},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 32},
                                        {0}};

static void slide(cost_config *c, cost_stack *stack) {
    const json_t *pattern = cost_config_find(c, "sliding_window_pattern");
    const char *letters = json_string_value(pattern);
    if (letters == NULL || *letters == '\0' || cost_config_has(c, "layer_types")) {
        cost_slides(c, stack, "sliding_window_pattern", 0);
        return;
    }
    size_t n = strlen(letters);
    cost_config_expect(c, strspn(letters, "LG") == n, "sliding_window_pattern",
                       "must be a whole number, or letters L and G as in LLLG, not \"%.40s\"",
                       letters);
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = letters[i % n] == 'L';
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qk_norm = true, .attention_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    window = cost_window(c, "sliding_window");
    if (window > 0) slide(c, &stack);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_exaone4 = {
    .source = "Exaone4Config",
    .defaults = DEFAULTS,
    .read = read,
};
