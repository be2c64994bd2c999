// DeepSeek-V3: latent attention, experts behind a few dense layers, chosen with a bias.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"hidden_size", 7168},        {"vocab_size", 129280},          {"num_hidden_layers", 61},
    {"tie_word_embeddings", 0},   {"num_attention_heads", 128},    {"kv_lora_rank", 512},
    {"q_lora_rank", 1536},        {"qk_rope_head_dim", 64},        {"qk_nope_head_dim", 128},
    {"v_head_dim", 128},          {"attention_bias", 0},           {"n_routed_experts", 256},
    {"num_experts_per_tok", 8},   {"moe_intermediate_size", 2048}, {"n_shared_experts", 1},
    {"first_k_dense_replace", 3}, {"intermediate_size", 18432},    {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims latent = cost_latent(c, &stack);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_LATENT, latent, 0);
    cost_add_first_dense(c, model, &stack, mixture, NULL);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_deepseek_v3 = {
    .source = "DeepseekV3Config",
    .defaults = DEFAULTS,
    .read = read,
};
