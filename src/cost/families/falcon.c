// Falcon: one key and value for all heads, or groups in the newer models; one or two LayerNorms.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"hidden_size", 4544},
                                        {"vocab_size", 65024},
                                        {"num_hidden_layers", 32},
                                        {"num_attention_heads", 71},
                                        {"num_kv_heads", COST_NONE},
                                        {"new_decoder_architecture", 0},
                                        {"multi_query", 1},
                                        {"parallel_attn", 1},
                                        {"bias", 0},
                                        {"num_ln_in_parallel_attn", COST_NONE},
                                        {"ffn_hidden_size", COST_NONE},
                                        {"tie_word_embeddings", 1},
                                        {0}};

// How many LayerNorms stand before the parts of a block.
static uint64_t count_norms(cost_config *c, bool grouped) {
    if (!cost_config_flag(c, "parallel_attn")) return 2;
    return cost_config_get(c, "num_ln_in_parallel_attn", grouped ? 2 : 1) == 2 ? 2 : 1;
}

static void read(cost_config *c, fv_cost_model *model) {
    uint64_t width = cost_config_need(c, "hidden_size"), vocab = cost_config_need(c, "vocab_size");
    cost_stack stack =
        cost_stack_of(c, model, width, vocab, cost_config_need(c, "num_hidden_layers|n_layer"));
    cost_dims attention = {.width = width, .input = width};
    attention.heads = attention.kv_heads = cost_config_need(c, "num_attention_heads|n_head");
    cost_config_expect(c, width % attention.heads == 0, "num_attention_heads|n_head",
                       "must divide hidden_size, and %d does not divide %d", (int)attention.heads,
                       (int)width);
    attention.head_dim = width / attention.heads;
    bool grouped = cost_config_flag(c, "new_decoder_architecture");
    if (grouped) {
        attention.kv_heads = cost_config_size(c, "num_kv_heads|n_head_kv", attention.heads);
        cost_config_expect(c, attention.heads % attention.kv_heads == 0, "num_kv_heads|n_head_kv",
                           "must divide the %d heads, and %d does not", (int)attention.heads,
                           (int)attention.kv_heads);
    } else if (cost_config_flag(c, "multi_query")) {
        attention.kv_heads = 1;
    }
    attention.vectors =
        2 * width * count_norms(c, grouped) + cost_attention_biases(c, "bias", "bias", &attention);
    cost_dims mlp =
        cost_mlp(c, &stack, 2, cost_config_size(c, "ffn_hidden_size", 4 * width), "bias");
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_dims ends = {.width = width, .vocab = vocab}, last = ends;
    last.vectors = 2 * width;
    cost_stack_end(c, model, &stack, ends, last);
}

const cost_family cost_family_falcon = {
    .others = "RefinedWeb RefinedWebModel",
    .source = "FalconConfig",
    .defaults = DEFAULTS,
    .read = read,
};
