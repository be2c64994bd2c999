// What each family has of Fovea's parts, and what it calls them in config.json.
#include "config/layer_list.h"
#include "config/part.h"
#include "model/activations.h"
#include "model/attention_keys.h"
#include "model/hf.h"
#include "model/layers.h"
#include "model/normalisers.h"
#include "model/positions.h"
#include "model/scores.h"
#include "model/selectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {
#define NAME(NAME, type, architecture) type,
    HF_FAMILY_LIST(NAME)
#undef NAME
};
static const char *const ARCHITECTURES[] = {
#define ARCHITECTURE(NAME, type, architecture) architecture,
    HF_FAMILY_LIST(ARCHITECTURE)
#undef ARCHITECTURE
};

const char *hf_family_name(hf_family family) {
    return NAMES[family];
}

// What an activation is called there, that of a gate in the second column; the first name is written.
static const struct {
    int plain, gated; // FV_ACTIVATION_*; -1: there is none
    const char *theirs;
} ACTIVATIONS[] = {{FV_ACTIVATION_RELU, -1, "relu"},
                   {FV_ACTIVATION_GELU, FV_ACTIVATION_GEGLU, "gelu_new"},
                   {FV_ACTIVATION_GELU, FV_ACTIVATION_GEGLU, "gelu_pytorch_tanh"},
                   {FV_ACTIVATION_GELU, FV_ACTIVATION_GEGLU, "gelu_fast"},
                   {FV_ACTIVATION_SILU, FV_ACTIVATION_SWIGLU, "silu"},
                   {FV_ACTIVATION_SILU, FV_ACTIVATION_SWIGLU, "swish"},
                   {FV_ACTIVATION_RELU2, -1, "relu2"}};
enum { N_ACTIVATIONS = sizeof ACTIVATIONS / sizeof *ACTIVATIONS };

static const char *their_activation(const fv_model_config *model) {
    int kind = model->activation;
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (ACTIVATIONS[i].plain == kind || ACTIVATIONS[i].gated == kind)
            return ACTIVATIONS[i].theirs;
    return NULL;
}

int hf_activation(const char *theirs, bool gated) {
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (strcmp(ACTIVATIONS[i].theirs, theirs) == 0)
            return gated ? ACTIVATIONS[i].gated : ACTIVATIONS[i].plain;
    return -1;
}

// --- what has no place --------------------------------------------------------------------------

static bool has_kind(const fv_model_config *model, int kind) {
    for (int i = 0; i < model->layers.n; i++)
        if (model->layers.kind[i] == kind) return true;
    return false;
}

static bool only_kinds(const fv_model_config *model, int kind, int other) {
    for (int i = 0; i < model->layers.n; i++)
        if (model->layers.kind[i] != kind && model->layers.kind[i] != other) return false;
    return true;
}

// Of any family: a field whose value none has.
static const char *obstacle_of_all(const fv_config *config) {
    const fv_model_config *model = &config->model;
    if (task_inputs(&config->task) > 0 || task_outputs(&config->task) > 0) return "task.name";
    if (!model->residual) return "model.residual";
    if (model->readout != FV_READOUT_LINEAR) return "model.readout";
    if (model->norm_place != FV_NORM_PLACE_PRE) return "model.norm_place";
    return model->embedding == FV_EMBEDDING_DIRECT ? "model.embedding" : NULL;
}

// Of one attention, whose heads may be shared and normalised where the family has that.
static const char *obstacle_of_attention(const fv_model_config *model, int i, int n_kv,
                                         hf_family family) {
    if (!normaliser_type_of((int)layer_normaliser(model, i))->theirs) return "model.normaliser";
    if (!selector_type_of((int)layer_selector(model, i))->absent) return "model.selector";
    if (layer_gate(model, i) != FV_GATE_NONE) return "model.gate";
    if (layer_qk_norm(model, i) != (family == HF_QWEN3 ? FV_QK_NORM_HEAD : FV_QK_NORM_NONE))
        return "model.qk_norm";
    if (layer_soft_cap(model, i) > 0) return "model.soft_cap";
    if (layer_sink_logit(model, i) != FV_SINK_LOGIT_NONE) return "model.sink_logit";
    if (layer_window(model, i) > 0) return "model.window";
    int own = heads_of(model, i).n_kv;
    return own != (family == HF_GPT2 ? model->n_head : n_kv) ? "model.n_kv_head" : NULL;
}

