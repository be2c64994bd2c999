// config.json, read: from what a family calls its parts to fields.
#include "base/text.h"
#include "model/hf.h"

#include <fovea/config.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// One file on its way into a configuration.
typedef struct reading {
    const char *path;
    const json_t *json;
    fv_config *config;
    fv_error *error;
} reading;

static const json_t *value_of(const reading *r, const char *key) {
    const json_t *value = json_object_get(r->json, key);
    return json_is_null(value) ? NULL : value;
}

static fv_status refuse(const reading *r, const char *key, const char *why) {
    char *text = json_dumps(json_object_get(r->json, key), JSON_ENCODE_ANY | JSON_COMPACT);
    fv_status status = fv_fail(r->error, FV_USAGE, "%s: %s %.60s: %s", r->path, key,
                               text != NULL ? text : "is not given", why);
    free(text);
    return status;
}

static fv_status set(const reading *r, const char *field, const char *text) {
    fv_error why = {0};
    if (fv_config_set(r->config, field, text, &why) == FV_OK) return FV_OK;
    return fv_fail(r->error, FV_USAGE, "%s: %.900s", r->path, why.text);
}

// A whole number; `otherwise` where it is not given, or with -1 it must be.
static fv_status read_int(const reading *r, const char *key, int otherwise, int *number) {
    const json_t *value = value_of(r, key);
    *number = otherwise;
    if (value == NULL && otherwise >= 0) return FV_OK;
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 1 || n > INT32_MAX)
        return fv_fail(r->error, FV_FORMAT, "%s: %s must be a whole number from 1 on", r->path,
                       key);
    *number = (int)n;
    return FV_OK;
}

static fv_status set_int(const reading *r, const char *field, int value) {
    char text[24];
    snprintf(text, sizeof text, "%d", value);
    return set(r, field, text);
}

static fv_status copy_int(const reading *r, const char *key, int otherwise, const char *field) {
    int value;
    fv_status status = read_int(r, key, otherwise, &value);
    return status == FV_OK ? set_int(r, field, value) : status;
}

static fv_status set_real(const reading *r, const char *field, double value) {
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    return set(r, field, text);
}

static double real_of(const json_t *object, const char *key, double otherwise) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static bool is_true(const reading *r, const char *key) {
    return json_is_true(json_object_get(r->json, key));
}

// --- parts --------------------------------------------------------------------------------------

static fv_status set_layers(const reading *r, const char *block, int n) {
    text_buffer list = {0};
    for (int i = 0; i < n && i <= FV_MAX_LAYERS; i++)
        text_add(&list, "%s%s", i ? ", " : "[", block);
    text_add_char(&list, ']');
    fv_status status = list.failed
                           ? fv_fail(r->error, FV_NO_MEMORY, "out of memory reading %s", r->path)
                           : set(r, "model.layers", list.data);
    text_free(&list);
    return status;
}

static fv_status read_activation(const reading *r, const char *key, const char *usual, bool gated) {
    const char *theirs = json_string_value(value_of(r, key));
    int kind = hf_activation(theirs != NULL ? theirs : usual, gated);
    if (kind < 0)
        return refuse(r, key,
                      "Fovea has silu, gelu_new (the tanh form), relu and relu2, and silu and "
                      "gelu_new in gates");
    return set(r, "model.activation", fv_field_find("model.activation")->choices[kind]);
}

static fv_status read_scaling(const reading *r, const json_t *rope, const char *type) {
    static const struct {
        const char *theirs, *field;
        double usual;
    } NUMBERS[] = {{"factor", "model.rope_factor", 1},
                   {"beta_fast", "model.rope_beta_fast", 32},
                   {"beta_slow", "model.rope_beta_slow", 1},
                   {"low_freq_factor", "model.rope_low_freq", 1},
                   {"high_freq_factor", "model.rope_high_freq", 4},
                   {"attention_factor", "model.rope_mscale", 0}};
    bool llama3 = strcmp(type, "llama3") == 0, yarn = strcmp(type, "yarn") == 0;
    fv_status status = set(r, "model.rope_scaling", type);
    for (int i = 0; i < 6 && status == FV_OK; i++) {
        bool of_yarn = i == 1 || i == 2 || i == 5, of_llama3 = i == 3 || i == 4;
        if ((of_yarn && !yarn) || (of_llama3 && !llama3)) continue;
        status = set_real(r, NUMBERS[i].field, real_of(rope, NUMBERS[i].theirs, NUMBERS[i].usual));
    }
    if (status != FV_OK || (!yarn && !llama3)) return status;
    int longest;
    status = read_int(r, "max_position_embeddings", -1, &longest);
    if (status != FV_OK) return status;
    double original = real_of(rope, "original_max_position_embeddings", longest);
    if (!(original >= 1 && original <= INT32_MAX && original == floor(original)))
        return fv_fail(r->error, FV_FORMAT,
                       "%s: original_max_position_embeddings must be a whole number from 1 on",
                       r->path);
    return set_int(r, "model.rope_original", (int)original);
}

