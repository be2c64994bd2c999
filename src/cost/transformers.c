// Readers of the families whose layers are attention and MLPs or experts.
#include "cost/families.h"

#include <string.h>

// --- attention ---------------------------------------------------------------------------------

// Which blocks slide: layer_types says so, or the family's own rule.
typedef struct slide_rule {
    const json_t *types;
    cost_sliding sliding;
    uint64_t window, pattern, first;
} slide_rule;

static bool slides(const slide_rule *rule, uint64_t i) {
    if (rule->types != NULL) {
        const char *type = json_string_value(json_array_get(rule->types, i));
        return type != NULL && strcmp(type, "sliding_attention") == 0;
    }
    if (rule->sliding == SLIDES_ALL) return true;
    if (rule->sliding == SLIDES_UPPER) return i >= rule->first;
    return rule->sliding == SLIDES_PATTERN && (i + 1) % rule->pattern != 0;
}

// A window of 0 is none.
static slide_rule read_slide_rule(cost_config *c, const cost_traits *traits, uint64_t n) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    uint64_t pattern = (uint64_t)traits->pattern,
             first = cost_config_get(c, "max_window_layers", n);
    slide_rule rule = {.sliding = traits->sliding,
                       .window = cost_config_get(c, "sliding_window", 0),
                       .pattern = cost_config_size(c, "sliding_window_pattern", pattern),
                       .first = first};
    bool unused =
        traits->sliding == SLIDES_UPPER && !cost_config_flag(c, "use_sliding_window", false);
    if (rule.window > 0 || traits->sliding != SLIDES_NONE)
        rule.types = cost_config_list(c, "layer_types");
    cost_config_check_kinds(c, "layer_types", rule.types, n, TYPES);
    for (uint64_t i = 0; rule.types != NULL && i < n; i++)
        cost_config_expect(c, rule.window > 0 || unused || !slides(&rule, i), "sliding_window",
                           "must be a whole number from 1 where layer_types holds "
                           "sliding_attention");
    if (unused) rule.window = 0;
    return rule;
}

static uint64_t attention_vectors(cost_config *c, const cost_traits *traits, const cost_dims *d) {
    bool all = cost_config_flag(c, "attention_bias", traits->bias);
    uint64_t vectors = (traits->sandwich ? 2 : 1) * d->width;
    if (all || traits->qkv_bias) vectors += (d->heads + 2 * d->kv_heads) * d->head_dim;
    if (all) vectors += d->width;
    if (traits->qk_norm) vectors += 2 * d->head_dim;
    if (traits->sinks) vectors += d->heads;
    return vectors;
}

static void add_attention(cost_config *c, const cost_traits *traits, fv_cost_model *model,
                          const cost_dims *base) {
    cost_dims dims = {.width = base->width, .input = base->width};
    cost_read_heads(c, traits, "head_dim", &dims);
    dims.vectors = attention_vectors(c, traits, &dims);
    uint64_t n = model->n_layers - 2;
    slide_rule rule = read_slide_rule(c, traits, n);
    for (uint64_t i = 0; i < n; i++) {
        dims.window = slides(&rule, i) ? rule.window : 0;
        cost_add(c, model, i + 1, COST_ATTENTION, dims, 0);
    }
}

// --- MLPs and experts --------------------------------------------------------------------------

static cost_dims mixture_dims(cost_config *c, cost_mixture mixture, cost_dims dims) {
    bool qwen = mixture == MIXTURE_QWEN;
    dims.experts = cost_config_need(c, qwen ? "num_experts" : "num_local_experts");
    dims.active = cost_config_need(c, "num_experts_per_tok");
    dims.expert_hidden = cost_config_need(c, qwen ? "moe_intermediate_size" : "intermediate_size");
    dims.shared_hidden = cost_config_get(c, "shared_expert_intermediate_size", 0);
    if (dims.shared_hidden > 0) dims.vectors += dims.width; // the gate of the shared expert
    if (mixture == MIXTURE_GPT_OSS)
        dims.vectors += dims.experts * (1 + 2 * dims.expert_hidden + dims.width);
    cost_check_experts(c, &dims);
    return dims;
}

static bool is_dense(const json_t *dense, uint64_t i) {
    for (size_t k = 0; k < json_array_size(dense); k++)
        if (json_integer_value(json_array_get(dense, k)) == (json_int_t)i) return true;
    return false;
}

static void add_mlps(cost_config *c, const cost_traits *traits, fv_cost_model *model,
                     const cost_dims *base) {
    cost_dims dims = {
        .width = base->width, .matrices = 3, .vectors = (traits->sandwich ? 2 : 1) * base->width};
    cost_dims mixture = {0};
    const json_t *dense = NULL;
    uint64_t n = model->n_layers - 2, step = 1;
    bool mixes = traits->mixture != MIXTURE_NONE, qwen = traits->mixture == MIXTURE_QWEN;
    if (mixes) mixture = mixture_dims(c, traits->mixture, dims);
    if (qwen) {
        dense = cost_config_list(c, "mlp_only_layers");
        cost_config_check_layers(c, "mlp_only_layers", dense, n);
        step = cost_config_size(c, "decoder_sparse_step", 1);
    }
    // A file of experts alone need not say how wide a dense layer would be.
    bool all = qwen && step == 1 && json_array_size(dense) == 0;
    dims.hidden =
        all ? cost_config_get(c, "intermediate_size", 0) : cost_config_need(c, "intermediate_size");
    if (cost_config_flag(c, "mlp_bias", false)) dims.vectors += 2 * dims.hidden + dims.width;
    for (uint64_t i = 0; i < n; i++) {
        bool here = mixes && (i + 1) % step == 0 && !is_dense(dense, i);
        cost_add(c, model, i + 1, here ? COST_EXPERTS : COST_MLP, here ? mixture : dims, 0);
    }
}

