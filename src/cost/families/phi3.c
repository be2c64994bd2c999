// Phi-3: fused maps have the sizes of those they are fused from.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"intermediate_size", 8192},        {"hidden_size", 3072},         {"vocab_size", 32064},
    {"num_hidden_layers", 32},          {"tie_word_embeddings", 0},    {"num_attention_heads", 32},
    {"num_key_value_heads", COST_NONE}, {"sliding_window", COST_NONE}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .attention_norms = 1, .mlp_norms = 1, .end_norms = 1, .sliding = SLIDES_ALWAYS};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_phi3 = {
    .source = "Phi3Config",
    .defaults = DEFAULTS,
    .read = read,
};
