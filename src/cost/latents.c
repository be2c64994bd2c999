// Latent attention as DeepSeek has it.
#include "cost/families.h"

// num_key_value_heads stands in these files too, and says nothing about the cache: what is kept is
// one compressed vector a token, and the rotary part of its key.
cost_dims cost_latent(cost_config *c, const cost_stack *stack) {
    cost_dims dims = {.width = stack->width,
                      .heads = cost_config_need(c, "num_attention_heads"),
                      .kv_rank = cost_config_need(c, "kv_lora_rank"),
                      .query_rank = cost_config_size(c, "q_lora_rank", 0),
                      .rope = cost_config_need(c, "qk_rope_head_dim"),
                      .nope = cost_config_need(c, "qk_nope_head_dim"),
                      .value_dim = cost_config_need(c, "v_head_dim")};
    dims.query_input = dims.query_rank ? dims.query_rank : stack->width;
    dims.vectors = stack->width + dims.query_rank + dims.kv_rank; // norms
    if (cost_config_flag(c, "attention_bias"))
        dims.vectors += dims.query_rank + dims.kv_rank + dims.rope + stack->width;
    return dims;
}
