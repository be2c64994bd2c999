// A whole config.json: where in it the language model stands, which family it is, and what is to be
// said about how it was read.
#include "base/json.h"
#include "cost/families.h"
#include "cost/gguf_config.h"
#include "cost/quantization.h"
#include "cost/stored.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// --- the language model inside -------------------------------------------------------------------

// Where models that also see or hear keep it.
static const char *const INSIDE[] = {"text_config", "llm_config", "thinker_config",
                                     "language_model", "language_config"};

static json_t *go_inside(json_t *root, const char **where) {
    for (size_t i = 0; i < sizeof INSIDE / sizeof INSIDE[0]; i++) {
        json_t *inner = json_object_get(root, INSIDE[i]);
        if (!json_is_object(inner)) continue;
        *where = INSIDE[i];
        return inner;
    }
    return NULL;
}

typedef struct found {
    json_t *fields;
    const char *type, *outer, *where; // outer and where: NULL where the model is not inside another
    const cost_family *family;
    const char *called; // the family
} found;

// The innermost of them, of the family that its model_type names, else one around it.
static found find_model(json_t *root) {
    found f = {.fields = root};
    const char *where;
    for (int depth = 0; f.fields != NULL && depth < 8; depth++) {
        const char *type = json_string_value(json_object_get(f.fields, "model_type"));
        const char *called = NULL;
        const cost_family *family = type != NULL ? cost_family_find(type, &called) : NULL;
        if (family != NULL || f.family == NULL) f.type = type != NULL ? type : f.type;
        if (family != NULL) f.family = family, f.called = called;
        json_t *inner = go_inside(f.fields, &where);
        if (inner == NULL) break;
        if (f.outer == NULL) f.outer = type != NULL ? type : "model";
        f.where = where;
        f.fields = inner;
    }
    return f;
}

// Whether embedding and unembedding are one is said by the outermost that says it: it is the model
// that is loaded.
static bool take_tie(json_t *root, json_t *fields) {
    const char *where;
    for (json_t *at = root; at != NULL && at != fields; at = go_inside(at, &where)) {
        json_t *tie = json_object_get(at, "tie_word_embeddings");
        if (json_is_boolean(tie)) return json_object_set(fields, "tie_word_embeddings", tie) == 0;
    }
    return true;
}

// The outermost that says it: wrappers say it for all.
static bool take_quantization(json_t *root, json_t *fields) {
    json_t *about = json_object_get(root, "quantization_config");
    if (about == NULL) about = json_object_get(root, "compression_config");
    if (about == NULL || json_is_null(about)) return true;
    return json_object_set(fields, "quantization_config", about) == 0;
}

static uint64_t read_dtype(const json_t *root, const json_t *fields) {
    static const char *const KEYS[] = {"dtype", "torch_dtype"};
    for (int i = 0; i < 4; i++) {
        const json_t *value = json_object_get(i < 2 ? fields : root, KEYS[i % 2]);
        const char *text = json_string_value(value);
        if (text != NULL) return strstr(text, "float32") != NULL ? 4 : 2;
    }
    return 0;
}

// --- a model from its fields ---------------------------------------------------------------------

static void read_max_tokens(cost_config *c, fv_cost_model *model) {
    model->max_tokens = cost_config_size(c,
                                         "max_position_embeddings|n_positions|max_seq_len|"
                                         "model_max_length|context_length|seq_length|n_ctx",
                                         0);
}

static void say_where(cost_config *c, const found *f) {
    if (f->where != NULL)
        cost_config_note(c, "%s of a %.60s: the language model alone is counted", f->where,
                         f->outer);
}

// The class around the model ties, where no file says anything, although the model's own does not.
static const struct wrapper {
    const char *type, *source;
} TYING[] = {
    {"deepseek_vl", "DeepseekVLConfig"},
    {"deepseek_vl_hybrid", "DeepseekVLHybridConfig"},
    {"granite_speech", "GraniteSpeechConfig"},
    {"internvl", "InternVLConfig"},
    {"janus", "JanusConfig"},
    {"kimi_k25", "KimiK25Config"},
    {"mistral3", "Mistral3Config"},
    {"ovis2", "Ovis2Config"},
};

static void say_tie(cost_config *c, const found *f) {
    if (f->where == NULL || json_object_get(c->fields, "tie_word_embeddings") != NULL) return;
    for (size_t i = 0; i < sizeof TYING / sizeof TYING[0]; i++) {
        if (strcmp(f->outer, TYING[i].type) != 0) continue;
        if (json_object_set_new(c->fields, "tie_word_embeddings", json_true()) != 0)
            c->notes.failed = true;
        cost_config_note(c, "tie_word_embeddings: true, as %s's default", TYING[i].source);
    }
}

static fv_status fill(cost_config *c, const found *f, fv_cost_model *model) {
    say_where(c, f);
    say_tie(c, f);
    read_max_tokens(c, model);
    cost_family_read(f->family, c, model);
    cost_read_quantization(c, model);
    cost_config_name_unread(c);
    fv_status status = cost_config_finish(c);
    if (status == FV_OK) {
        model->notes = c->notes.data;
        c->notes.data = NULL;
    }
    return status;
}

