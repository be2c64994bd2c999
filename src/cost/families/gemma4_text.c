// Gemma 4: full layers have heads of their own width; embeddings of each layer; last layers may
// read the keys of earlier ones, full ones may take keys for values; experts beside the MLP where
// asked for.
#include "cost/families.h"

#include <stdio.h>
#include <string.h>

static const cost_default DEFAULTS[] = {{"head_dim", 256},
                                        {"global_head_dim", 512},
                                        {"num_global_key_value_heads", COST_NONE},
                                        {"attention_k_eq_v", 0},
                                        {"attention_bias", 0},
                                        {"sliding_window", 512},
                                        {"use_bidirectional_attention", COST_NONE},
                                        {"num_kv_shared_layers", 0},
                                        {"num_key_value_heads", 4},
                                        {"num_experts", COST_NONE},
                                        {"top_k_experts", COST_NONE},
                                        {"moe_intermediate_size", COST_NONE},
                                        {"use_double_wide_mlp", 0},
                                        {"intermediate_size", 9216},
                                        {"enable_moe_block", 0},
                                        {"hidden_size_per_layer_input", 256},
                                        {"vocab_size_per_layer_input", 262144},
                                        {"hidden_size", 2304},
                                        {"vocab_size", 262144},
                                        {"num_hidden_layers", 30},
                                        {"tie_word_embeddings", 1},
                                        {"num_attention_heads", 8},
                                        {"layer_types", COST_NONE},
                                        {0}};

// What differs between layers: per_layer_config, or the fields that files had before it.
typedef struct heads {
    uint64_t head_dim, kv_heads;
} heads;

static const json_t *find_own(const json_t *configs, uint64_t i, const char *key) {
    char name[24];
    snprintf(name, sizeof name, "%d", (int)i);
    const json_t *own = json_object_get(configs, name);
    snprintf(name, sizeof name, "%02d", (int)i); // as the library saves them
    if (own == NULL) own = json_object_get(configs, name);
    return json_object_get(own, key);
}

static uint64_t own_number(cost_config *c, const json_t *configs, uint64_t i, const char *key,
                           uint64_t otherwise) {
    const json_t *value = find_own(configs, i, key);
    if (value == NULL || json_is_null(value)) return otherwise;
    json_int_t number = json_integer_value(value);
    cost_config_expect(c, number > 0 && number <= INT32_MAX, "per_layer_config",
                       "must have whole numbers from 1, and %s of layer %d is none", key, (int)i);
    return number > 0 && number <= INT32_MAX ? (uint64_t)number : otherwise;
}

typedef struct reader {
    cost_stack stack;
    cost_dims attention; // of a sliding layer
    heads full;
    uint64_t window, n_reading;
    bool same, biased; // keys are values in full layers
} reader;

static void read_heads(cost_config *c, reader *r) {
    cost_read_heads(c, "head_dim", r->stack.width, &r->attention);
    r->full = (heads){r->attention.head_dim, r->attention.kv_heads};
    if (cost_config_has(c, "per_layer_config")) return;
    r->full.head_dim = cost_config_need(c, "global_head_dim");
    if (r->same) r->full.kv_heads = cost_config_get(c, "num_global_key_value_heads", 0);
    if (r->full.kv_heads == 0) r->full.kv_heads = r->attention.kv_heads;
}

static reader begin(cost_config *c, fv_cost_model *model) {
    reader r = {.stack = cost_stack_begin(c, model)};
    r.attention = (cost_dims){.width = r.stack.width, .input = r.stack.width};
    r.same = cost_config_flag(c, "attention_k_eq_v");
    r.biased = cost_config_flag(c, "attention_bias");
    read_heads(c, &r);
    r.window = cost_window(c, "sliding_window");
    const char *both = json_string_value(cost_config_find(c, "use_bidirectional_attention"));
    if (both != NULL && strcmp(both, "all") == 0) r.window = r.window / 2 + 1;
    cost_slides(c, &r.stack, NULL, 6);
    if (r.stack.n > 0) r.stack.kinds[r.stack.n - 1] = 0; // the last layer sees everything
    r.n_reading = cost_config_count(c, "num_kv_shared_layers");
    cost_config_expect(c, r.n_reading <= r.stack.n, "num_kv_shared_layers",
                       "must be at most the %d layers, not %d", (int)r.stack.n, (int)r.n_reading);
    return r;
}

