// Gemma 3: five layers in six slide; norms of queries and keys, and behind each part.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"sliding_window", 4096},
                                        {"use_bidirectional_attention", 0},
                                        {"sliding_window_pattern", 6},
                                        {"intermediate_size", 9216},
                                        {"hidden_size", 2304},
                                        {"vocab_size", 262208},
                                        {"num_hidden_layers", 26},
                                        {"tie_word_embeddings", 1},
                                        {"layer_types", COST_NONE},
                                        {"head_dim", 256},
                                        {"num_attention_heads", 8},
                                        {"num_key_value_heads", 4},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 2,
                                       .mlp_norms = 2,
                                       .end_norms = 1};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    window = cost_window(c, "sliding_window");
    // Both sides of a query see each other within the same width.
    if (window > 0 && cost_config_flag(c, "use_bidirectional_attention")) window = window / 2 + 1;
    if (window > 0) cost_slides(c, &stack, "sliding_window_pattern", 0);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += 2 * stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_gemma3_text = {
    .others = "gemma3",
    .source = "Gemma3TextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
