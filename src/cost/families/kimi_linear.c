// Kimi Linear: a delta rule with a gate for each channel, latent attention in some layers; experts
// as DeepSeek-V3.
#include "cost/families.h"

#include <string.h>

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE},
                                        {"linear_attn_config.num_heads", 32},
                                        {"linear_attn_config.head_dim", 128},
                                        {"linear_attn_config.short_conv_kernel_size", 4},
                                        {"num_local_experts", 256},
                                        {"num_experts_per_tok", 8},
                                        {"moe_intermediate_size", 1024},
                                        {"n_shared_experts", 1},
                                        {"mlp_layer_types", COST_NONE},
                                        {"first_k_dense_replace", 1},
                                        {"intermediate_size", 9216},
                                        {"hidden_size", 2304},
                                        {"vocab_size", 163840},
                                        {"num_hidden_layers", 27},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"kv_lora_rank", 512},
                                        {"q_lora_rank", COST_NONE},
                                        {"qk_rope_head_dim", 64},
                                        {"qk_nope_head_dim", 128},
                                        {"v_head_dim", 128},
                                        {"attention_bias", 0},
                                        {0}};

// kinds: 1 where a layer has latent attention.
static void find_attention(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"linear_attention", "full_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    const json_t *full = cost_config_list(c, "linear_attn_config.full_attn_layers");
    const json_t *linear = cost_config_list(c, "linear_attn_config.kda_layers");
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = i > 0 && i % 4 == 0;
    if (full == NULL || linear == NULL) return;
    memset(stack->kinds, 0, stack->n);
    for (size_t k = 0; k < json_array_size(full); k++) {
        json_int_t layer = json_integer_value(json_array_get(full, k)); // from 1
        bool right = layer >= 1 && (uint64_t)layer <= stack->n;
        cost_config_expect(c, right, "linear_attn_config.full_attn_layers",
                           "must be numbers of layers, 1 to %d", (int)stack->n);
        if (right) stack->kinds[layer - 1] = 1;
    }
}

static cost_dims read_kda(cost_config *c, const cost_stack *stack) {
    cost_dims dims = {
        .width = stack->width,
        .ssm_heads = cost_config_need(c, "linear_attn_config.num_heads|linear_num_heads"),
        .key_dim = cost_config_need(c, "linear_attn_config.head_dim|linear_head_dim"),
        .conv =
            cost_config_need(c, "linear_attn_config.short_conv_kernel_size|linear_conv_kernel_dim"),
        .scan = COST_DELTA_CHUNK,
        .float_state = 1,
        .vectors = stack->width};
    dims.inner = dims.ssm_heads * dims.key_dim;
    return dims;
}

static cost_dims read_mixture(cost_config *c, const cost_stack *stack) {
    static const cost_mixture_keys KEYS = {"num_experts|num_local_experts|n_routed_experts",
                                           "num_experts_per_token|num_experts_per_tok",
                                           "moe_intermediate_size"};
    cost_dims mixture = cost_mixture(c, stack, KEYS);
    mixture.shared_hidden =
        cost_config_count(c, "num_shared_experts|n_shared_experts") * mixture.expert_hidden;
    mixture.routing_bias = mixture.experts;
    mixture.vectors = stack->width;
    return mixture;
}

static void read(cost_config *c, fv_cost_model *model) {
    static const char *const MLPS[] = {"dense", "sparse", NULL};
    cost_stack stack = cost_stack_begin(c, model);
    find_attention(c, &stack);
    uint64_t n_full = 0, n_dense = 0;
    for (uint64_t i = 0; i < stack.n; i++) n_full += stack.kinds[i];
    cost_dims latent = {0}, kda = {0};
    if (n_full > 0) latent = cost_latent(c, &stack);
    if (n_full < stack.n) kda = read_kda(c, &stack);
    if (!cost_config_kinds(c, "mlp_layer_types", stack.n, MLPS, stack.others)) {
        uint64_t first = cost_config_count(c, "first_k_dense_replace");
        for (uint64_t i = first; i < stack.n; i++) stack.others[i] = 1;
    }
    for (uint64_t i = 0; i < stack.n; i++) n_dense += !stack.others[i];
    cost_dims mixture = {0}, mlp = {0};
    if (n_dense < stack.n) mixture = read_mixture(c, &stack);
    if (n_dense > 0) mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, stack.kinds[i] ? COST_LATENT : COST_KDA,
                 stack.kinds[i] ? latent : kda, 0);
        cost_add(c, model, i, stack.others[i] ? COST_EXPERTS : COST_MLP,
                 stack.others[i] ? mixture : mlp, 0);
    }
    stack.never_tied = true;
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_kimi_linear = {
    .source = "KimiLinearConfig",
    .defaults = DEFAULTS,
    .read = read,
};
