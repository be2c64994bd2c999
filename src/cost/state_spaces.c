// Readers of the families with state space layers: Mamba, and hybrids with attention.
#include "cost/families.h"

#include <inttypes.h>
#include <string.h>

// A rank that may be the text "auto": a sixteenth of the width, rounded up.
static uint64_t step_rank(cost_config *c, const char *key, uint64_t width) {
    const json_t *value = json_object_get(c->fields, key);
    uint64_t automatic = (width + 15) / 16;
    if (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0) return automatic;
    return cost_config_size(c, key, automatic);
}

// --- mamba and falcon_mamba --------------------------------------------------------------------

void cost_read_mamba(cost_config *c, const cost_traits *traits, fv_cost_model *model) {
    uint64_t d = cost_config_need(c, "hidden_size"), n = cost_config_need(c, "num_hidden_layers");
    cost_dims ends = {.width = d, .vocab = cost_config_need(c, "vocab_size")};
    cost_dims dims = {.width = d,
                      .state_size = cost_config_size(c, "state_size", 16),
                      .conv = cost_config_size(c, "conv_kernel", 4),
                      .rank = step_rank(c, "time_step_rank", d)};
    // Falcon-Mamba's file has an `expand` that is not used; intermediate_size wins.
    dims.inner = cost_config_size(c, "intermediate_size", cost_config_size(c, "expand", 2) * d);
    dims.vectors = d;
    if (cost_config_flag(c, "use_conv_bias", true)) dims.vectors += dims.inner;
    if (cost_config_flag(c, "use_bias", false)) dims.vectors += 2 * dims.inner + d;
    if (!cost_begin(c, model, n)) return;
    for (uint64_t i = 1; i <= n; i++) cost_add(c, model, i, COST_MAMBA, dims, 0);
    cost_add_ends(c, model, ends, cost_config_flag(c, "tie_word_embeddings", traits->tied));
}

// --- jamba -------------------------------------------------------------------------------------

static cost_dims jamba_mamba(cost_config *c, uint64_t d) {
    cost_dims dims = {.width = d,
                      .inner = cost_config_size(c, "mamba_expand", 2) * d,
                      .state_size = cost_config_size(c, "mamba_d_state", 16),
                      .conv = cost_config_size(c, "mamba_d_conv", 4),
                      .rank = step_rank(c, "mamba_dt_rank", d)};
    dims.vectors = d + dims.rank + 2 * dims.state_size; // the norms of the layer, of dt, B and C
    if (cost_config_flag(c, "mamba_conv_bias", true)) dims.vectors += dims.inner;
    if (cost_config_flag(c, "mamba_proj_bias", false)) dims.vectors += 2 * dims.inner + d;
    return dims;
}

// Layers that come every `period`, the first at `offset`.
typedef struct jamba_turn {
    uint64_t period, offset;
} jamba_turn;

static jamba_turn read_turn(cost_config *c, const char *period, const char *offset,
                            uint64_t default_offset) {
    jamba_turn turn = {cost_config_need(c, period), cost_config_get(c, offset, default_offset)};
    cost_config_expect(c, turn.offset < turn.period, offset, "must be less than %s, %d, not %d",
                       period, (int)turn.period, (int)turn.offset);
    return turn;
}

static bool comes(uint64_t i, jamba_turn turn) {
    return i % turn.period == turn.offset;
}

void cost_read_jamba(cost_config *c, const cost_traits *traits, fv_cost_model *model) {
    uint64_t d = cost_config_need(c, "hidden_size"), n = cost_config_need(c, "num_hidden_layers");
    cost_dims ends = {.width = d, .vocab = cost_config_need(c, "vocab_size")};
    cost_dims attention = {.width = d, .input = d, .vectors = d};
    cost_read_heads(c, traits, "head_dim", &attention);
    cost_dims mamba = jamba_mamba(c, d);
    cost_dims mlp = {.width = d,
                     .matrices = 3,
                     .hidden = cost_config_need(c, "intermediate_size"),
                     .vectors = d};
    cost_dims mixture = mlp;
    mixture.hidden = 0;
    mixture.expert_hidden = mlp.hidden;
    mixture.experts = cost_config_size(c, "num_experts", 16);
    mixture.active = cost_config_size(c, "num_experts_per_tok", 2);
    if (mixture.experts > 1) cost_check_experts(c, &mixture); // one expert is an MLP
    jamba_turn attention_turn = read_turn(c, "attn_layer_period", "attn_layer_offset", 4);
    jamba_turn experts_turn = read_turn(c, "expert_layer_period", "expert_layer_offset", 1);
    if (!cost_begin(c, model, n)) return;
    for (uint64_t i = 0; i < n; i++) {
        bool attends = comes(i, attention_turn);
        bool mixes = mixture.experts > 1 && comes(i, experts_turn);
        cost_add(c, model, i + 1, attends ? COST_ATTENTION : COST_MAMBA,
                 attends ? attention : mamba, 0);
        cost_add(c, model, i + 1, mixes ? COST_EXPERTS : COST_MLP, mixes ? mixture : mlp, 0);
    }
    cost_add_ends(c, model, ends, cost_config_flag(c, "tie_word_embeddings", traits->tied));
}

