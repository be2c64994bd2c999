// BLOOM: ALiBi, biases everywhere, a norm of the embedding.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"hidden_size", 64},
                                        {"n_layer", 2},
                                        {"n_head", 8},
                                        {"vocab_size", 250880},
                                        {"tie_word_embeddings", 1},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    uint64_t width = cost_config_need(c, "hidden_size|n_embed");
    uint64_t vocab = cost_config_need(c, "vocab_size");
    cost_stack stack =
        cost_stack_of(c, model, width, vocab, cost_config_need(c, "n_layer|num_hidden_layers"));
    cost_dims attention = {.width = width, .input = width};
    cost_read_heads(c, NULL, width, &attention);
    attention.vectors = 6 * width; // four biases, a norm's weight and bias
    cost_dims mlp = cost_mlp(c, &stack, 2, 4 * width, "");
    mlp.vectors += 2 * width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_dims ends = {.width = width, .vocab = vocab, .vectors = 2 * width};
    cost_stack_end(c, model, &stack, ends, ends);
}

const cost_family cost_family_bloom = {
    .source = "BloomConfig",
    .defaults = DEFAULTS,
    .read = read,
    .even_heads = true,
};
