// What TransformerLens can express of a model, as a HookedTransformerConfig. Parts of attention are there settings
// of the whole model, of which windows alone may differ from layer to layer.
#include "model/checkpoint_lens.h"

#include "config/layer_list.h"
#include "model/activations.h"
#include "model/attention_keys.h"
#include "model/layers.h"
#include "model/normalisers.h"
#include "model/positions.h"
#include "model/scores.h"
#include "model/selectors.h"

#include <math.h>

static block_half half_of(const fv_model_config *model, int i) {
    return layer_type_of(model->layers.kind[i])->half;
}

// What attention layers choose for themselves, of the first of them; -1 for none.
static int first_attention(const fv_model_config *model) {
    for (int i = 0; i < model->layers.n; i++)
        if (half_of(model, i) == FV_HALF_ATTENTION) return i;
    return -1;
}

static int shared_heads(const fv_model_config *model, int i) {
    int n = i < 0 ? 0 : layer_n_kv_head(model, i);
    return n == model->n_head ? 0 : n;
}

static int kv_heads(const fv_model_config *model) {
    return shared_heads(model, first_attention(model));
}

static bool has_qk_norm(const fv_model_config *model) {
    int i = first_attention(model);
    return i >= 0 && layer_qk_norm(model, i) != FV_QK_NORM_NONE;
}

static bool has_sinks(const fv_model_config *model) {
    int i = first_attention(model);
    return i >= 0 && layer_sink_logit(model, i) != FV_SINK_LOGIT_NONE;
}

static bool is_rotary(const fv_model_config *model) {
    return positions_type_of(model->positions)->turn != NULL;
}

bool checkpoint_is_laid_out_anew(const fv_config *config) {
    const fv_model_config *model = &config->model;
    return !model->residual || is_rotary(model) || kv_heads(model) > 0 || has_qk_norm(model) ||
           has_sinks(model);
}

void checkpoint_lens_attention(const fv_config *config, bool widen, checkpoint_map *map) {
    map->theirs = widen;
    map->kv_heads = widen ? kv_heads(&config->model) : 0;
    map->has_qk_norm = widen && has_qk_norm(&config->model);
    map->has_sinks = widen && has_sinks(&config->model);
}

// --- obstacles ---------------------------------------------------------------------------------

static bool alike(const fv_model_config *model, int i, int first) {
    return shared_heads(model, i) == shared_heads(model, first) &&
           layer_qk_norm(model, i) == layer_qk_norm(model, first) &&
           layer_soft_cap(model, i) == layer_soft_cap(model, first) &&
           (layer_sink_logit(model, i) == FV_SINK_LOGIT_NONE) ==
               (layer_sink_logit(model, first) == FV_SINK_LOGIT_NONE);
}

static const char *obstacle_of_attention(const fv_model_config *model, int i, int window) {
    if (!normaliser_type_of((int)layer_normaliser(model, i))->theirs)
        return "its attention weights are not those of a softmax (model.normaliser), the only ones "
               "that TransformerLens has";
    if (!selector_type_of((int)layer_selector(model, i))->absent)
        return "its queries keep some of the keys (model.selector), which TransformerLens does not "
               "do";
    if (layer_gate(model, i) != FV_GATE_NONE)
        return "what its heads hand on passes a gate (model.gate), which TransformerLens does not "
               "have";
    if (layer_qk_norm(model, i) == FV_QK_NORM_VECTOR)
        return "its queries and keys are normalised over all heads together (model.qk_norm "
               "vector), "
               "which TransformerLens does for models of OLMo alone";
    if (!alike(model, i, first_attention(model)))
        return "its layers differ in model.n_kv_head, qk_norm, soft_cap or sink_logit, which "
               "TransformerLens has for all layers alike";
    if (layer_window(model, i) > 0 && layer_sinks(model, i) > 0)
        return "behind its window it sees the first positions (model.sinks), which TransformerLens "
               "does not";
    if (layer_window(model, i) > 0 && layer_window(model, i) != window)
        return "its layers have windows of different sizes (model.window), and TransformerLens "
               "has one size";
    return NULL;
}

static int first_window(const fv_model_config *model) {
    for (int i = 0; i < model->layers.n; i++)
        if (half_of(model, i) == FV_HALF_ATTENTION && layer_window(model, i) > 0)
            return layer_window(model, i);
    return 0;
}

