#include "cost/families.h"

#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// X(model_type, reader, traits...)
// clang-format off
#define FAMILY_LIST(X)                                                                             \
    X(llama, transformer, 0)                                                                       \
    X(mistral, transformer, .sliding = SLIDES_ALL)                                                 \
    X(mixtral, transformer, .sliding = SLIDES_ALL, .mixture = MIXTURE_MIXTRAL)                     \
    X(qwen2, transformer, .qkv_bias = true, .sliding = SLIDES_UPPER)                               \
    X(qwen2_moe, transformer, .qkv_bias = true, .sliding = SLIDES_UPPER, .mixture = MIXTURE_QWEN)  \
    X(qwen3, transformer, .qk_norm = true, .sliding = SLIDES_UPPER)                                \
    X(qwen3_moe, transformer, .qk_norm = true, .sliding = SLIDES_UPPER, .mixture = MIXTURE_QWEN)   \
    X(gemma, transformer, .tied = true, .head_dim = 256)                                           \
    X(gemma2, transformer, .tied = true, .sandwich = true, .sliding = SLIDES_PATTERN,              \
      .pattern = 2, .head_dim = 256)                                                               \
    X(gemma3_text, transformer, .tied = true, .qk_norm = true, .sandwich = true,                   \
      .sliding = SLIDES_PATTERN, .pattern = 6, .heads = 8, .kv_heads = 4, .head_dim = 256,         \
      .vocab = 262208)                                                                             \
    X(gpt_oss, transformer, .bias = true, .sinks = true, .sliding = SLIDES_PATTERN,                \
      .pattern = 2, .mixture = MIXTURE_GPT_OSS)                                                    \
    X(gpt2, gpt2, 0)                                                                               \
    X(deepseek_v2, deepseek, 0)                                                                    \
    X(deepseek_v3, deepseek, 0)                                                                    \
    X(mamba, mamba, .tied = true)                                                                  \
    X(falcon_mamba, mamba, .tied = true)                                                           \
    X(jamba, jamba, 0)                                                                             \
    X(zamba2, zamba2, .heads = 32)
// clang-format on

static const cost_family families[] = {
#define FAMILY(name, reader, ...) {#name, cost_read_##reader, {__VA_ARGS__}},
    FAMILY_LIST(FAMILY)
#undef FAMILY
};

const char *fv_cost_families(void) {
#define NAME(name, reader, ...) ", " #name
    return &(FAMILY_LIST(NAME))[2]; // behind the first comma
#undef NAME
}

// --- what readers share ------------------------------------------------------------------------

bool cost_begin(cost_config *config, fv_cost_model *model, uint64_t n_layers) {
    if (n_layers > COST_MAX_LAYERS) {
        cost_config_wrong(config, "the number of layers", "must be at most %d, not %d",
                          COST_MAX_LAYERS, (int)n_layers);
        return false;
    }
    model->n_layers = n_layers + 2;
    model->layers = calloc(model->n_layers, sizeof *model->layers);
    if (model->layers != NULL) return true;
    config->status = fv_fail(config->error, FV_NO_MEMORY, "out of memory for a model's layers");
    return false;
}

void cost_add(cost_config *config, fv_cost_model *model, uint64_t layer, cost_kind kind,
              cost_dims dims, uint64_t n_copies) {
    if (!cost_model_add(model, layer, kind, &dims, n_copies))
        cost_config_wrong(config, "its layers", "have more than %d different parts",
                          COST_MAX_PARTS);
}

void cost_add_ends(cost_config *config, fv_cost_model *model, cost_dims dims, bool tied) {
    cost_add(config, model, 0, COST_EMBEDDING, dims, 0);
    dims.positions = 0;
    dims.untied = !tied;
    dims.vectors = dims.width; // the last norm
    cost_add(config, model, model->n_layers - 1, COST_UNEMBEDDING, dims, 0);
}

