// DeepSeek-V2: latent attention, experts behind a few dense layers.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"mlp_bias", 0},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 102400},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"kv_lora_rank", 512},
                                        {"q_lora_rank", 1536},
                                        {"qk_rope_head_dim", 64},
                                        {"qk_nope_head_dim", 128},
                                        {"v_head_dim", 128},
                                        {"attention_bias", 0},
                                        {"n_routed_experts", 64},
                                        {"num_experts_per_tok", COST_NONE},
                                        {"moe_intermediate_size", 1407},
                                        {"n_shared_experts", 2},
                                        {"first_k_dense_replace", 0},
                                        {"intermediate_size", 11008},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims latent = cost_latent(c, &stack);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    mixture.routing_bias = 0;
    const char *bias = cost_config_flag(c, "mlp_bias") ? "" : NULL;
    if (bias != NULL && mixture.shared_hidden > 0)
        mixture.vectors += 2 * mixture.shared_hidden + stack.width;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_LATENT, latent, 0);
    cost_add_first_dense(c, model, &stack, mixture, bias);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_deepseek_v2 = {
    .source = "DeepseekV2Config",
    .defaults = DEFAULTS,
    .read = read,
};