static const char *obstacle_of_positions(const fv_model_config *model) {
    const positions_type *type = positions_type_of(model->positions);
    bool rope = model->positions == FV_POSITIONS_ROPE,
         alibi = model->positions == FV_POSITIONS_ALIBI;
    if ((type->turn && !rope) || (type->slopes && !alibi))
        return "it knows positions (model.positions) in a way that TransformerLens does not";
    bool power_of_two = (model->n_head & (model->n_head - 1)) == 0;
    if (alibi && !power_of_two)
        return "model.n_head is no power of two, and there TransformerLens has other slopes of "
               "alibi "
               "(model.positions) than the published ones";
    return NULL;
}

static const char *obstacle_of_mlp(const fv_model_config *model) {
    bool has_mlp;
    checkpoint_blocks(&model->layers, &has_mlp);
    if (has_mlp && activation_applied(model->activation)->theirs == NULL)
        return "TransformerLens does not have its activation (model.activation)";
    if (has_mlp && model->bias && activation_is_gated(model->activation))
        return "the maps of its gated layer have biases (model.bias) in front of the product, "
               "where TransformerLens adds one behind it";
    return NULL;
}

static const char *obstacle_of_stream(const fv_config *config, bool widen) {
    const fv_model_config *model = &config->model;
    if (norms_behind(model) && model->norm_place != FV_NORM_PLACE_SANDWICH)
        return "its norms stand behind its layers alone (model.norm_place), and TransformerLens "
               "has them in front, or on both sides";
    // TransformerLens 3 fails where it makes such a block: it looks for the name LayerNorm, and its own is LN.
    if (norms_behind(model) && model->norm == FV_NORM_LAYER)
        return "its layer norms stand on both sides of its layers (model.norm_place), and "
               "TransformerLens makes such models with rms norms alone (model.norm)";
    if (!model->residual && !widen)
        return "it has no residual stream, which TransformerLens cannot switch off; widening "
               "represents it exactly";
    if (!model->residual && model->norm != FV_NORM_NONE)
        return "it has no residual stream and model.norm is not none; a norm over the widened "
               "stream is not the norm over one layer's output";
    if (!widen && checkpoint_is_laid_out_anew(config))
        return "its attention (model.positions rope, n_kv_head, qk_norm or sink_logit) has other "
               "tensors there, which --widen writes";
    return NULL;
}

const char *checkpoint_obstacle(const fv_config *config, bool widen) {
    const fv_model_config *model = &config->model;
    if (task_inputs(&config->task) > 0 || task_outputs(&config->task) > 0)
        return "it reads or says reals (task.name), and TransformerLens's models tokens";
    for (int i = 0; i < model->layers.n; i++)
        if (half_of(model, i) == FV_NO_HALF)
            return "it has other layers than attention and mlp (model.layers), and TransformerLens "
                   "has these alone; it normalises in front of them, as model.norm does";
    if (!score_type_of(model->score)->theirs)
        return "its attention weights are not a softmax of dot products (model.score), the only "
               "ones that TransformerLens has";
    const char *found = obstacle_of_positions(model);
    for (int i = 0; found == NULL && i < model->layers.n; i++)
        if (half_of(model, i) == FV_HALF_ATTENTION)
            found = obstacle_of_attention(model, i, first_window(model));
    if (found == NULL) found = obstacle_of_mlp(model);
    if (found == NULL && model->readout != FV_READOUT_LINEAR)
        found = "its logits are distances (model.readout), and TransformerLens has linear ones "
                "alone";
    if (found == NULL && model->exclude_self)
        found = "a position does not attend to itself (model.exclude_self), which TransformerLens "
                "cannot exclude";
    return found != NULL ? found : obstacle_of_stream(config, widen);
}

// --- the configuration -------------------------------------------------------------------------

static void set(json_t *object, const char *key, json_t *value) {
    json_object_set_new(object, key, value);
}

