// Command R7B and Command A: one norm for both parts of a block; three layers in four slide.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"sliding_window", 4096},
                                        {"sliding_window_pattern", 4},
                                        {"intermediate_size", 22528},
                                        {"hidden_size", 8192},
                                        {"vocab_size", 256000},
                                        {"num_hidden_layers", 40},
                                        {"tie_word_embeddings", 1},
                                        {"layer_types", COST_NONE},
                                        {"num_attention_heads", 64},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 1,
                                       .no_head_dim = true};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    window = cost_window(c, "sliding_window");
    if (window > 0) cost_slides(c, &stack, "sliding_window_pattern", 0);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_cohere2 = {
    .source = "Cohere2Config",
    .defaults = DEFAULTS,
    .read = read,
};
