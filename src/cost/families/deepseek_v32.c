// DeepSeek-V3.2: V3 whose indexer picks the tokens that are read.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"index_n_heads", 64},
                                        {"index_head_dim", 128},
                                        {"index_topk", 2048},
                                        {"q_lora_rank", 1536},
                                        {"hidden_size", 7168},
                                        {"vocab_size", 129280},
                                        {"num_hidden_layers", 61},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 128},
                                        {"kv_lora_rank", 512},
                                        {"qk_rope_head_dim", 64},
                                        {"qk_nope_head_dim", 128},
                                        {"v_head_dim", 128},
                                        {"attention_bias", 0},
                                        {"n_routed_experts", 256},
                                        {"num_experts_per_tok", 8},
                                        {"moe_intermediate_size", 2048},
                                        {"n_shared_experts", 1},
                                        {"mlp_layer_types", COST_NONE},
                                        {"intermediate_size", 18432},
                                        {"first_k_dense_replace", 3},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_indexed(c, model, NULL);
}

const cost_family cost_family_deepseek_v32 = {
    .source = "DeepseekV32Config",
    .defaults = DEFAULTS,
    .read = read,
};
