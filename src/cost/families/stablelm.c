// StableLM: LayerNorms, one of them shared where the parts of a block are parallel.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"use_qkv_bias", 0},
                                        {"qk_layernorm", 0},
                                        {"intermediate_size", 6912},
                                        {"use_parallel_residual", 0},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 50304},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 32},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "use_qkv_bias", .attention_norms = 2, .no_head_dim = true};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    if (cost_config_flag(c, "qk_layernorm"))
        attention.vectors += (attention.heads + attention.kv_heads) * attention.head_dim;
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    if (!cost_config_flag(c, "use_parallel_residual")) mlp.vectors += 2 * stack.width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_dims ends = {.width = stack.width, .vocab = stack.vocab}, last = ends;
    last.vectors = 2 * stack.width;
    cost_stack_end(c, model, &stack, ends, last);
}

const cost_family cost_family_stablelm = {
    .source = "StableLmConfig",
    .defaults = DEFAULTS,
    .read = read,
    .even_heads = true,
};
