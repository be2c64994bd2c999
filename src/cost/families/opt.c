// OPT: learned positions behind two that nothing uses, and embeddings that may be narrower.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"num_attention_heads", 12},
                                        {"layer_norm_elementwise_affine", 1},
                                        {"enable_bias", 1},
                                        {"ffn_dim", 3072},
                                        {"word_embed_proj_dim", COST_NONE},
                                        {"do_layer_norm_before", 1},
                                        {"_remove_final_layer_norm", 0},
                                        {"max_position_embeddings", 2048},
                                        {"hidden_size", 768},
                                        {"vocab_size", 50272},
                                        {"num_hidden_layers", 12},
                                        {"tie_word_embeddings", 1},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t width = stack.width, heads = cost_config_need(c, "num_attention_heads");
    cost_dims attention = {.width = width, .input = width, .heads = heads, .kv_heads = heads};
    cost_config_expect(c, width % heads == 0, "num_attention_heads",
                       "must divide hidden_size, and %d does not divide %d", (int)heads,
                       (int)width);
    attention.head_dim = width / heads;
    bool weighted = cost_config_flag(c, "layer_norm_elementwise_affine");
    uint64_t norm = weighted ? 2 * width : 0;
    attention.vectors = norm + cost_attention_biases(c, "enable_bias", "enable_bias", &attention);
    cost_dims mlp = cost_mlp(c, &stack, 2, cost_config_need(c, "ffn_dim"), "enable_bias");
    mlp.vectors += norm;
    uint64_t narrow = cost_config_size(c, "word_embed_proj_dim", width);
    cost_dims in = {.input = narrow, .output = width}, out = {.input = width, .output = narrow};
    for (uint64_t i = 0; i < stack.n; i++) {
        if (i == 0 && narrow != width) cost_add(c, model, i, COST_LINEAR, in, 0);
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
        if (i + 1 == stack.n && narrow != width) cost_add(c, model, i, COST_LINEAR, out, 0);
    }
    bool ends_in_norm = cost_config_flag(c, "do_layer_norm_before") &&
                        !cost_config_flag(c, "_remove_final_layer_norm");
    cost_dims ends = {.width = narrow, .vocab = stack.vocab}, last = ends;
    // The positions are as wide as the stream: two rows of them are there for nothing.
    uint64_t rows = cost_config_need(c, "max_position_embeddings") + 2;
    ends.vectors = rows * width;
    last.vectors = ends_in_norm ? norm : 0;
    cost_stack_end(c, model, &stack, ends, last);
}

const cost_family cost_family_opt = {
    .source = "OPTConfig",
    .defaults = DEFAULTS,
    .read = read,
};
