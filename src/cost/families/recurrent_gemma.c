// RecurrentGemma: gated linear recurrences, attention in a window in every third layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_window_size", 2048},
                                        {"attention_bias", 0},
                                        {"lru_width", COST_NONE},
                                        {"conv1d_width", 4},
                                        {"intermediate_size", 7680},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 256000},
                                        {"num_hidden_layers", 26},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 10},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

// kinds: 1 where a layer attends.
static void find_attention(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"recurrent|linear_attention", "attention|sliding_attention",
                                        NULL};
    uint8_t pattern[64] = {0};
    const json_t *list = cost_config_list(c, "block_types");
    uint64_t n = list != NULL ? json_array_size(list) : 3;
    cost_config_expect(c, n > 0 && n <= 64, "block_types", "must be 1 to 64 words, not %d", (int)n);
    if (n == 0 || n > 64) return;
    if (list == NULL) {
        pattern[2] = 1;
        cost_config_note(c, "block_types: recurrent, recurrent, attention, as "
                            "RecurrentGemmaConfig's default");
    } else {
        cost_config_kinds(c, "block_types", n, TYPES, pattern);
    }
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = pattern[i % n];
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t width = stack.width;
    cost_dims attention = {.width = width, .input = width};
    cost_read_heads(c, NULL, width, &attention);
    attention.window = cost_config_need(c, "attention_window_size|sliding_window");
    attention.vectors = width + cost_attention_biases(c, "attention_bias", "", &attention);
    cost_dims lru = {.width = width,
                     .inner = cost_config_size(c, "lru_width", width),
                     .conv = cost_config_need(c, "conv1d_width")};
    lru.rank = lru.inner / attention.heads; // of a block of the gates
    cost_config_expect(c, lru.inner % attention.heads == 0, "lru_width",
                       "must be divided by the %d heads, not %d", (int)attention.heads,
                       (int)lru.inner);
    // The norm; biases of the maps, of the convolution and of both gates.
    lru.vectors = width + 2 * lru.inner + width + lru.inner + 2 * lru.inner;
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size") / 2, "");
    mlp.vectors += width;
    find_attention(c, &stack);
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, stack.kinds[i] ? COST_ATTENTION : COST_RGLRU,
                 stack.kinds[i] ? attention : lru, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_recurrent_gemma = {
    .source = "RecurrentGemmaConfig",
    .defaults = DEFAULTS,
    .read = read,
};
