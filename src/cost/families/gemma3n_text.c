// Gemma 3n: embeddings of each layer, four copies of the residual stream, and last layers that
// read the keys of earlier ones.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"intermediate_size", 16384},
                                        {"hidden_size_per_layer_input", 256},
                                        {"altup_num_inputs", 4},
                                        {"laurel_rank", 64},
                                        {"vocab_size_per_layer_input", 262144},
                                        {"attention_bias", 0},
                                        {"sliding_window", 512},
                                        {"num_kv_shared_layers", 15},
                                        {"hidden_size", 2048},
                                        {"vocab_size", 262400},
                                        {"num_hidden_layers", 35},
                                        {"tie_word_embeddings", 1},
                                        {"layer_types", COST_NONE},
                                        {"head_dim", 256},
                                        {"num_attention_heads", 8},
                                        {"num_key_value_heads", 2},
                                        {0}};

// Of MLPs, which may differ between layers.
static uint64_t hidden_of(cost_config *c, uint64_t i) {
    const json_t *value = cost_config_find(c, "intermediate_size");
    if (!json_is_array(value)) return cost_config_need(c, "intermediate_size");
    json_int_t hidden = json_integer_value(json_array_get(value, i));
    cost_config_expect(c, hidden > 0 && hidden <= INT32_MAX, "intermediate_size",
                       "must have a whole number from 1 for each layer, and has none for layer %d",
                       (int)i);
    return hidden > 0 && hidden <= INT32_MAX ? (uint64_t)hidden : 1;
}

static void add_streams(cost_config *c, fv_cost_model *model, const cost_stack *stack) {
    uint64_t width = stack->width, rank = cost_config_count(c, "hidden_size_per_layer_input");
    uint64_t streams = cost_config_need(c, "altup_num_inputs");
    cost_dims laurel = {.width = width,
                        .rank = cost_config_need(c, "laurel_rank"),
                        .output = width,
                        .vectors = width};
    cost_dims altup = {.width = width, .streams = streams, .vectors = 2 * width};
    cost_dims gate = {.width = width, .rank = rank, .output = width, .vectors = width};
    cost_dims embedding = {.width = width,
                           .rank = rank,
                           .layers = stack->n,
                           .vocab = cost_config_need(c, "vocab_size_per_layer_input"),
                           .vectors = rank};
    cost_dims spread = {.input = width, .output = 2 * (streams - 1) * width};
    cost_add(c, model, 0, COST_LAYER_EMBEDDING, embedding, 0);
    if (streams > 1) cost_add(c, model, 0, COST_LINEAR, spread, 0);
    for (uint64_t i = 0; i < stack->n; i++) {
        cost_add(c, model, i, COST_MIXED_STREAMS, altup, 0);
        cost_add(c, model, i, COST_ADAPTER, laurel, 0);
        cost_add(c, model, i, COST_ADAPTER, gate, 0);
    }
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 2};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window), reading;
    window = cost_window(c, "sliding_window");
    cost_slides(c, &stack, NULL, 5);
    reading = cost_reading(c, attention);
    uint64_t n_reading = cost_config_count(c, "num_kv_shared_layers");
    cost_config_expect(c, n_reading < stack.n, "num_kv_shared_layers",
                       "must be less than the %d layers, not %d", (int)stack.n, (int)n_reading);
    for (uint64_t i = 0; i < stack.n; i++) {
        bool reads = i + n_reading >= stack.n;
        attention.window = reading.window = stack.kinds[i] ? window : 0;
        cost_dims mlp = cost_mlp(c, &stack, 3, hidden_of(c, i), NULL);
        mlp.vectors += 2 * stack.width;
        cost_add(c, model, i, reads ? COST_READING_ATTENTION : COST_ATTENTION,
                 reads ? reading : attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    add_streams(c, model, &stack);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_gemma3n_text = {
    .others = "gemma3n",
    .source = "Gemma3nTextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
