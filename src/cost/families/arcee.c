// AFM: Llama with an MLP of two matrices.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 18432},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 32000},
                                        {"num_hidden_layers", 32},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {"head_dim", COST_NONE},
                                        {"attention_bias", 0},
                                        {"mlp_bias", 0},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.mlp_bias = "mlp_bias",
                                       .plain = true,
                                       .qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_arcee = {
    .source = "ArceeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