static const char *obstacle_of_attentions(const fv_model_config *model, hf_family family) {
    int n_kv = 0;
    if (!score_type_of(model->score)->theirs) return "model.score";
    if (model->exclude_self) return "model.exclude_self";
    for (int i = 0; i < model->layers.n; i++) {
        if (model->layers.kind[i] != FV_LAYER_ATTENTION) continue;
        if (n_kv == 0) n_kv = heads_of(model, i).n_kv;
        const char *found = obstacle_of_attention(model, i, n_kv, family);
        if (found != NULL) return found;
    }
    return NULL;
}

static const char *obstacle_of_rope(const fv_model_config *model) {
    if (model->positions != FV_POSITIONS_ROPE) return "model.positions";
    if (model->rope_pairs != FV_ROPE_PAIRS_HALF) return "model.rope_pairs";
    bool part = model->rope_width > 0 && model->rope_width != model->n_embd / model->n_head;
    if (part) return "model.rope_width";
    return model->rope_factor == 0 ? "model.rope_factor"
                                   : NULL; // differs from sequence to sequence
}

// The first field whose value has no place in the family; NULL: all have one.
static const char *obstacle(const fv_config *config, hf_family family) {
    const fv_model_config *model = &config->model;
    const char *found = obstacle_of_all(config);
    if (found != NULL) return found;
    bool mamba = family == HF_MAMBA, gpt2 = family == HF_GPT2;
    int one = mamba ? FV_LAYER_MAMBA : FV_LAYER_ATTENTION;
    if (!only_kinds(model, one, mamba ? one : FV_LAYER_MLP)) return "model.layers";
    if (model->norm != (gpt2 ? FV_NORM_LAYER : FV_NORM_RMS)) return "model.norm";
    if (mamba) return model->positions != FV_POSITIONS_NONE ? "model.positions" : NULL;
    const positions_type *positions = positions_type_of(model->positions);
    if (gpt2 && (positions->turn != NULL || positions->slopes)) return "model.positions";
    if (!gpt2) found = obstacle_of_rope(model);
    if (found == NULL) found = obstacle_of_attentions(model, family);
    if (found != NULL || !has_kind(model, FV_LAYER_MLP)) return found;
    if (their_activation(model) == NULL || activation_is_gated(model->activation) == gpt2)
        return "model.activation";
    return family == HF_QWEN3 && model->bias ? "model.bias" : NULL;
}

fv_status hf_family_of(const fv_config *config, hf_family *family, fv_error *error) {
    char text[512] = "";
    for (int f = 0; f < HF_FAMILY_COUNT; f++) {
        const char *key = obstacle(config, (hf_family)f);
        if (key == NULL) {
            *family = (hf_family)f;
            return FV_OK;
        }
        char value[FV_VALUE_SIZE];
        fv_config_get(config, fv_field_find(key), value, sizeof value);
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s for %s %.60s", used > 0 ? ", " : "",
                 NAMES[f], key, value);
    }
    return fv_fail(error, FV_USAGE,
                   "no family of transformers that Fovea writes has a place for every part of this "
                   "model: %s",
                   text);
}

// --- config.json --------------------------------------------------------------------------------

static void set(json_t *object, const char *key, json_t *value) {
    json_object_set_new(object, key, value);
}

static void set_int(json_t *object, const char *key, int value) {
    set(object, key, json_integer(value));
}

// NTK is another base.
static void set_rope(json_t *object, const fv_config *config) {
    const fv_model_config *m = &config->model;
    int width = m->n_embd / m->n_head;
    int original = m->rope_original > 0 ? m->rope_original : config->task.context_length;
    double base = m->rope_base, s = m->rope_factor;
    if (m->rope_scaling == FV_ROPE_SCALING_NTK) base *= pow(s, (double)width / (width - 2));
    set(object, "rope_theta", json_real(base));
    json_t *scaling = json_pack("{s:f, s:f}", "rope_theta", base, "factor", s);
    const char *type = NULL;
    switch (m->rope_scaling) {
    case FV_ROPE_SCALING_LINEAR:
        type = "linear";
        break;
    case FV_ROPE_SCALING_YARN:
        type = "yarn";
        set(scaling, "beta_fast", json_real(m->rope_beta_fast));
        set(scaling, "beta_slow", json_real(m->rope_beta_slow));
        if (m->rope_mscale > 0) set(scaling, "attention_factor", json_real(m->rope_mscale));
        break;
    case FV_ROPE_SCALING_LLAMA3:
        type = "llama3";
        set(scaling, "low_freq_factor", json_real(m->rope_low_freq));
        set(scaling, "high_freq_factor", json_real(m->rope_high_freq));
        break;
    }
    if (type != NULL) set(scaling, "rope_type", json_string(type));
    if (m->rope_scaling == FV_ROPE_SCALING_YARN || m->rope_scaling == FV_ROPE_SCALING_LLAMA3)
        set_int(scaling, "original_max_position_embeddings", original);
    set(object, "rope_scaling", type != NULL ? json_incref(scaling) : json_null());
    json_decref(scaling);
}

