// Hunyuan: Mixtral with norms of queries and keys, and one shared MLP.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"num_experts", 1},
                                        {"moe_topk", 1},
                                        {"intermediate_size", 11008},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 290943},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", COST_NONE},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 1};
    static const cost_mixture_keys KEYS = {"num_experts|num_local_experts",
                                           "moe_topk|num_experts_per_tok", "intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width;
    mixture.shared_hidden = mixture.expert_hidden;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_hunyuan_v1_moe = {
    .name = "hunyuan_v1_moe",
    .source = "HunYuanMoEV1Config",
    .defaults = DEFAULTS,
    .read = read,
};
