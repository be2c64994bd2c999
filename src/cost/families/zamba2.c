// Zamba2: Mamba-2 in every layer, and in some one of a few shared transformer blocks with adapters
// of the layer's own.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layers_block_type", COST_NONE},
                                        {"mamba_d_state", 64},
                                        {"mamba_d_conv", 4},
                                        {"mamba_ngroups", 1},
                                        {"n_mamba_heads", 8},
                                        {"add_bias_linear", 0},
                                        {"chunk_size", 256},
                                        {"mamba_expand", 2},
                                        {"intermediate_size", COST_NONE},
                                        {"adapter_rank", 128},
                                        {"tie_word_embeddings", 1},
                                        {"num_mem_blocks", 1},
                                        {"use_shared_attention_adapter", 0},
                                        {"hidden_size", 2560},
                                        {"vocab_size", 32000},
                                        {"num_hidden_layers", 54},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", COST_NONE},
                                        {0}};

// Whether a layer has a shared block, from layers_block_type or hybrid_layer_ids, or as in the
// model of 2.7 billion parameters.
static void find_hybrids(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"mamba|linear_attention", "hybrid", NULL};
    static const char *const IDS = "hybrid_layer_ids";
    bool listed =
        cost_config_kinds(c, "layers_block_type|layer_types", stack->n, TYPES, stack->kinds);
    if (listed ? cost_config_marks(c, IDS, stack->n, stack->others)
               : cost_config_marks(c, IDS, stack->n, stack->kinds))
        return;
    if (listed) return;
    static const uint8_t DEFAULTS_AT[] = {6, 12, 18, 24, 30, 36, 42, 47, 51};
    cost_config_expect(c, stack->n == 54, "layers_block_type",
                       "must say which of the %d layers are hybrid; the default is for 54",
                       (int)stack->n);
    for (size_t i = 0; i < sizeof DEFAULTS_AT && stack->n == 54; i++)
        stack->kinds[DEFAULTS_AT[i]] = 1;
    cost_config_note(c, "layers_block_type: hybrid at 6, 12, 18, 24, 30, 36, 42, 47 and 51, as "
                        "Zamba2Config's default");
}

static cost_dims read_mamba(cost_config *c, const cost_stack *stack) {
    static const cost_mamba2_keys KEYS = {"mamba_d_state", "mamba_d_conv", "mamba_ngroups",
                                          "n_mamba_heads", NULL,           "add_bias_linear",
                                          "chunk_size"};
    uint64_t inner = cost_config_need(c, "mamba_expand") * stack->width;
    cost_dims mamba = cost_mamba2(c, stack, inner, KEYS);
    cost_check_mamba2_heads(c, &mamba, "mamba_headdim");
    mamba.vectors += stack->width + inner;
    return mamba;
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t width = stack.width;
    cost_dims mamba = read_mamba(c, &stack);
    // The shared block reads the residual stream and the embedding side by side.
    cost_dims attention = {.width = width};
    attention.input = attention.vectors = cost_config_size(c, "attention_hidden_size", 2 * width);
    cost_read_heads(c, "attention_head_dim|head_dim", 2 * width, &attention);
    uint64_t hidden = cost_config_size(c, "intermediate_size", 4 * width);
    cost_dims mlp =
        cost_mlp(c, &stack, 3, hidden, cost_config_flag(c, "add_bias_linear") ? "" : NULL);
    mlp.vectors += width;
    uint64_t rank = cost_config_need(c, "adapter_rank");
    cost_dims adapter = {.width = width, .rank = rank, .output = 2 * hidden};
    cost_dims query_adapters = {
        .width = attention.input, .rank = 3 * rank, .output = attention.input};
    cost_dims linear = {.input = width, .output = width};
    // The library shares the blocks as it shares the embedding: only where that is tied.
    bool shares = cost_config_flag(c, "tie_word_embeddings");
    uint64_t n_blocks = shares ? cost_config_need(c, "num_mem_blocks") : 0;
    bool adapts = cost_config_flag(c, "use_shared_attention_adapter");
    find_hybrids(c, &stack);
    uint64_t blocks = cost_config_need(c, "num_mem_blocks"), n_hybrids = 0, turn = 0;
    for (uint64_t i = 0; i < stack.n; i++) n_hybrids += stack.kinds[i];
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_MAMBA2, mamba, 0);
        if (!stack.kinds[i]) continue;
        // A block holds the adapters of all its calls; where it is not shared, each copy does.
        uint64_t calls = (n_hybrids - turn % blocks + blocks - 1) / blocks;
        uint64_t others = n_blocks > 0 ? 0 : calls - 1;
        adapter.vectors = others * rank * (adapter.width + adapter.output);
        query_adapters.vectors = others * 3 * rank * 2 * attention.input;
        cost_add(c, model, i, COST_ATTENTION, attention, n_blocks);
        cost_add(c, model, i, COST_MLP, mlp, n_blocks);
        cost_add(c, model, i, COST_ADAPTER, adapter, 0);
        cost_add(c, model, i, COST_LINEAR, linear, 0);
        if (adapts) cost_add(c, model, i, COST_ADAPTER, query_adapters, 0);
        turn++;
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_zamba2 = {
    .source = "Zamba2Config",
    .defaults = DEFAULTS,
    .read = read,
};
