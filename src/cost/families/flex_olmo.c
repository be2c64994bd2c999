// FlexOlmo: OLMoE, with norms behind its parts.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 11008}, {"hidden_size", 4096},       {"vocab_size", 100352},
    {"num_hidden_layers", 32},    {"num_attention_heads", 32}, {"num_key_value_heads", COST_NONE},
    {"num_experts", 7},           {"num_experts_per_tok", 5},  {0}};

const cost_family cost_family_flex_olmo = {
    .source = "FlexOlmoConfig",
    .defaults = DEFAULTS,
    .like = &cost_family_olmoe,
};