static int kv_heads(const fv_model_config *model) {
    for (int i = 0; i < model->layers.n; i++)
        if (model->layers.kind[i] == FV_LAYER_ATTENTION) return heads_of(model, i).n_kv;
    return model->n_head;
}

static int n_blocks(const fv_model_config *model, bool pairs) {
    int n = 0;
    bool full = true;
    for (int i = 0; i < model->layers.n; i++) {
        bool mlp = pairs && model->layers.kind[i] == FV_LAYER_MLP;
        n += !mlp || full;
        full = mlp;
    }
    return n;
}

static void set_gpt2(json_t *object, const fv_config *config) {
    const fv_model_config *m = &config->model;
    const char *activation = their_activation(m);
    set_int(object, "n_embd", m->n_embd);
    set_int(object, "n_layer", n_blocks(m, true));
    set_int(object, "n_head", m->n_head);
    set_int(object, "n_inner", mlp_width(m));
    set_int(object, "n_positions", config->task.context_length);
    set(object, "activation_function", json_string(activation != NULL ? activation : "gelu_new"));
    set(object, "layer_norm_epsilon", json_real(1e-5));
    set(object, "scale_attn_weights", json_true());
    static const char *const DROPOUTS[] = {"attn_pdrop", "embd_pdrop", "resid_pdrop"};
    for (int i = 0; i < 3; i++) set(object, DROPOUTS[i], json_real(0));
}

static void set_llama(json_t *object, const fv_config *config, hf_family family) {
    const fv_model_config *m = &config->model;
    const char *activation = their_activation(m);
    set_int(object, "hidden_size", m->n_embd);
    set_int(object, "num_hidden_layers", n_blocks(m, true));
    set_int(object, "num_attention_heads", m->n_head);
    set_int(object, "num_key_value_heads", kv_heads(m));
    set_int(object, "head_dim", m->n_embd / m->n_head);
    set_int(object, "intermediate_size", mlp_width(m));
    set_int(object, "max_position_embeddings", config->task.context_length);
    set(object, "hidden_act", json_string(activation != NULL ? activation : "silu"));
    set(object, "rms_norm_eps", json_real(1e-5));
    set(object, "attention_bias", json_boolean(m->bias));
    if (family == HF_LLAMA) set(object, "mlp_bias", json_boolean(m->bias));
    if (family == HF_QWEN3) set(object, "use_sliding_window", json_false());
    set_rope(object, config);
}

static void set_mamba(json_t *object, const fv_config *config) {
    const fv_model_config *m = &config->model;
    set_int(object, "hidden_size", m->n_embd);
    set_int(object, "num_hidden_layers", n_blocks(m, false));
    set_int(object, "state_size", m->mamba_state);
    set_int(object, "expand", m->mamba_expand);
    set_int(object, "intermediate_size", m->mamba_expand * m->n_embd);
    set_int(object, "conv_kernel", m->mamba_conv);
    set_int(object, "time_step_rank",
            m->mamba_dt_rank > 0 ? m->mamba_dt_rank : (m->n_embd + 15) / 16);
    set(object, "hidden_act", json_string("silu"));
    set(object, "layer_norm_epsilon", json_real(1e-5));
    set(object, "use_bias", json_false());
    set(object, "use_conv_bias", json_true());
}

char *hf_config_write(const fv_config *config, hf_family family) {
    json_t *object =
        json_pack("{s:[s], s:s, s:s, s:b, s:i, s:n, s:n, s:n}", "architectures",
                  ARCHITECTURES[family], "model_type", NAMES[family], "torch_dtype", "float32",
                  "tie_word_embeddings", config->model.tied, "vocab_size", config->task.vocab_size,
                  "bos_token_id", "eos_token_id", "pad_token_id");
    if (object == NULL) return NULL;
    if (family == HF_GPT2)
        set_gpt2(object, config);
    else if (family == HF_MAMBA)
        set_mamba(object, config);
    else
        set_llama(object, config, family);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}
