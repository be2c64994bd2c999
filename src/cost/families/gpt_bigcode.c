// StarCoder as it was first: GPT-2 whose heads share one key and value.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {
    {"n_embd", 768},    {"vocab_size", 50257},      {"n_layer", 12},
    {"n_head", 12},     {"n_inner", COST_NONE},     {"n_positions", 1024},
    {"multi_query", 1}, {"tie_word_embeddings", 1}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    uint64_t width = cost_config_need(c, "n_embd|hidden_size");
    uint64_t vocab = cost_config_need(c, "vocab_size");
    cost_stack stack =
        cost_stack_of(c, model, width, vocab, cost_config_need(c, "n_layer|num_hidden_layers"));
    cost_dims attention = {
        .width = width, .input = width, .heads = cost_config_need(c, "n_head|num_attention_heads")};
    cost_config_expect(c, width % attention.heads == 0, "n_head|num_attention_heads",
                       "must divide n_embd, and %d does not divide %d", (int)attention.heads,
                       (int)width);
    attention.kv_heads = cost_config_flag(c, "multi_query") ? 1 : attention.heads;
    attention.head_dim = width / attention.heads;
    attention.vectors = 2 * width + cost_attention_biases(c, "", "", &attention);
    cost_dims mlp = cost_mlp(c, &stack, 2, cost_config_size(c, "n_inner", 4 * width), "");
    mlp.vectors += 2 * width;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_dims ends = {.width = width, .vocab = vocab}, last = ends;
    ends.positions = cost_config_need(c, "n_positions|max_position_embeddings");
    last.vectors = 2 * width;
    cost_stack_end(c, model, &stack, ends, last);
}

const cost_family cost_family_gpt_bigcode = {
    .source = "GPTBigCodeConfig",
    .defaults = DEFAULTS,
    .read = read,
};