// rope_parameters, or as before transformers 5 rope_theta and rope_scaling.
static fv_status read_rope(const reading *r) {
    const json_t *rope = value_of(r, "rope_parameters");
    const char *key = rope != NULL ? "rope_parameters" : "rope_scaling";
    if (rope == NULL) rope = value_of(r, "rope_scaling");
    if (rope != NULL && !json_is_object(rope)) return refuse(r, key, "it must be an object");
    double base = real_of(rope, "rope_theta", real_of(r->json, "rope_theta", 10000));
    const char *type = json_string_value(json_object_get(rope, "rope_type"));
    if (type == NULL) type = json_string_value(json_object_get(rope, "type"));
    double share =
        real_of(rope, "partial_rotary_factor", real_of(r->json, "partial_rotary_factor", 1));
    if (share != 1) return refuse(r, key, "Fovea turns whole heads of these families");
    if (type == NULL && json_object_get(rope, "factor") != NULL)
        return refuse(r, key, "it has a factor, but rope_type names no kind of scaling");
    fv_status status = set(r, "model.positions", "rope");
    if (status == FV_OK) status = set_real(r, "model.rope_base", base);
    if (status != FV_OK || type == NULL || strcmp(type, "default") == 0) return status;
    static const char *const KNOWN[] = {"linear", "yarn", "llama3"};
    for (int i = 0; i < 3; i++)
        if (strcmp(type, KNOWN[i]) == 0) return read_scaling(r, rope, type);
    return refuse(r, key, "Fovea has the types default, linear, yarn and llama3");
}

// --- families -----------------------------------------------------------------------------------

static fv_status read_gpt2(const reading *r, hf_given *hf) {
    int n, d;
    fv_status status = read_int(r, "n_layer", -1, &n);
    if (status == FV_OK) status = read_int(r, "n_embd", -1, &d);
    if (status == FV_OK) status = set_int(r, "model.n_embd", d);
    if (status == FV_OK) status = copy_int(r, "n_head", -1, "model.n_head");
    if (status == FV_OK) status = read_int(r, "n_inner", 4 * d, &d);
    if (status == FV_OK) status = set_int(r, "model.d_mlp", d);
    if (status == FV_OK) status = set_layers(r, "attention, mlp", n);
    if (status == FV_OK) status = read_activation(r, "activation_function", "gelu_new", false);
    if (status == FV_OK) status = set(r, "model.positions", "learned");
    if (status == FV_OK) status = set(r, "model.norm", "layer");
    if (status == FV_OK) status = set(r, "model.bias", "true");
    if (status == FV_OK) status = read_int(r, "n_positions", 1024, &hf->length);
    if (status != FV_OK) return status;
    hf->epsilon = real_of(r->json, "layer_norm_epsilon", 1e-5);
    if (is_true(r, "scale_attn_by_inverse_layer_idx"))
        return refuse(r, "scale_attn_by_inverse_layer_idx",
                      "Fovea scales scores alike in all layers");
    if (json_is_false(json_object_get(r->json, "scale_attn_weights")))
        return refuse(r, "scale_attn_weights",
                      "Fovea divides scores by the root of a head's width");
    return FV_OK;
}

static fv_status check_windows(const reading *r) {
    const json_t *types = value_of(r, "layer_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (type == NULL || strcmp(type, "full_attention") != 0)
            return refuse(r, "layer_types", "Fovea opens these families with full attention alone");
    }
    return is_true(r, "use_sliding_window") && types == NULL
               ? refuse(r, "use_sliding_window",
                        "Fovea opens these families with full attention alone")
               : FV_OK;
}