void cost_read_heads(cost_config *c, const cost_traits *traits, const char *key, cost_dims *dims) {
    dims->heads = traits->heads
                      ? cost_config_size(c, "num_attention_heads", (uint64_t)traits->heads)
                      : cost_config_need(c, "num_attention_heads");
    dims->kv_heads = cost_config_size(c, "num_key_value_heads",
                                      traits->kv_heads ? (uint64_t)traits->kv_heads : dims->heads);
    cost_config_expect(c, dims->heads % dims->kv_heads == 0, "num_key_value_heads",
                       "must divide num_attention_heads, and %d does not divide %d",
                       (int)dims->kv_heads, (int)dims->heads);
    dims->head_dim = cost_config_size(c, key, (uint64_t)traits->head_dim);
    if (dims->head_dim > 0) return;
    cost_config_expect(c, dims->input % dims->heads == 0, "num_attention_heads",
                       "must divide the width that heads share where %s does not give theirs, and "
                       "%d does not divide %" PRIu64,
                       key, (int)dims->heads, dims->input);
    dims->head_dim = dims->input / dims->heads;
}

void cost_check_experts(cost_config *c, const cost_dims *dims) {
    cost_config_expect(c, dims->active <= dims->experts, "num_experts_per_tok",
                       "must be at most the %d experts of a layer, not %d", (int)dims->experts,
                       (int)dims->active);
}

// --- a whole config ----------------------------------------------------------------------------

static const cost_family *find_family(const char *name) {
    // Models that also see pictures keep their language model in text_config; some old files of
    // gemma3 name the whole.
    if (strcmp(name, "gemma3") == 0) name = "gemma3_text";
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(name, families[i].name) == 0) return &families[i];
    return NULL;
}

static fv_status read_model(const char *name, json_t *root, fv_cost_model *model, fv_error *error) {
    json_t *text = json_object_get(root, "text_config");
    if (json_is_object(text)) root = text;
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!json_is_object(root) || type == NULL)
        return fv_fail(error, FV_FORMAT,
                       "%s: it has no model_type, which names its family: one of %s", name,
                       fv_cost_families());
    const cost_family *family = find_family(type);
    if (family == NULL)
        return fv_fail(error, FV_USAGE, "%s: the family '%.60s' is not known; known are %s", name,
                       type, fv_cost_families());
    model->family = family->name;
    cost_config config = {.name = name, .family = family->name, .fields = root, .error = error};
    model->max_tokens = cost_config_size(&config, "max_position_embeddings", 0);
    family->read(&config, &family->traits, model);
    fv_status status = cost_config_finish(&config);
    text_free(&config.missing);
    return status;
}

static fv_status make_model(const char *name, json_t *root, const json_error_t *json,
                            fv_cost_model **out, fv_error *error) {
    *out = NULL;
    if (root == NULL)
        return fv_fail(error, FV_FORMAT, "%s:%d: it is no JSON: %s", name, json->line, json->text);
    fv_cost_model *model = calloc(1, sizeof *model);
    fv_status status = model != NULL ? read_model(name, root, model, error)
                                     : fv_fail(error, FV_NO_MEMORY, "out of memory for a model");
    json_decref(root);
    if (status == FV_OK)
        *out = model;
    else
        fv_cost_model_free(model);
    return status;
}

fv_status fv_cost_model_parse(const char *name, const char *text, size_t size,
                              fv_cost_model **model, fv_error *error) {
    json_error_t json;
    json_t *root = json_read(text, size, JSON_REJECT_DUPLICATES, &json);
    return make_model(name, root, &json, model, error);
}

fv_status fv_cost_model_read(const char *path, fv_cost_model **model, fv_error *error) {
    *model = NULL;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return fv_fail(error, FV_NOT_FOUND, "%s cannot be opened: %s", path, strerror(errno));
    json_error_t json;
    json_t *root = json_read_file(file, JSON_REJECT_DUPLICATES, &json);
    fclose(file);
    return make_model(path, root, &json, model, error);
}
