// ERNIE 4.5: experts in the layers between two, with biases everywhere but in the experts.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"use_bias", 0},
                                        {"moe_num_experts", 64},
                                        {"moe_k", 6},
                                        {"moe_intermediate_size", 1536},
                                        {"moe_layer_interval", 1},
                                        {"moe_num_shared_experts", 2},
                                        {"moe_layer_start_index", 1},
                                        {"moe_layer_end_index", -1},
                                        {"intermediate_size", 12288},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 103424},
                                        {"num_hidden_layers", 28},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 20},
                                        {"num_key_value_heads", 4},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "use_bias", .output_bias = "use_bias", .attention_norms = 1};
    static const cost_mixture_keys KEYS = {"moe_num_experts|num_experts",
                                           "moe_k|num_experts_per_tok", "moe_intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window, interval = cost_config_need(c, "moe_layer_interval");
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    bool biased = cost_config_flag(c, "use_bias");
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width + mixture.experts; // those that choose are trained here
    mixture.shared_hidden = cost_config_count(c, "moe_num_shared_experts") * mixture.expert_hidden;
    if (biased && mixture.shared_hidden > 0)
        mixture.vectors += 2 * mixture.shared_hidden + stack.width;
    uint64_t first = cost_config_count(c, "moe_layer_start_index"), last = stack.n;
    const json_t *end = cost_config_find(c, "moe_layer_end_index");
    if (json_is_integer(end) && json_integer_value(end) >= 0)
        last = (uint64_t)json_integer_value(end);
    cost_dims mlp =
        cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), biased ? "" : NULL);
    mlp.vectors += stack.width;
    cost_add_attention(c, model, &stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack.n; i++) {
        bool mixes = (i + 1) % interval == 0 && i >= first && i <= last;
        cost_add(c, model, i, mixes ? COST_EXPERTS : COST_MLP, mixes ? mixture : mlp, 0);
    }
    cost_dims ends = {.width = stack.width, .vocab = stack.vocab}, unembedding = ends;
    unembedding.vectors = stack.width + (biased ? stack.vocab : 0);
    cost_stack_end(c, model, &stack, ends, unembedding);
}

const cost_family cost_family_ernie4_5_moe = {
    .source = "Ernie4_5_MoeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
