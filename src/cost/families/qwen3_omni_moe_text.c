// The language model of Qwen3-Omni's thinker: Qwen3-MoE that never slides, with other defaults.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"num_experts", 128},       {"num_experts_per_tok", 8},   {"moe_intermediate_size", 768},
    {"vocab_size", 3584},       {"num_hidden_layers", 28},    {"num_attention_heads", 28},
    {"num_key_value_heads", 4}, {"intermediate_size", 18944}, {0}};

const cost_family cost_family_qwen3_omni_moe_text = {
    .others = "qwen3_omni_moe qwen3_omni_moe_thinker",
    .source = "Qwen3OmniMoeTextConfig",
    .defaults = DEFAULTS,
    .like = &cost_family_qwen3_vl_moe,
};
