// What readers of families share.
#include "cost/families.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// --- the stack ---------------------------------------------------------------------------------

static void no_memory(cost_config *c) {
    if (c->status == FV_OK)
        c->status = fv_fail(c->error, FV_NO_MEMORY, "out of memory for a model's layers");
}

cost_stack cost_stack_of(cost_config *c, fv_cost_model *model, uint64_t width, uint64_t vocab,
                         uint64_t n) {
    cost_stack stack = {.width = width, .vocab = vocab, .n = n};
    if (n > COST_MAX_LAYERS) {
        cost_config_wrong(c, "the number of layers", "must be at most %d, not %d", COST_MAX_LAYERS,
                          (int)n);
        stack.n = 0;
        return stack;
    }
    model->n_layers = n + 2;
    model->layers = calloc(model->n_layers, sizeof *model->layers);
    stack.kinds = calloc(2, n);
    stack.others = stack.kinds + n;
    stack.ready = model->layers != NULL && stack.kinds != NULL;
    if (stack.ready) return stack;
    no_memory(c);
    free(stack.kinds);
    stack.kinds = stack.others = NULL;
    stack.n = 0;
    return stack;
}

cost_stack cost_stack_begin(cost_config *c, fv_cost_model *model) {
    uint64_t width = cost_config_need(c, "hidden_size"), vocab = cost_config_need(c, "vocab_size");
    return cost_stack_of(c, model, width, vocab, cost_config_need(c, "num_hidden_layers"));
}

static void add(cost_config *c, fv_cost_model *model, uint64_t layer, cost_kind kind,
                cost_dims dims, uint64_t n_copies) {
    fv_status status = cost_model_add(model, layer, kind, &dims, n_copies);
    if (status == FV_NO_MEMORY) no_memory(c);
    if (status == FV_FORMAT)
        cost_config_wrong(c, "its layers", "have more than %d different parts", COST_MAX_PARTS);
}

void cost_add(cost_config *c, fv_cost_model *model, uint64_t i, cost_kind kind, cost_dims dims,
              uint64_t n_copies) {
    if (c->status == FV_OK) add(c, model, i + 1, kind, dims, n_copies);
}

void cost_stack_end(cost_config *c, fv_cost_model *model, cost_stack *stack, cost_dims embedding,
                    cost_dims end) {
    end.untied = stack->never_tied || !cost_config_flag(c, "tie_word_embeddings");
    if (stack->ready && c->status == FV_OK) {
        add(c, model, 0, COST_EMBEDDING, embedding, 0);
        add(c, model, model->n_layers - 1, COST_UNEMBEDDING, end, 0);
    }
    free(stack->kinds);
    stack->kinds = stack->others = NULL;
}

void cost_stack_end_plain(cost_config *c, fv_cost_model *model, cost_stack *stack) {
    cost_dims ends = {.width = stack->width, .vocab = stack->vocab};
    cost_dims last = ends;
    last.vectors = stack->width;
    cost_stack_end(c, model, stack, ends, last);
}

// --- attention ---------------------------------------------------------------------------------

void cost_read_heads(cost_config *c, const char *head_dim, uint64_t shared, cost_dims *dims) {
    dims->heads = cost_config_need(c, "num_attention_heads|n_head");
    dims->kv_heads = cost_config_size(c, "num_key_value_heads", dims->heads);
    bool fits = dims->heads % dims->kv_heads == 0;
    cost_config_expect(c, fits || !cost_config_has(c, "num_key_value_heads"), "num_key_value_heads",
                       "must divide num_attention_heads, and %d does not divide %d",
                       (int)dims->kv_heads, (int)dims->heads);
    if (!fits) cost_config_note(c, "num_key_value_heads: the default does not divide the heads");
    dims->head_dim = shared / dims->heads;
    bool given = head_dim != NULL && cost_config_says(c, head_dim);
    if (head_dim != NULL) dims->head_dim = cost_config_size(c, head_dim, dims->head_dim);
    if (given || shared % dims->heads == 0) return;
    // Classes that do not look round down.
    cost_config_expect(c, !c->even_heads && shared > dims->heads, "num_attention_heads",
                       "must divide the width that heads share where %s does not give theirs, and "
                       "%d does not divide %" PRIu64,
                       head_dim != NULL ? head_dim : "no field", (int)dims->heads, shared);
    cost_config_note(c,
                     "num_attention_heads: %d do not divide %" PRIu64 "; heads of %" PRIu64
                     ", rounded down as by %s",
                     (int)dims->heads, shared, dims->head_dim, c->source);
}

static bool has_bias(cost_config *c, const char *flag) {
    return flag != NULL && (*flag == '\0' || cost_config_flag(c, flag));
}

uint64_t cost_attention_biases(cost_config *c, const char *qkv, const char *output,
                               const cost_dims *dims) {
    uint64_t biases = 0;
    if (has_bias(c, qkv)) biases += (dims->heads + 2 * dims->kv_heads) * dims->head_dim;
    if (has_bias(c, output)) biases += dims->width;
    return biases;
}

uint64_t cost_qk_norms(const cost_dims *dims) {
    return 2 * dims->head_dim;
}

uint64_t cost_window(cost_config *c, const char *key) {
    return cost_config_get(c, key, 0);
}

static const char *const SLIDING[] = {"full_attention", "sliding_attention", NULL};

void cost_slides(cost_config *c, cost_stack *stack, const char *key, uint64_t pattern) {
    if (cost_config_kinds(c, "layer_types", stack->n, SLIDING, stack->kinds)) return;
    if (key != NULL) pattern = cost_config_need(c, key);
    for (uint64_t i = 0; i < stack->n; i++) stack->kinds[i] = (i + 1) % pattern != 0;
}

void cost_add_attention(cost_config *c, fv_cost_model *model, const cost_stack *stack,
                        cost_kind kind, cost_dims dims, uint64_t window) {
    for (uint64_t i = 0; i < stack->n; i++) {
        dims.window = stack->kinds[i] ? window : 0;
        cost_add(c, model, i, kind, dims, 0);
    }
}

// --- MLPs --------------------------------------------------------------------------

cost_dims cost_mlp(cost_config *c, const cost_stack *stack, uint64_t matrices, uint64_t hidden,
                   const char *bias) {
    cost_dims dims = {.width = stack->width, .matrices = matrices, .hidden = hidden};
    if (has_bias(c, bias)) dims.vectors = (matrices - 1) * hidden + stack->width;
    return dims;
}

// --- attention that has less ------------------------------------------------------------------

cost_dims cost_reading(cost_config *c, cost_dims attention) {
    uint64_t norm = attention.head_dim, biases = 2 * attention.kv_heads * attention.head_dim;
    attention.vectors -= norm + (cost_config_flag(c, "attention_bias") ? biases : 0);
    return attention;
}
