// Arcee Trinity: gated attention, four norms a layer, experts behind a few dense layers.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"num_experts", 64},
                                        {"num_experts_per_tok", 6},
                                        {"moe_intermediate_size", 1408},
                                        {"sliding_window", 1024},
                                        {"global_attn_every_n_layers", 4},
                                        {"num_shared_experts", 2},
                                        {"num_dense_layers", 1},
                                        {"intermediate_size", 6144},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 200192},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"layer_types", COST_NONE},
                                        {"head_dim", 128},
                                        {"num_attention_heads", 16},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 2};
    static const cost_mixture_keys KEYS = {"num_experts", "num_experts_per_tok",
                                           "moe_intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    window = cost_window(c, "sliding_window");
    if (window > 0) cost_slides(c, &stack, "global_attn_every_n_layers", 0);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.shared_hidden = cost_config_count(c, "num_shared_experts") * mixture.expert_hidden;
    mixture.vectors += 2 * stack.width + mixture.experts; // those that choose are trained here
    cost_add_attention(c, model, &stack, COST_GATED_ATTENTION, attention, window);
    uint64_t n_dense = cost_config_count(c, "num_dense_layers");
    uint64_t hidden = n_dense > 0 ? cost_config_need(c, "intermediate_size") : 0;
    cost_dims mlp = cost_mlp(c, &stack, 3, hidden, NULL);
    mlp.vectors += 2 * stack.width;
    for (uint64_t i = 0; i < stack.n; i++)
        cost_add(c, model, i, i < n_dense ? COST_MLP : COST_EXPERTS, i < n_dense ? mlp : mixture,
                 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_afmoe = {
    .source = "AfmoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
