// GPT-J: one LayerNorm for both parts of a block; biases of the MLP and of the logits.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"n_embd", 4096},
                                        {"vocab_size", 50400},
                                        {"n_layer", 28},
                                        {"n_head", 16},
                                        {"n_inner", COST_NONE},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    uint64_t width = cost_config_need(c, "n_embd|hidden_size");
    uint64_t vocab = cost_config_need(c, "vocab_size");
    cost_stack stack =
        cost_stack_of(c, model, width, vocab, cost_config_need(c, "n_layer|num_hidden_layers"));
    cost_dims attention = {.width = width, .input = width, .vectors = 2 * width};
    attention.heads = attention.kv_heads = cost_config_need(c, "n_head|num_attention_heads");
    attention.head_dim = width / attention.heads;
    cost_config_expect(c, width % attention.heads == 0, "n_head|num_attention_heads",
                       "must divide n_embd, and %d does not divide %d", (int)attention.heads,
                       (int)width);
    cost_dims mlp = cost_mlp(c, &stack, 2, cost_config_size(c, "n_inner", 4 * width), "");
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_dims ends = {.width = width, .vocab = vocab}, last = ends;
    last.vectors = 2 * width + vocab;
    cost_stack_end(c, model, &stack, ends, last);
}

const cost_family cost_family_gptj = {
    .source = "GPTJConfig",
    .defaults = DEFAULTS,
    .read = read,
};
