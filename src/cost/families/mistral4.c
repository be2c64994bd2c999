// Mistral 4: DeepSeek-V3 whose experts are chosen without a bias.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 12288},    {"hidden_size", 4096},
                                        {"vocab_size", 131072},          {"num_hidden_layers", 36},
                                        {"num_attention_heads", 32},     {"kv_lora_rank", 256},
                                        {"q_lora_rank", 1024},           {"qk_rope_head_dim", 64},
                                        {"qk_nope_head_dim", 64},        {"v_head_dim", 128},
                                        {"moe_intermediate_size", 2048}, {"n_routed_experts", 128},
                                        {"num_experts_per_tok", 4},      {"n_shared_experts", 1},
                                        {"first_k_dense_replace", 0},    {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims latent = cost_latent(c, &stack);
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    mixture.routing_bias = 0;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_LATENT, latent, 0);
    cost_add_first_dense(c, model, &stack, mixture, NULL);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_mistral4 = {
    .source = "Mistral4Config",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_deepseek_v3,
};