// `origins` is that of config.h.
static fv_status read_model(const char *name, json_t *root, const json_t *origins,
                            fv_cost_model *model, fv_error *error) {
    found f = find_model(root);
    if (!json_is_object(root) || f.type == NULL)
        return fv_fail(error, FV_FORMAT,
                       "%s: it has no model_type, which names its family, as \"llama\"; "
                       "'fovea help cost' lists those that are known",
                       name);
    if (f.family == NULL)
        return fv_fail(
            error, FV_USAGE,
            "%s: the family '%.60s' is not known; the nearest name is '%s', and 'fovea help "
            "cost' lists all",
            name, f.type, cost_family_nearest(f.type));
    if (cost_family_lacks(f.family) != NULL)
        return fv_fail(error, FV_USAGE, "the family %s is not whole: its descriptor has no .%s",
                       f.called, cost_family_lacks(f.family));
    model->family = f.called;
    model->stored_bytes = read_dtype(root, f.fields);
    cost_config config = {.name = name,
                          .family = f.called,
                          .fields = f.fields,
                          .origins = origins,
                          .used = json_object(),
                          .error = error};
    fv_status status =
        config.used != NULL && take_tie(root, f.fields) && take_quantization(root, f.fields)
            ? fill(&config, &f, model)
            : fv_fail(error, FV_NO_MEMORY, "out of memory for a config");
    text_free(&config.missing);
    text_free(&config.notes);
    json_decref(config.used);
    return status;
}

// Takes the reference to root.
static fv_status make_model(const char *name, json_t *root, const json_t *origins,
                            fv_cost_model **out, fv_error *error) {
    *out = NULL;
    fv_cost_model *model = calloc(1, sizeof *model);
    fv_status status = model != NULL ? read_model(name, root, origins, model, error)
                                     : fv_fail(error, FV_NO_MEMORY, "out of memory for a model");
    json_decref(root);
    if (status == FV_OK)
        *out = model;
    else
        fv_cost_model_free(model);
    return status;
}

static fv_status no_json(const char *name, const json_error_t *json, fv_error *error) {
    return fv_fail(error, FV_FORMAT, "%s:%d: it is no JSON: %s", name, json->line, json->text);
}

static void drop(fv_cost_model **model) {
    fv_cost_model_free(*model);
    *model = NULL;
}

// --- GGUF ----------------------------------------------------------------------------------------

static fv_status read_gguf(const char *name, FILE *file, uint64_t size, fv_cost_model **model,
                           fv_error *error) {
    gguf header;
    json_t *fields = NULL, *origins = NULL;
    fv_status status = gguf_read(file, name, size, &header, error);
    if (status == FV_OK) status = cost_gguf_fields(name, &header, &fields, &origins, error);
    if (status == FV_OK) {
        status = make_model(name, fields, origins, model, error);
        fields = NULL;
    }
    if (status == FV_OK) {
        status = cost_gguf_weigh(name, &header, *model, error);
        if (status != FV_OK) drop(model);
    }
    json_decref(fields);
    json_decref(origins);
    gguf_free(&header);
    return status;
}

static fv_status parse_gguf(const char *name, const char *bytes, size_t size, fv_cost_model **model,
                            fv_error *error) {
    FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "rb");
    if (file == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", name);
    fv_status status = read_gguf(name, file, size, model, error);
    fclose(file);
    return status;
}

// --- reading -------------------------------------------------------------------------------------

fv_status fv_cost_model_parse(const char *name, const char *text, size_t size,
                              fv_cost_model **model, fv_error *error) {
    json_error_t json;
    *model = NULL;
    if (size >= 4 && memcmp(text, "GGUF", 4) == 0)
        return parse_gguf(name, text, size, model, error);
    json_t *root = json_read(text, size, JSON_REJECT_DUPLICATES, &json);
    return root != NULL ? make_model(name, root, NULL, model, error) : no_json(name, &json, error);
}

// --- files ---------------------------------------------------------------------------------------

// A GGUF file begins with a G, which no JSON does.
static fv_status read_stream(const char *name, FILE *file, fv_cost_model **model, fv_error *error) {
    json_error_t json;
    struct stat about;
    int first = getc(file);
    if (first != EOF) ungetc(first, file);
    if (first == 'G') {
        bool sized = fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode);
        return read_gguf(name, file, sized ? (uint64_t)about.st_size : UINT64_MAX, model, error);
    }
    json_t *root = json_read_file(file, JSON_REJECT_DUPLICATES, &json);
    if (root == NULL && ferror(file))
        return fv_fail(error, FV_NOT_FOUND, "%s cannot be read: %s", name, strerror(errno));
    return root != NULL ? make_model(name, root, NULL, model, error) : no_json(name, &json, error);
}

static fv_status read_file(const char *path, fv_cost_model **model, fv_error *error) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return fv_fail(error, FV_NOT_FOUND, "%s cannot be opened: %s", path, strerror(errno));
    fv_status status = read_stream(path, file, model, error);
    fclose(file);
    return status;
}

// A folder: its config.json, and what its files of weights say of it.
static fv_status read_folder(const char *path, fv_cost_model **model, fv_error *error) {
    text_buffer inside = {0};
    text_add(&inside, "%s%sconfig.json", path, path[strlen(path) - 1] == '/' ? "" : "/");
    fv_status status = inside.failed
                           ? fv_fail(error, FV_NO_MEMORY, "out of memory for the name of a file")
                           : read_file(inside.data, model, error);
    text_free(&inside);
    if (status == FV_OK) {
        status = cost_check_stored(path, *model, error);
        if (status != FV_OK) drop(model);
    }
    return status;
}

fv_status fv_cost_model_read(const char *path, fv_cost_model **model, fv_error *error) {
    struct stat about;
    *model = NULL;
    if (strcmp(path, "-") == 0) return read_stream("standard input", stdin, model, error);
    bool folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    return folder ? read_folder(path, model, error) : read_file(path, model, error);
}
