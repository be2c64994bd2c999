// MiniCPM 3: latent attention, and a dense MLP.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 6400}, {"hidden_size", 2560},
                                        {"vocab_size", 73448},       {"num_hidden_layers", 62},
                                        {"num_attention_heads", 40}, {"kv_lora_rank", 256},
                                        {"q_lora_rank", 768},        {"qk_rope_head_dim", 32},
                                        {"qk_nope_head_dim", 64},    {"v_head_dim", 64},
                                        {"attention_bias", 0},       {"mlp_bias", 0},
                                        {"tie_word_embeddings", 1},  {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims latent = cost_latent(c, &stack);
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), "mlp_bias");
    mlp.vectors += stack.width;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_LATENT, latent, 0);
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_minicpm3 = {
    .source = "MiniCPM3Config",
    .defaults = DEFAULTS,
    .read = read,
};