static fv_status read_llama(const reading *r, hf_given *hf) {
    int n, d = 0, heads = 1, width;
    bool biased = is_true(r, "attention_bias") || is_true(r, "mlp_bias");
    fv_status status = read_int(r, "num_hidden_layers", -1, &n);
    if (status == FV_OK) status = read_int(r, "hidden_size", -1, &d);
    if (status == FV_OK) status = set_int(r, "model.n_embd", d);
    if (status == FV_OK) status = read_int(r, "num_attention_heads", -1, &heads);
    if (status == FV_OK) status = set_int(r, "model.n_head", heads);
    if (status == FV_OK) status = copy_int(r, "num_key_value_heads", heads, "model.n_kv_head");
    if (status == FV_OK) status = copy_int(r, "intermediate_size", -1, "model.d_mlp");
    if (status == FV_OK) status = set_layers(r, "attention, mlp", n);
    if (status == FV_OK) status = read_activation(r, "hidden_act", "silu", true);
    if (status == FV_OK) status = read_rope(r);
    if (status == FV_OK) status = set(r, "model.norm", "rms");
    if (status == FV_OK) status = set(r, "model.bias", biased ? "true" : "false");
    if (status == FV_OK && hf->family == HF_QWEN3) status = set(r, "model.qk_norm", "head");
    if (status == FV_OK) status = read_int(r, "max_position_embeddings", 2048, &hf->length);
    if (status == FV_OK) status = read_int(r, "head_dim", d / heads, &width);
    if (status != FV_OK) return status;
    if ((long long)width * heads != d)
        return refuse(r, "head_dim", "Fovea's heads share the width (hidden_size) among them");
    hf->epsilon = real_of(r->json, "rms_norm_eps", 1e-6);
    return check_windows(r);
}

static fv_status read_mamba(const reading *r, hf_given *hf) {
    int n, d = 1, inner, rank;
    fv_status status = read_int(r, "num_hidden_layers", -1, &n);
    if (status == FV_OK) status = read_int(r, "hidden_size", -1, &d);
    if (status == FV_OK) status = set_int(r, "model.n_embd", d);
    if (status == FV_OK) status = copy_int(r, "expand", 2, "model.mamba_expand");
    if (status == FV_OK) status = copy_int(r, "state_size", 16, "model.mamba_state");
    if (status == FV_OK) status = copy_int(r, "conv_kernel", 4, "model.mamba_conv");
    bool automatic =
        value_of(r, "time_step_rank") == NULL || json_is_string(value_of(r, "time_step_rank"));
    if (status == FV_OK && !automatic) status = read_int(r, "time_step_rank", -1, &rank);
    if (status == FV_OK)
        status = set_int(r, "model.mamba_dt_rank", automatic ? (d + 15) / 16 : rank);
    if (status == FV_OK) status = set_layers(r, "mamba", n);
    if (status == FV_OK) status = set(r, "model.norm", "rms");
    int expand = r->config->model.mamba_expand;
    if (status == FV_OK) status = read_int(r, "intermediate_size", expand * d, &inner);
    if (status != FV_OK) return status;
    if ((long long)expand * d != inner)
        return refuse(r, "intermediate_size", "Fovea's channels are expand times hidden_size");
    if (is_true(r, "use_bias")) return refuse(r, "use_bias", "Fovea's Mamba has none there");
    const char *activation = json_string_value(value_of(r, "hidden_act"));
    if (activation != NULL && strcmp(activation, "silu") != 0)
        return refuse(r, "hidden_act", "Fovea's Mamba has silu");
    hf->epsilon = real_of(r->json, "layer_norm_epsilon", 1e-5);
    hf->length = 65536; // none is stated, and none is needed
    return FV_OK;
}

static fv_status find_family(const reading *r, hf_family *family) {
    const char *type = json_string_value(json_object_get(r->json, "model_type"));
    if (type == NULL)
        return fv_fail(r->error, FV_FORMAT,
                       "%s has no model_type, so that it is no configuration of transformers",
                       r->path);
    for (int f = 0; f < HF_FAMILY_COUNT; f++)
        if (strcmp(type, hf_family_name((hf_family)f)) == 0) {
            *family = (hf_family)f;
            return FV_OK;
        }
    return refuse(r, "model_type", "Fovea opens gpt2, llama, qwen3 and mamba");
}

fv_status hf_config_read(const char *path, const json_t *given, fv_config *config, hf_given *hf,
                         fv_error *error) {
    const reading r = {path, given, config, error};
    *hf = (hf_given){0};
    fv_status status = find_family(&r, &hf->family);
    if (status == FV_OK) status = set(&r, "model.residual", "true");
    if (status == FV_OK) status = copy_int(&r, "vocab_size", -1, "task.vocab_size");
    if (status != FV_OK) return status;
    status = hf->family == HF_GPT2    ? read_gpt2(&r, hf)
             : hf->family == HF_MAMBA ? read_mamba(&r, hf)
                                      : read_llama(&r, hf);
    if (status != FV_OK) return status;
    if (!(hf->epsilon > 0 && hf->epsilon < 1))
        return fv_fail(error, FV_FORMAT, "%s: the epsilon of its norms is not between 0 and 1",
                       path);
    // Tied where nothing is said, but in Llama.
    const json_t *tied = json_object_get(given, "tie_word_embeddings");
    bool is_tied = json_is_boolean(tied) ? json_is_true(tied)
                                         : hf->family != HF_LLAMA && hf->family != HF_QWEN3;
    return set(&r, "model.tied", is_tied ? "true" : "false");
}