void cost_read_transformer(cost_config *c, const cost_traits *traits, fv_cost_model *model) {
    cost_dims base = {.width = cost_config_need(c, "hidden_size"),
                      .vocab = traits->vocab
                                   ? cost_config_size(c, "vocab_size", (uint64_t)traits->vocab)
                                   : cost_config_need(c, "vocab_size")};
    if (!cost_begin(c, model, cost_config_need(c, "num_hidden_layers"))) return;
    add_attention(c, traits, model, &base);
    add_mlps(c, traits, model, &base);
    cost_add_ends(c, model, base, cost_config_flag(c, "tie_word_embeddings", traits->tied));
}

// --- GPT-2: learned positions, biases everywhere, MLPs without a gate ---------------------------

void cost_read_gpt2(cost_config *c, const cost_traits *traits, fv_cost_model *model) {
    (void)traits;
    uint64_t d = cost_config_need(c, "n_embd"), n = cost_config_need(c, "n_layer");
    uint64_t heads = cost_config_need(c, "n_head");
    uint64_t hidden = cost_config_size(c, "n_inner", 4 * d);
    cost_dims ends = {.width = d,
                      .vocab = cost_config_need(c, "vocab_size"),
                      .positions = cost_config_need(c, "n_positions")};
    cost_config_expect(c, d % heads == 0, "n_head", "must divide n_embd, and %d does not divide %d",
                       (int)heads, (int)d);
    if (!cost_begin(c, model, n)) return;
    model->max_tokens = ends.positions;
    cost_dims attention = {.width = d,
                           .input = d,
                           .heads = heads,
                           .kv_heads = heads,
                           .head_dim = d / heads,
                           .vectors = 6 * d}; // four biases, a norm's weight and bias
    cost_dims mlp = {.width = d, .matrices = 2, .hidden = hidden, .vectors = hidden + 3 * d};
    for (uint64_t i = 1; i <= n; i++) {
        cost_add(c, model, i, COST_ATTENTION, attention, 0);
        cost_add(c, model, i, COST_MLP, mlp, 0);
    }
    cost_add(c, model, 0, COST_EMBEDDING, ends, 0);
    cost_dims last = {.width = d, .vocab = ends.vocab, .vectors = 2 * d};
    last.untied = !cost_config_flag(c, "tie_word_embeddings", true);
    cost_add(c, model, n + 1, COST_UNEMBEDDING, last, 0);
}

// --- DeepSeek: latent attention, experts behind a few dense layers ------------------------------

// num_key_value_heads stands in these files too, and says nothing about the cache: what is kept is
// one compressed vector a token, and the rotary part of its key.
static cost_dims latent_dims(cost_config *c, uint64_t width) {
    cost_dims dims = {.width = width,
                      .heads = cost_config_need(c, "num_attention_heads"),
                      .kv_rank = cost_config_need(c, "kv_lora_rank"),
                      .query_rank = cost_config_size(c, "q_lora_rank", 0),
                      .rope = cost_config_need(c, "qk_rope_head_dim"),
                      .nope = cost_config_need(c, "qk_nope_head_dim"),
                      .value_dim = cost_config_need(c, "v_head_dim")};
    dims.query_input = dims.query_rank ? dims.query_rank : width;
    dims.vectors = width + dims.query_rank + dims.kv_rank; // norms
    return dims;
}

void cost_read_deepseek(cost_config *c, const cost_traits *traits, fv_cost_model *model) {
    (void)traits;
    uint64_t d = cost_config_need(c, "hidden_size");
    cost_dims ends = {.width = d, .vocab = cost_config_need(c, "vocab_size")};
    cost_dims latent = latent_dims(c, d);
    cost_dims mlp = {.width = d,
                     .matrices = 3,
                     .hidden = cost_config_need(c, "intermediate_size"),
                     .vectors = d};
    cost_dims mixture = {.width = d,
                         .matrices = 3,
                         .vectors = d,
                         .experts = cost_config_need(c, "n_routed_experts"),
                         .active = cost_config_need(c, "num_experts_per_tok"),
                         .expert_hidden = cost_config_need(c, "moe_intermediate_size")};
    cost_check_experts(c, &mixture);
    mixture.shared_hidden = cost_config_get(c, "n_shared_experts", 0) * mixture.expert_hidden;
    if (strcmp(c->family, "deepseek_v3") == 0) mixture.vectors += mixture.experts; // routing bias
    uint64_t n_dense = cost_config_get(c, "first_k_dense_replace", 0);
    uint64_t step = cost_config_size(c, "moe_layer_freq", 1);
    uint64_t n = cost_config_need(c, "num_hidden_layers");
    cost_config_expect(c, n_dense <= n, "first_k_dense_replace",
                       "must be at most the %d layers, not %d", (int)n, (int)n_dense);
    if (!cost_begin(c, model, n)) return;
    for (uint64_t i = 0; i < n; i++) {
        bool mixes = i >= n_dense && i % step == 0;
        cost_add(c, model, i + 1, COST_LATENT, latent, 0);
        cost_add(c, model, i + 1, mixes ? COST_EXPERTS : COST_MLP, mixes ? mixture : mlp, 0);
    }
    cost_add_ends(c, model, ends, cost_config_flag(c, "tie_word_embeddings", false));
}
