// The language model of Gemma 4 Unified: Gemma 4 without experts and embeddings of each layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"head_dim", 256},
                                        {"global_head_dim", 512},
                                        {"num_global_key_value_heads", COST_NONE},
                                        {"attention_k_eq_v", 0},
                                        {"attention_bias", 0},
                                        {"sliding_window", 1024},
                                        {"use_bidirectional_attention", COST_NONE},
                                        {"num_kv_shared_layers", 0},
                                        {"num_key_value_heads", 4},
                                        {"use_double_wide_mlp", 0},
                                        {"intermediate_size", 9216},
                                        {"hidden_size", 2304},
                                        {"vocab_size", 262144},
                                        {"num_hidden_layers", 30},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 8},
                                        {"layer_types", COST_NONE},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_gemma4(c, model, true);
}

const cost_family cost_family_gemma4_unified_text = {
    .others = "gemma4_unified",
    .source = "Gemma4UnifiedTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
