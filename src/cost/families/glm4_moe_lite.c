// GLM-4.7 Flash: DeepSeek-V3 with other defaults, dense and sparse layers as a list may say.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 10240},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 154880},
                                        {"num_hidden_layers", 47},
                                        {"num_attention_heads", 20},
                                        {"kv_lora_rank", 512},
                                        {"q_lora_rank", 768},
                                        {"qk_rope_head_dim", 64},
                                        {"qk_nope_head_dim", 192},
                                        {"v_head_dim", 256},
                                        {"moe_intermediate_size", 1536},
                                        {"n_routed_experts", 64},
                                        {"num_experts_per_tok", 4},
                                        {"n_shared_experts", 1},
                                        {"mlp_layer_types", COST_NONE},
                                        {"first_k_dense_replace", 1},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims latent = cost_latent(c, &stack);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_LATENT, latent, 0);
    cost_add_typed_mlps(c, model, &stack, mixture);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_glm4_moe_lite = {
    .source = "Glm4MoeLiteConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_deepseek_v3,
};
