// Ministral 3: Mistral with another default of the window and a head_dim of its own.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 14336},  {"hidden_size", 4096},
                                        {"vocab_size", 131072},        {"num_hidden_layers", 34},
                                        {"tie_word_embeddings", 0},    {"head_dim", 128},
                                        {"num_attention_heads", 32},   {"num_key_value_heads", 8},
                                        {"sliding_window", COST_NONE}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .attention_norms = 1, .mlp_norms = 1, .end_norms = 1, .sliding = SLIDES_ALWAYS};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_ministral3 = {
    .source = "Ministral3Config",
    .defaults = DEFAULTS,
    .read = read,
};