// Frequencies as TransformerLens makes them under the same scaling; that of NTK is another base.
static void set_rotary(json_t *object, const fv_config *config) {
    const fv_model_config *m = &config->model;
    int width = m->rope_width > 0 ? m->rope_width : m->n_embd / m->n_head;
    int original = m->rope_original > 0 ? m->rope_original : config->task.context_length;
    double base = m->rope_base, s = m->rope_factor;
    if (s == 0) s = fmax(1, (double)config->task.context_length / original);
    set(object, "positional_embedding_type", json_string("rotary"));
    set(object, "rotary_dim", json_integer(width));
    set(object, "rotary_adjacent_pairs", json_boolean(m->rope_pairs != FV_ROPE_PAIRS_HALF));
    if (m->rope_scaling == FV_ROPE_SCALING_NTK) base *= pow(s, (double)width / (width - 2));
    set(object, "rotary_base", json_real(base));
    if (m->rope_scaling == FV_ROPE_SCALING_LINEAR)
        set(object, "rotary_scaling_factor", json_real(s));
    if (m->rope_scaling == FV_ROPE_SCALING_LLAMA3) {
        set(object, "use_NTK_by_parts_rope", json_true());
        set(object, "NTK_by_parts_low_freq_factor", json_real(m->rope_low_freq));
        set(object, "NTK_by_parts_high_freq_factor", json_real(m->rope_high_freq));
        set(object, "NTK_by_parts_factor", json_real(s));
        set(object, "NTK_original_ctx_len", json_integer(original));
    }
    if (m->rope_scaling == FV_ROPE_SCALING_YARN) {
        double scale = m->rope_mscale > 0 ? m->rope_mscale : 0.1 * log(s) + 1;
        set(object, "use_yarn_rope", json_true());
        set(object, "yarn_factor", json_real(s));
        set(object, "yarn_attention_factor", json_real(scale));
        set(object, "yarn_beta_fast", json_real(m->rope_beta_fast));
        set(object, "yarn_beta_slow", json_real(m->rope_beta_slow));
        set(object, "yarn_original_max_position_embeddings", json_integer(original));
    }
}

// Windows of blocks, in the order in which checkpoint_map.h cuts them.
static void set_windows(json_t *object, const fv_model_config *model) {
    json_t *types = json_array();
    bool full = true;
    for (int i = 0; i < model->layers.n; i++) {
        bool mlp = half_of(model, i) == FV_HALF_MLP;
        bool local = !mlp && layer_window(model, i) > 0;
        if (!mlp || full) json_array_append_new(types, json_string(local ? "local" : "global"));
        full = mlp;
    }
    set(object, "use_local_attn", json_true());
    set(object, "window_size", json_integer(first_window(model)));
    set(object, "attn_types", types);
}

static void set_attention(json_t *object, const fv_config *config) {
    const fv_model_config *model = &config->model;
    int first = first_attention(model), n_kv = kv_heads(model);
    if (is_rotary(model)) set_rotary(object, config);
    if (positions_type_of(model->positions)->slopes)
        set(object, "positional_embedding_type", json_string("alibi"));
    if (first < 0) return;
    if (n_kv > 0) set(object, "n_key_value_heads", json_integer(n_kv));
    if (has_qk_norm(model)) set(object, "use_qk_norm", json_true());
    if (layer_soft_cap(model, first) > 0)
        set(object, "attn_scores_soft_cap", json_real(layer_soft_cap(model, first)));
    if (has_sinks(model)) set(object, "use_attention_sinks", json_true());
    if (first_window(model) > 0) set_windows(object, model);
}

static const char *norm_type(int norm) {
    return norm == FV_NORM_LAYER ? "LN" : norm == FV_NORM_RMS ? "RMS" : NULL;
}

json_t *checkpoint_lens_config(const fv_config *config, const checkpoint_map *map) {
    const fv_model_config *model = &config->model;
    int vocab_size = config->task.vocab_size;
    const char *activation = activation_applied(model->activation)->theirs;
    json_t *object =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:s?, s:s, s:f, s:b}", "n_layers",
                  map->n_blocks, "d_model", map->width, "n_ctx", config->task.context_length,
                  "d_head", model->n_embd / model->n_head, "n_heads", model->n_head, "d_vocab",
                  vocab_size, "d_vocab_out", vocab_size, "attn_only", !map->has_mlp,
                  "normalization_type", norm_type(model->norm), "positional_embedding_type",
                  "standard", "eps", 1e-5, "default_prepend_bos", 0);
    if (object == NULL) return NULL;
    set_attention(object, config);
    if (norms_behind(model)) set(object, "use_normalization_before_and_after", json_true());
    if (!map->has_mlp) return object;
    set(object, "d_mlp", json_integer(mlp_width(model)));
    set(object, "act_fn", json_string(activation));
    if (activation_is_gated(model->activation)) set(object, "gated_mlp", json_true());
    return object;
}