static void add_attention(cost_config *c, fv_cost_model *model, const reader *r,
                          const json_t *configs, uint64_t i) {
    bool slides = r->stack.kinds[i], reads = i + r->n_reading >= r->stack.n;
    bool same = r->same && !slides;
    cost_dims d = r->attention;
    d.window = slides ? r->window : 0;
    d.head_dim = own_number(c, configs, i, "head_dim", slides ? d.head_dim : r->full.head_dim);
    d.kv_heads =
        own_number(c, configs, i, "num_key_value_heads", slides ? d.kv_heads : r->full.kv_heads);
    d.vectors = 2 * d.width + (reads ? 1 : 2) * d.head_dim;
    uint64_t kv_maps = reads ? 0 : same ? 1 : 2;
    if (r->biased) d.vectors += (d.heads + kv_maps * d.kv_heads) * d.head_dim + d.width;
    cost_kind kind = reads ? COST_READING_ATTENTION : same ? COST_KEY_ATTENTION : COST_ATTENTION;
    cost_add(c, model, i, kind, d, 0);
}

static void add_mlps(cost_config *c, fv_cost_model *model, const reader *r, bool unified) {
    static const cost_mixture_keys KEYS = {"num_experts", "top_k_experts", "moe_intermediate_size"};
    const cost_stack *stack = &r->stack;
    bool wide = r->n_reading > 0 && cost_config_flag(c, "use_double_wide_mlp");
    cost_dims mlp = cost_mlp(c, stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += 2 * stack->width;
    bool mixes = !unified && cost_config_flag(c, "enable_moe_block");
    cost_dims mixture = {0};
    if (mixes) {
        mixture = cost_mixture(c, stack, KEYS);
        mixture.vectors += 4 * stack->width + mixture.experts; // norms, the router's scales
    }
    for (uint64_t i = 0; i < stack->n; i++) {
        cost_dims here = mlp;
        if (wide && i + r->n_reading >= stack->n) here.hidden *= 2;
        cost_add(c, model, i, COST_MLP, here, 0);
        if (mixes) cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    }
}

static void add_layer_embeddings(cost_config *c, fv_cost_model *model, const cost_stack *stack) {
    uint64_t width = stack->width, rank = cost_config_count(c, "hidden_size_per_layer_input");
    if (rank == 0) return;
    cost_dims gate = {.width = width, .rank = rank, .output = width, .vectors = width};
    cost_dims embedding = {.width = width,
                           .rank = rank,
                           .layers = stack->n,
                           .vocab = cost_config_need(c, "vocab_size_per_layer_input"),
                           .vectors = rank};
    cost_add(c, model, 0, COST_LAYER_EMBEDDING, embedding, 0);
    for (uint64_t i = 0; i < stack->n; i++) cost_add(c, model, i, COST_ADAPTER, gate, 0);
}

void cost_read_gemma4(cost_config *c, fv_cost_model *model, bool unified) {
    reader r = begin(c, model);
    const json_t *configs = cost_config_find(c, "per_layer_config");
    for (uint64_t i = 0; i < r.stack.n; i++) add_attention(c, model, &r, configs, i);
    add_mlps(c, model, &r, unified);
    if (!unified) add_layer_embeddings(c, model, &r.stack);
    cost_stack_end_plain(c, model, &r.stack);
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_gemma4(c, model, false);
}

const cost_family cost_family_gemma4_text = {
    .others = "gemma4",
    .source = "Gemma4TextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
