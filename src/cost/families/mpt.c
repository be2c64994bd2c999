// MPT: ALiBi, nothing but matrices and the weights of norms; MLPs of four times the width.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"d_model", 2048},          {"n_heads", 16},
                                        {"n_layers", 24},           {"vocab_size", 50368},
                                        {"tie_word_embeddings", 1}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    uint64_t width = cost_config_need(c, "d_model|hidden_size");
    uint64_t vocab = cost_config_need(c, "vocab_size");
    cost_stack stack =
        cost_stack_of(c, model, width, vocab, cost_config_need(c, "n_layers|num_hidden_layers"));
    cost_dims attention = {.width = width, .input = width, .vectors = width};
    attention.heads = attention.kv_heads = cost_config_need(c, "n_heads|num_attention_heads");
    attention.head_dim = width / attention.heads;
    cost_config_expect(c, width % attention.heads == 0, "n_heads|num_attention_heads",
                       "must divide d_model, and %d does not divide %d", (int)attention.heads,
                       (int)width);
    cost_dims mlp = cost_mlp(c, &stack, 2, 4 * width, NULL);
    mlp.vectors = width;
    if (cost_config_has(c, "expansion_ratio") && cost_config_need(c, "expansion_ratio") != 4)
        cost_config_note(c, "expansion_ratio: 4, as the library has it, whatever the file says");
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_mpt = {
    .source = "MptConfig",
    .defaults = DEFAULTS,
    .read = read,
};
