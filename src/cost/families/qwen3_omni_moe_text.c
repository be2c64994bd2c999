// The language model of Qwen3-Omni's thinker: Qwen3-MoE that never slides, with other defaults.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"attention_bias", 0},          {"num_experts", 128},         {"num_experts_per_tok", 8},
    {"moe_intermediate_size", 768}, {"hidden_size", 2048},        {"vocab_size", 3584},
    {"num_hidden_layers", 28},      {"tie_word_embeddings", 0},   {"head_dim", COST_NONE},
    {"num_attention_heads", 28},    {"num_key_value_heads", 4},   {"decoder_sparse_step", 1},
    {"mlp_only_layers", COST_NONE}, {"intermediate_size", 18944}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_mixtures(c, model, &cost_qwen3_moe_traits);
}

const cost_family cost_family_qwen3_omni_moe_text = {
    .others = "qwen3_omni_moe qwen3_omni_moe_thinker",
    .source = "Qwen3OmniMoeTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
