// Llama 4: layers with rotary positions attend within chunks; one expert a token, and one shared.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE},
                                        {"no_rope_layers", COST_NONE},
                                        {"no_rope_layer_interval", 4},
                                        {"moe_layers", COST_NONE},
                                        {"interleave_moe_layer_step", 1},
                                        {"intermediate_size_mlp", 16384},
                                        {"attention_bias", 0},
                                        {"num_local_experts", 16},
                                        {"num_experts_per_tok", 1},
                                        {"intermediate_size", 8192},
                                        {"attention_chunk_size", 8192},
                                        {"hidden_size", 5120},
                                        {"vocab_size", 202048},
                                        {"num_hidden_layers", 48},
                                        {"tie_word_embeddings", 0},
                                        {"head_dim", 128},
                                        {"num_attention_heads", 40},
                                        {"num_key_value_heads", 8},
                                        {0}};

// kinds: 1 where a layer attends within a chunk.
static void find_chunks(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full_attention", "chunked_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    const json_t *rotary = cost_config_list(c, "no_rope_layers");
    if (json_array_size(rotary) == 0) rotary = NULL;
    uint64_t interval = rotary == NULL ? cost_config_need(c, "no_rope_layer_interval") : 1;
    cost_config_expect(c, rotary == NULL || json_array_size(rotary) == stack->n, "no_rope_layers",
                       "has %d entries for %d layers", (int)json_array_size(rotary), (int)stack->n);
    for (uint64_t i = 0; i < stack->n; i++)
        stack->kinds[i] = rotary != NULL ? json_integer_value(json_array_get(rotary, i)) != 0
                                         : (i + 1) % interval != 0;
}

static void add_mlps(cost_config *c, fv_cost_model *model, cost_stack *stack, cost_dims mixture) {
    uint64_t n_dense = 0;
    if (!cost_config_marks(c, "moe_layers", stack->n, stack->others)) {
        uint64_t step = cost_config_need(c, "interleave_moe_layer_step");
        for (uint64_t i = 0; i < stack->n; i++) stack->others[i] = (i + 1) % step == 0;
    }
    for (uint64_t i = 0; i < stack->n; i++) n_dense += !stack->others[i];
    uint64_t hidden = n_dense > 0 ? cost_config_need(c, "intermediate_size_mlp") : 0;
    cost_dims mlp = cost_mlp(c, stack, 3, hidden, NULL);
    mlp.vectors += stack->width;
    for (uint64_t i = 0; i < stack->n; i++)
        cost_add(c, model, i, stack->others[i] ? COST_EXPERTS : COST_MLP,
                 stack->others[i] ? mixture : mlp, 0);
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {
        .qkv_bias = "attention_bias", .output_bias = "attention_bias", .attention_norms = 1};
    static const cost_mixture_keys KEYS = {"num_local_experts|num_experts", "num_experts_per_tok",
                                           "intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t window;
    cost_dims attention = cost_transformer_attention(c, &stack, &TRAITS, &window);
    uint64_t chunk = cost_window(c, "attention_chunk_size");
    if (chunk > 0) find_chunks(c, &stack);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.vectors += stack.width;
    mixture.shared_hidden = mixture.expert_hidden;
    mixture.all_experts = 1;
    for (uint64_t i = 0; i < stack.n; i++) {
        attention.chunk = stack.kinds[i] ? chunk : 0;
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
    }
    add_mlps(c, model, &stack, mixture);
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_llama4_text = {
    .others = "llama4",
    .source = "Llama4TextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
