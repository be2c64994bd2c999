// Which layers have experts, and which an MLP.
#include "cost/families.h"

cost_dims cost_mixture(cost_config *c, const cost_stack *stack, cost_mixture_keys keys) {
    cost_dims dims = {.width = stack->width,
                      .matrices = 3,
                      .experts = cost_config_need(c, keys.experts),
                      .expert_hidden = cost_config_need(c, keys.hidden)};
    dims.choices = dims.experts;
    // DeepseekV2Config alone has none; all of them are the most that can be.
    dims.active = cost_config_size(c, keys.active, dims.experts);
    cost_config_expect(c, dims.active <= dims.experts, keys.active,
                       "must be at most the %d experts of a layer, not %d", (int)dims.experts,
                       (int)dims.active);
    return dims;
}

cost_dims cost_deepseek_mixture(cost_config *c, const cost_stack *stack) {
    static const cost_mixture_keys KEYS = {"n_routed_experts|num_local_experts|num_experts",
                                           "num_experts_per_tok", "moe_intermediate_size"};
    cost_dims dims = cost_mixture(c, stack, KEYS);
    dims.routing_bias = dims.experts;
    return dims;
}

void cost_read_shared(cost_config *c, cost_dims *mixture) {
    mixture->shared_hidden = cost_config_get(c, "n_shared_experts", 0) * mixture->expert_hidden;
}

void cost_add_mlps(cost_config *c, fv_cost_model *model, cost_stack *stack, cost_dims mixture,
                   const char *bias) {
    uint64_t n_dense = 0;
    for (uint64_t i = 0; i < stack->n; i++) n_dense += !stack->others[i];
    // A file of experts alone need not say how wide a dense layer would be.
    uint64_t hidden = n_dense > 0 ? cost_config_need(c, "intermediate_size") : 0;
    cost_dims mlp = cost_mlp(c, stack, 3, hidden, bias);
    mlp.vectors += stack->width;
    for (uint64_t i = 0; i < stack->n; i++)
        cost_add(c, model, i, stack->others[i] ? COST_EXPERTS : COST_MLP,
                 stack->others[i] ? mixture : mlp, 0);
}

void cost_add_sparse_mlps(cost_config *c, fv_cost_model *model, cost_stack *stack,
                          cost_dims mixture) {
    uint64_t step = cost_config_need(c, "decoder_sparse_step");
    cost_config_marks(c, "mlp_only_layers", stack->n, stack->others);
    for (uint64_t i = 0; i < stack->n; i++)
        stack->others[i] = !stack->others[i] && (i + 1) % step == 0;
    cost_add_mlps(c, model, stack, mixture, NULL);
}

void cost_add_first_dense(cost_config *c, fv_cost_model *model, cost_stack *stack,
                          cost_dims mixture, const char *bias) {
    uint64_t first = cost_config_count(c, "first_k_dense_replace");
    if (first >= stack->n)
        cost_config_note(c, "first_k_dense_replace: %d of %d layers, so that none has experts",
                         (int)first, (int)stack->n);
    // Older code had experts in every so many layers only; the library does not ask.
    if (cost_config_has(c, "moe_layer_freq") && cost_config_need(c, "moe_layer_freq") != 1)
        cost_config_note(c, "moe_layer_freq: 1, as the library has it, whatever the file says");
    for (uint64_t i = first; i < stack->n; i++) stack->others[i] = 1;
    cost_add_mlps(c, model, stack, mixture, bias);
}

void cost_add_typed_mlps(cost_config *c, fv_cost_model *model, cost_stack *stack,
                         cost_dims mixture) {
    static const char *const TYPES[] = {"dense", "sparse", NULL};
    if (cost_config_kinds(c, "mlp_layer_types", stack->n, TYPES, stack->others))
        cost_add_mlps(c, model, stack, mixture, NULL);
    else
        cost_add_first_dense(c, model, stack, mixture, NULL);
}

cost_dims cost_qwen_mixture(cost_config *c, const cost_stack *stack) {
    static const cost_mixture_keys KEYS = {"num_experts", "num_experts_per_tok",
                                           "moe_intermediate_size"};
    cost_dims mixture = cost_mixture(c, stack, KEYS);
    mixture.vectors += stack->width;
    mixture.shared_hidden = cost_config_count(c, "shared_expert_intermediate_size");
    mixture.shared_gate = 1;
    return mixture;
}

void cost_read_mixtures_behind(cost_config *c, fv_cost_model *model, cost_stack *stack,
                               const cost_mixture_traits *traits, cost_dims attention,
                               uint64_t window) {
    cost_dims mixture = cost_mixture(c, stack, traits->keys);
    mixture.vectors += stack->width;
    if (traits->shared_like_one) mixture.shared_hidden = mixture.expert_hidden;
    if (traits->routing_bias) mixture.routing_bias = mixture.experts;
    cost_add_attention(c, model, stack, COST_ATTENTION, attention, window);
    if (traits->sparse)
        cost_add_sparse_mlps(c, model, stack, mixture);
    else
        for (uint64_t i = 0; i < stack->n; i++) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    cost_stack_end_plain(c, model, stack);
}

void cost_read_mixtures(cost_config *c, fv_cost_model *model, const cost_mixture_traits *traits) {
    uint64_t window;
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims attention = cost_transformer_attention(c, &stack, &traits->attention, &window);
    cost_read_mixtures_behind(c, model, &stack, traits, attention, window);
}

const cost_mixture_traits cost_qwen3_moe_traits = {
    .attention = {.qkv_bias = "attention_bias",
                  .output_bias = "attention_bias",
                  .qk_norm = true,
                  .attention_norms = 1},
    .keys = {"num_experts|num_local_experts", "num_experts_per_tok", "moe_intermediate_size"},
    .sparse = true};
