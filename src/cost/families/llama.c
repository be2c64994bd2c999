// Llama, and what keeps to it.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_bias", 0},
                                        {"mlp_bias", 0},
                                        {"intermediate_size", 11008},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 32000},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", COST_NONE},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_transformer(c, model, &cost_llama_traits);
}

const cost_family cost_family_llama = {
    .others = "llava llava_llama llava_next vipllava",
    .source = "LlamaConfig",
    .defaults = DEFAULTS,
    .read = read,
    .even_heads = true,
};
