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

void cost_read_indexed(cost_config *c, fv_cost_model *model,
                       void (*find)(cost_config *c, cost_stack *stack)) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims latent = cost_latent(c, &stack);
    latent.index_heads = cost_config_need(c, "index_n_heads");
    latent.index_dim = cost_config_need(c, "index_head_dim");
    latent.topk = cost_config_need(c, "index_topk");
    cost_config_expect(c, latent.query_rank > 0, "q_lora_rank",
                       "must be a whole number from 1, as the indexer reads the compressed query");
    cost_dims mixture = cost_deepseek_mixture(c, &stack);
    cost_read_shared(c, &mixture);
    mixture.vectors += stack.width;
    cost_dims indexed = latent;
    indexed.vectors += 2 * latent.index_dim; // a LayerNorm

    if (find != NULL) find(c, &stack);
    for (uint64_t i = 0; i < stack.n; i++)
        cost_add(c, model, i, stack.kinds[i] ? COST_PICKING_LATENT : COST_INDEXED_LATENT,
                 stack.kinds[i] ? latent : indexed, 0);
    cost_add_typed_mlps(c, model, &stack, mixture);
    cost_stack_end_plain(c, model, &stack);
}