// --- zamba2: Mamba-2 in every layer, in some also one of a few shared transformer blocks ---------

typedef struct zamba2_dims {
    cost_dims mamba, attention, mlp, adapter, attention_adapter, linear;
    uint64_t n_blocks; // distinct shared blocks
} zamba2_dims;

static void read_zamba2_mamba(cost_config *c, uint64_t d, cost_dims *mamba) {
    uint64_t head = cost_config_size(c, "mamba_headdim", 64);
    *mamba = (cost_dims){.width = d,
                         .inner = cost_config_size(c, "mamba_expand", 2) * d,
                         .state_size = cost_config_size(c, "mamba_d_state", 64),
                         .conv = cost_config_size(c, "mamba_d_conv", 4),
                         .groups = cost_config_size(c, "mamba_ngroups", 1)};
    mamba->ssm_heads = mamba->inner / head;
    cost_config_expect(c, mamba->inner % head == 0, "mamba_headdim",
                       "must divide the %" PRIu64 " inner channels, and %d does not", mamba->inner,
                       (int)head);
    cost_config_expect(c, mamba->ssm_heads % mamba->groups == 0, "mamba_ngroups",
                       "must divide the %" PRIu64 " heads, and %d does not", mamba->ssm_heads,
                       (int)mamba->groups);
    mamba->vectors = d;
    if (cost_config_flag(c, "use_conv_bias", true))
        mamba->vectors += mamba->inner + 2 * mamba->groups * mamba->state_size;
}

// The shared block reads the residual stream and the embedding side by side: twice the width.
static void read_zamba2_block(cost_config *c, const cost_traits *traits, uint64_t d,
                              zamba2_dims *z) {
    uint64_t hidden = cost_config_size(c, "intermediate_size", 4 * d);
    uint64_t rank = cost_config_size(c, "adapter_rank", 128);
    z->attention = (cost_dims){.width = d, .input = 2 * d, .vectors = 2 * d};
    cost_read_heads(c, traits, "attention_head_dim", &z->attention);
    z->mlp = (cost_dims){.width = d, .matrices = 3, .hidden = hidden, .vectors = d};
    z->adapter = (cost_dims){.width = d, .rank = rank, .hidden = hidden};
    z->attention_adapter = (cost_dims){.width = 2 * d, .rank = 3 * rank, .hidden = d};
    z->linear = (cost_dims){.width = d, .input = d};
    z->n_blocks = cost_config_size(c, "num_mem_blocks", 1);
}

// Whether layer i has the shared block, from layers_block_type or hybrid_layer_ids.
static bool is_hybrid(const json_t *types, const json_t *ids, uint64_t i) {
    if (types != NULL) {
        const char *type = json_string_value(json_array_get(types, i));
        return type != NULL && strcmp(type, "hybrid") == 0;
    }
    for (size_t k = 0; k < json_array_size(ids); k++)
        if (json_integer_value(json_array_get(ids, k)) == (json_int_t)i) return true;
    return false;
}

void cost_read_zamba2(cost_config *c, const cost_traits *traits, fv_cost_model *model) {
    uint64_t d = cost_config_need(c, "hidden_size"), n = cost_config_need(c, "num_hidden_layers");
    cost_dims ends = {.width = d, .vocab = cost_config_need(c, "vocab_size")};
    zamba2_dims z = {0};
    read_zamba2_mamba(c, d, &z.mamba);
    read_zamba2_block(c, traits, d, &z);
    bool adapts_attention = cost_config_flag(c, "use_shared_attention_adapter", false);
    static const char *const TYPES[] = {"mamba", "linear_attention", "hybrid", NULL};
    const json_t *types = cost_config_list(c, "layers_block_type");
    const json_t *ids = cost_config_list(c, "hybrid_layer_ids");
    if (types == NULL && ids == NULL) cost_config_need(c, "layers_block_type");
    cost_config_check_kinds(c, "layers_block_type", types, n, TYPES);
    cost_config_check_layers(c, "hybrid_layer_ids", ids, n);
    if (!cost_begin(c, model, n)) return;
    for (uint64_t i = 0; i < n; i++) {
        cost_add(c, model, i + 1, COST_MAMBA2, z.mamba, 0);
        if (!is_hybrid(types, ids, i)) continue;
        cost_add(c, model, i + 1, COST_ATTENTION, z.attention, z.n_blocks);
        cost_add(c, model, i + 1, COST_MLP, z.mlp, z.n_blocks);
        cost_add(c, model, i + 1, COST_ADAPTER, z.adapter, 0);
        cost_add(c, model, i + 1, COST_LINEAR, z.linear, 0);
        if (adapts_attention) cost_add(c, model, i + 1, COST_ADAPTER, z.attention_adapter, 0);
    }
    cost_add_ends(c, model, ends, cost_config_flag(c, "tie_word_embeddings", true));
}
