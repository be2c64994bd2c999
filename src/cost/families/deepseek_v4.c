// DeepSeek-V4: one latent a token for all heads, in a window; beside it entries of several tokens
// each, all of which are read (heavily compressed) or some that an indexer picks (compressed
// sparse); several residual streams.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE},
                                        {"num_attention_heads", 64},
                                        {"head_dim", 512},
                                        {"q_lora_rank", 1024},
                                        {"o_lora_rank", 1024},
                                        {"o_groups", 8},
                                        {"sliding_window", 128},
                                        {"partial_rotary_factor", COST_NONE},
                                        {"qk_rope_head_dim", COST_NONE},
                                        {"compress_rate_hca", COST_NONE},
                                        {"compress_rates.heavily_compressed_attention", 128},
                                        {"compress_rate_csa", COST_NONE},
                                        {"compress_rates.compressed_sparse_attention", 4},
                                        {"index_n_heads", 64},
                                        {"index_head_dim", 128},
                                        {"index_topk", 512},
                                        {"n_routed_experts", 256},
                                        {"num_experts_per_tok", 6},
                                        {"moe_intermediate_size", 2048},
                                        {"mlp_bias", 0},
                                        {"hc_mult", 4},
                                        {"mlp_layer_types", COST_NONE},
                                        {"num_hash_layers", 3},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 129280},
                                        {"num_hidden_layers", 43},
                                        {"tie_word_embeddings", 0},
                                        {0}};

enum { SLIDING, SPARSE, HEAVY };

// The kind of each layer: by name, by how many tokens an entry has (0, 4 or 128), or by turns.
static void find_kinds(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"sliding_attention", "compressed_sparse_attention",
                                        "heavily_compressed_attention", NULL};
    if (cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    const json_t *ratios = cost_config_list(c, "compress_ratios");
    cost_config_expect(c, ratios == NULL || json_array_size(ratios) >= stack->n, "compress_ratios",
                       "has %d entries for %d layers", (int)json_array_size(ratios), (int)stack->n);
    for (uint64_t i = 0; i < stack->n; i++) {
        json_int_t ratio = json_integer_value(json_array_get(ratios, i));
        if (ratios == NULL)
            stack->kinds[i] = i < 2 || i % 2 == 0 ? HEAVY : SPARSE;
        else
            stack->kinds[i] = ratio == 0 ? SLIDING : ratio == 4 ? SPARSE : HEAVY;
        cost_config_expect(c, ratio == 0 || ratio == 4 || ratio == 128, "compress_ratios",
                           "must be 0, 4 or 128, not %d", (int)ratio);
    }
    if (ratios == NULL)
        cost_config_note(c, "layer_types: heavily compressed twice, then by turns with compressed "
                            "sparse, as DeepseekV4Config's default");
}

static uint64_t read_rate(cost_config *c, const char *old, const char *key) {
    return cost_config_need(c, cost_config_has(c, old) ? old : key);
}

static cost_dims read_latent(cost_config *c, const cost_stack *stack) {
    cost_dims d = {.width = stack->width,
                   .heads = cost_config_need(c, "num_attention_heads"),
                   .head_dim = cost_config_need(c, "head_dim"),
                   .query_rank = cost_config_need(c, "q_lora_rank"),
                   .output_rank = cost_config_need(c, "o_lora_rank"),
                   .groups = cost_config_need(c, "o_groups"),
                   .window = cost_window(c, "sliding_window")};
    const json_t *part = cost_config_find(c, "partial_rotary_factor");
    d.rope = cost_config_get(c, "qk_rope_head_dim", 0);
    if (d.rope == 0 && json_number_value(part) > 0 && json_number_value(part) <= 1)
        d.rope = (uint64_t)(json_number_value(part) * (double)d.head_dim);
    if (d.rope == 0) d.rope = d.head_dim / 8;
    cost_config_expect(c, d.heads * d.head_dim % d.groups == 0, "o_groups",
                       "must divide the %d numbers of all heads, and %d does not",
                       (int)(d.heads * d.head_dim), (int)d.groups);
    d.vectors = stack->width + d.heads + d.query_rank + d.head_dim; // norms and sinks
    return d;
}

static void add_attention(cost_config *c, fv_cost_model *model, const cost_stack *stack) {
    cost_dims window = read_latent(c, stack), sparse = window, heavy = window;
    bool has[3] = {false};
    for (uint64_t i = 0; i < stack->n; i++) has[stack->kinds[i]] = true;
    heavy.vectors += heavy.head_dim;
    if (has[HEAVY])
        heavy.rate =
            read_rate(c, "compress_rate_hca", "compress_rates.heavily_compressed_attention");
    if (has[SPARSE]) {
        sparse.rate =
            read_rate(c, "compress_rate_csa", "compress_rates.compressed_sparse_attention");
        sparse.index_heads = cost_config_need(c, "index_n_heads");
        sparse.index_dim = cost_config_need(c, "index_head_dim");
        sparse.topk = cost_config_need(c, "index_topk");
        sparse.vectors += sparse.head_dim + sparse.index_dim;
    }
    for (uint64_t i = 0; i < stack->n; i++) switch (stack->kinds[i]) {
        case SPARSE:
            cost_add(c, model, i, COST_SPARSE_LATENT, sparse, 0);
            break;
        case HEAVY:
            cost_add(c, model, i, COST_HEAVY_LATENT, heavy, 0);
            break;
        default:
            cost_add(c, model, i, COST_WINDOW_LATENT, window, 0);
        }
}

static cost_dims read_mixture(cost_config *c, const cost_stack *stack) {
    static const cost_mixture_keys KEYS = {"n_routed_experts|num_local_experts",
                                           "num_experts_per_tok",
                                           "moe_intermediate_size|intermediate_size"};
    cost_dims mixture = cost_mixture(c, stack, KEYS);
    mixture.shared_hidden = mixture.expert_hidden;
    mixture.vectors = stack->width;
    if (cost_config_flag(c, "mlp_bias"))
        mixture.vectors += 2 * mixture.shared_hidden + stack->width;
    return mixture;
}

static void read(cost_config *c, fv_cost_model *model) {
    static const char *const MLPS[] = {"hash_moe", "moe", NULL};
    c->longer_lists = true;
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t streams = cost_config_need(c, "hc_mult"), width = stack.width;
    uint64_t weights = (2 + streams) * streams;
    cost_dims around = {.streams = streams,
                        .mixed = streams,
                        .width = width,
                        .output = weights,
                        .vectors = weights + 3};
    cost_dims head = {
        .streams = streams, .width = width, .output = streams, .vectors = streams + 1};
    find_kinds(c, &stack);
    add_attention(c, model, &stack);
    cost_dims mixture = read_mixture(c, &stack), hashed = mixture;
    mixture.routing_bias = mixture.experts; // hashed layers choose by the token
    if (!cost_config_kinds(c, "mlp_layer_types", stack.n, MLPS, stack.others))
        for (uint64_t i = cost_config_count(c, "num_hash_layers"); i < stack.n; i++)
            stack.others[i] = 1;
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_STREAMS, around, 0);
        cost_add(c, model, i, COST_EXPERTS, stack.others[i] ? mixture : hashed, 0);
        cost_add(c, model, i, COST_STREAMS, around, 0);
        if (i + 1 == stack.n) cost_add(c, model, i, COST_STREAMS, head, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_deepseek_v4 = {
    .source = "DeepseekV4Config",
    .defaults = DEFAULTS,
    .read = read,
};
