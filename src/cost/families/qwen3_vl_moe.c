// The language model of Qwen3-VL-MoE: Qwen3-MoE that never slides; the class around it, without which
// it is not loaded, says that it is not tied.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"attention_bias", 0},           {"num_experts", 60},         {"num_experts_per_tok", 4},
    {"moe_intermediate_size", 1408}, {"hidden_size", 2048},       {"vocab_size", 151936},
    {"num_hidden_layers", 24},       {"tie_word_embeddings", 0},  {"head_dim", COST_NONE},
    {"num_attention_heads", 16},     {"num_key_value_heads", 16}, {"decoder_sparse_step", 1},
    {"mlp_only_layers", COST_NONE},  {"intermediate_size", 5632}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_mixtures(c, model, &cost_qwen3_moe_traits);
}

const cost_family cost_family_qwen3_vl_moe = {
    .others = "qwen3_vl_moe_text",
    .source = "Qwen3VLMoeTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
