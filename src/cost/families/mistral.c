// Mistral: a window in every layer, where there is one; no biases, whatever its files say.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 14336}, {"hidden_size", 4096},
                                        {"vocab_size", 32000},        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},   {"head_dim", COST_NONE},
                                        {"num_attention_heads", 32},  {"num_key_value_heads", 8},
                                        {"sliding_window", 4096},     {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .attention_norms = 1, .mlp_norms = 1, .end_norms = 1, .sliding = SLIDES_ALWAYS};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_mistral = {
    .others = "mistral3 pixtral_text",
    .source = "MistralConfig",
    .defaults = DEFAULTS,
    .read = read,
};
