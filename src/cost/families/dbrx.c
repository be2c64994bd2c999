// DBRX: Mixtral under other names.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"ffn_config.moe_num_experts", 4},
                                        {"ffn_config.moe_top_k", 1},
                                        {"ffn_config.ffn_hidden_size", 3584},
                                        {"d_model", 2048},
                                        {"vocab_size", 32000},
                                        {"n_layers", 24},
                                        {"n_heads", 16},
                                        {"attn_config.kv_n_heads", 1},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_keys KEYS = {"ffn_config.moe_num_experts", "ffn_config.moe_top_k",
                                           "ffn_config.ffn_hidden_size"};
    uint64_t width = cost_config_need(c, "d_model|hidden_size");
    uint64_t vocab = cost_config_need(c, "vocab_size");
    cost_stack stack =
        cost_stack_of(c, model, width, vocab, cost_config_need(c, "n_layers|num_hidden_layers"));
    cost_dims attention = {.width = width,
                           .input = width,
                           .heads = cost_config_need(c, "n_heads|num_attention_heads"),
                           .kv_heads = cost_config_need(c, "attn_config.kv_n_heads"),
                           .vectors = width};
    cost_config_expect(c, width % attention.heads == 0, "n_heads|num_attention_heads",
                       "must divide d_model, and %d does not divide %d", (int)attention.heads,
                       (int)width);
    cost_config_expect(c, attention.heads % attention.kv_heads == 0, "attn_config.kv_n_heads",
                       "must divide n_heads, and %d does not divide %d", (int)attention.kv_heads,
                       (int)attention.heads);
    attention.head_dim = width / attention.heads;
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_dbrx = {
    .source = "DbrxConfig",
    .defaults = DEFAULTS,
    .read = read,
};
