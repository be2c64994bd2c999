// Mixtral: experts in every layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"num_local_experts", 8},   {"num_experts_per_tok", 2},    {"intermediate_size", 14336},
    {"hidden_size", 4096},      {"vocab_size", 32000},         {"num_hidden_layers", 32},
    {"tie_word_embeddings", 0}, {"head_dim", COST_NONE},       {"num_attention_heads", 32},
    {"num_key_value_heads", 8}, {"sliding_window", COST_NONE}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_traits TRAITS = {
        .attention = {.attention_norms = 1, .sliding = SLIDES_ALWAYS},
        .keys = {"num_local_experts|num_experts", "num_experts_per_tok", "intermediate_size"}};
    cost_read_mixtures(c, model, &TRAITS);
}

const cost_family cost_family_mixtral = {
    .source = "MixtralConfig",
    .defaults = DEFAULTS,
    .read = read,
};
