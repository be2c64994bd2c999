// Phi-3.5-MoE: Mixtral with LayerNorms and biases.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"num_local_experts", 16},
                                        {"num_experts_per_tok", 2},
                                        {"intermediate_size", 6400},
                                        {"lm_head_bias", 0},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 32064},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 8},
                                        {"sliding_window", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 2,
                                       .sliding = SLIDES_ALWAYS};
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += 2 * stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_dims ends = {.width = stack.width, .vocab = stack.vocab}, last = ends;
    last.vectors = 2 * stack.width;
    if (cost_config_flag(c, "lm_head_bias")) last.vectors += stack.vocab;
    cost_stack_end(c, model, &stack, ends, last);
}

const cost_family cost_family_phimoe = {
    .source = "PhimoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
