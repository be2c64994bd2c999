// Folders of transformers: what is written comes back, with Fovea's fields and, as transformers saves it again,
// by config.json alone, in F32, F16 and BF16; what has no place, is damaged or belongs to another model is
// refused. tests/interop/hf_check.py asks transformers itself.
#include "base/safetensors.h"
#include "folder.h"

#include <fovea/checkpoint.h>
#include <fovea/config.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static char config_path[96];

static int make_folder(void **state) {
    (void)state;
    int status = folder_make("model.safetensors");
    snprintf(config_path, sizeof config_path, "%s/config.json", folder);
    return status;
}

static int remove_all(void **state) {
    unlink(config_path);
    return remove_folder(state);
}

typedef struct trial {
    fv_config config;
    fv_model *model;
    float *params; // those that BF16 and F16 hold exactly, so that nothing is rounded
} trial;

static void set(fv_config *config, const char *setting) {
    char key[64];
    fv_error error = {0};
    size_t length = strcspn(setting, "=");
    snprintf(key, sizeof key, "%.*s", (int)length, setting);
    if (fv_config_set(config, key, setting + length + 1, &error) != FV_OK)
        fail_msg("%s", error.text);
}

static trial make_trial(const char *const *settings) {
    trial t;
    fv_error error = {0};
    fv_config_init(&t.config);
    for (; *settings != NULL; settings++) set(&t.config, *settings);
    if (fv_config_check(&t.config, &error) != FV_OK) fail_msg("%s", error.text);
    if (fv_model_create(&t.config, &t.model, &error) != FV_OK) fail_msg("%s", error.text);
    size_t n = fv_model_n_params(t.model);
    t.params = malloc(n * sizeof *t.params);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        t.params[i] = (float)((int)(state >> 25) - 64) / 64;
    }
    return t;
}

static void free_trial(trial *t) {
    fv_model_free(t->model);
    free(t->params);
}

#define SMALL                                                                                      \
    "task.vocab_size=9", "task.context_length=5", "task.offset=2", "model.n_embd=8",               \
        "model.n_head=2", "model.residual=true"
#define LLAMA SMALL, "model.norm=rms", "model.positions=rope", "model.activation=swiglu"

typedef struct written {
    const char *family;
    const char *settings[16];
} written;

static const written MODELS[] = {
    {"gpt2",
     {SMALL, "model.layers=[attention, mlp, attention, mlp]", "model.norm=layer",
      "model.positions=learned", "model.bias=true", "model.d_mlp=6", NULL}},
    {"gpt2",
     {SMALL, "model.layers=[mlp, attention, attention]", "model.norm=layer",
      "model.positions=sinusoidal", "model.tied=true", "model.activation=relu", NULL}},
    {"llama", {LLAMA, "model.layers=[attention, mlp]", "model.n_kv_head=1", NULL}},
    {"llama",
     {LLAMA, "model.layers=[attention, mlp, attention, mlp]", "model.bias=true", "model.tied=true",
      "model.rope_scaling=yarn", "model.rope_factor=4", "model.rope_original=3", NULL}},
    {"llama", {LLAMA, "model.layers=[attention, attention, mlp]", "model.rope_base=77", NULL}},
    {"qwen3",
     {LLAMA, "model.layers=[attention, mlp]", "model.qk_norm=head", "model.activation=geglu",
      NULL}},
    {"mamba",
     {SMALL, "model.layers=[mamba, mamba]", "model.norm=rms", "model.mamba_state=3",
      "model.mamba_dt_rank=2", NULL}},
};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS };

static void write_folder(const trial *t) {
    fv_error error = {0};
    if (fv_checkpoint_write_hf(folder, t->model, t->params, &error) != FV_OK)
        fail_msg("%s", error.text);
}

static fv_status read_folder(int length, trial *t, fv_error *error) {
    return fv_checkpoint_read_hf(folder, length, &t->config, &t->model, &t->params, error);
}

enum { N = 6, T = 5, V = 9 };

static void logits_of(const trial *t, float *logits) {
    int32_t tokens[N * T];
    fv_error error = {0};
    for (int i = 0; i < N * T; i++) tokens[i] = (i * i + i / 3) % V;
    if (fv_model_logits(t->model, t->params, tokens, N, logits, &error) != FV_OK)
        fail_msg("%s", error.text);
}

static void assert_same_logits(const trial *a, const trial *b, double tolerance) {
    float x[N * V], y[N * V];
    logits_of(a, x);
    logits_of(b, y);
    for (int i = 0; i < N * V; i++)
        if (!(fabs((double)x[i] - y[i]) <= tolerance * fmax(1, fabs((double)x[i]))))
            fail_msg("logit %d is %g and not %g", i, (double)y[i], (double)x[i]);
}

static void test_comes_back(void **state) {
    (void)state;
    for (int i = 0; i < N_MODELS; i++) {
        trial t = make_trial(MODELS[i].settings), back = {0};
        fv_error error = {0};
        write_folder(&t);
        assert_true(fv_checkpoint_is_hf(folder));
        if (read_folder(0, &back, &error) != FV_OK) fail_msg("%s", error.text);
        assert_memory_equal(&t.config, &back.config, sizeof t.config);
        assert_memory_equal(t.params, back.params, fv_model_n_params(t.model) * sizeof *t.params);
        json_t *config = json_load_file(config_path, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(config, "model_type")),
                            MODELS[i].family);
        json_decref(config);
        free_trial(&t);
        free_trial(&back);
    }
}

// --- as others write it -------------------------------------------------------------------------

static uint16_t narrow(float value, safetensors_dtype dtype) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dtype == SAFETENSORS_BF16 || value == 0) return (uint16_t)(bits >> 16);
    int exponent;
    float fraction = frexpf(fabsf(value), &exponent); // 0.5 to 1
    assert_true(exponent > -14 && exponent <= 16);
    return (uint16_t)((value < 0) << 15 | (exponent + 14) << 10 | (int)((fraction * 2 - 1) * 1024));
}

// What a file shall be like: NULL means as it is.
typedef struct change {
    const char *drop, *rename, *to; // tensors
    safetensors_dtype dtype;
    int cut; // bytes from its end
} change;

// Writes the file again without Fovea's fields, with a change.
static void rewrite(const change *c) {
    safetensors file;
    fv_error error = {0};
    if (safetensors_open(path, &file, &error) != FV_OK) fail_msg("%s", error.text);
    json_t *header = json_object();
    char *data = malloc(1 << 20), *at = data;
    for (int i = 0; i < file.n_tensors; i++) {
        const safetensors_tensor *t = &file.tensors[i];
        if (c->drop != NULL && strcmp(t->name, c->drop) == 0) continue;
        size_t n = (t->end - t->begin) / sizeof(float);
        float *values = malloc(n * sizeof *values);
        assert_int_equal(safetensors_read(&file, t, values, &error), FV_OK);
        char *begin = at;
        for (size_t k = 0; k < n; k++) {
            uint16_t half = narrow(values[k], c->dtype);
            bool wide = c->dtype != SAFETENSORS_F16 && c->dtype != SAFETENSORS_BF16;
            memcpy(at, wide ? (void *)&values[k] : (void *)&half, wide ? 4 : 2);
            at += wide ? 4 : 2;
        }
        free(values);
        const char *dtype = c->dtype == SAFETENSORS_F16    ? "F16"
                            : c->dtype == SAFETENSORS_BF16 ? "BF16"
                            : c->dtype == SAFETENSORS_I32  ? "I32"
                                                           : "F32";
        bool renamed = c->rename != NULL && strcmp(t->name, c->rename) == 0;
        json_t *shape =
            json_incref(json_object_get(json_object_get(file.header, t->name), "shape"));
        json_object_set_new(header, renamed ? c->to : t->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape,
                                      "data_offsets", (json_int_t)(begin - data),
                                      (json_int_t)(at - data)));
    }
    safetensors_close(&file);
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t length = strlen(text);
    FILE *out = fopen(path, "wb");
    fwrite(&length, sizeof length, 1, out);
    fwrite(text, 1, length, out);
    fwrite(data, 1, (size_t)(at - data - c->cut), out);
    fclose(out);
    free(text);
    free(data);
    json_decref(header);
}

static void test_opens_without_fields(void **state) {
    (void)state;
    static const safetensors_dtype DTYPES[] = {SAFETENSORS_F32, SAFETENSORS_F16, SAFETENSORS_BF16};
    for (int i = 0; i < N_MODELS; i++)
        for (int k = 0; k < 3; k++) {
            trial t = make_trial(MODELS[i].settings), back = {0};
            fv_error error = {0};
            write_folder(&t);
            // Sines have no place in a half.
            if (k > 0 && i == 1) {
                free_trial(&t);
                continue;
            }
            rewrite(&(change){.dtype = DTYPES[k]});
            if (read_folder(T, &back, &error) != FV_OK) fail_msg("%s", error.text);
            assert_same_logits(&t, &back, 1e-5);
            free_trial(&t);
            free_trial(&back);
        }
}

// Replaces what config.json says of a key; NULL takes it away.
static void say(const char *key, json_t *value) {
    json_t *config = json_load_file(config_path, 0, NULL);
    if (value != NULL)
        json_object_set_new(config, key, value);
    else
        json_object_del(config, key);
    json_dump_file(config, config_path, 0);
    json_decref(config);
}

// Another epsilon of theirs: as if the stream were scaled. The oracle: with the epsilon of all norms a quarter
// million times smaller, and all numbers of the stream 1/512 of what they were, norms give the same.
static void test_epsilon_is_scaled(void **state) {
    (void)state;
    static const int WITH[] = {0, 3, 5, 6};
    for (int i = 0; i < 4; i++) {
        trial t = make_trial(MODELS[WITH[i]].settings), back = {0};
        fv_error error = {0};
        int n;
        const fv_tensor *tensors = fv_model_tensors(t.model, &n);
        write_folder(&t);
        rewrite(&(change){0});
        say(WITH[i] == 3 || WITH[i] == 5 ? "rms_norm_eps" : "layer_norm_epsilon",
            json_real(1e-5 / 262144));
        if (read_folder(T, &back, &error) != FV_OK) fail_msg("%s", error.text);
        for (int k = 0; k < n; k++) {
            const char *name = tensors[k].name;
            bool stream = strstr(name, "embed.W_E") || strstr(name, "W_pos") ||
                          strstr(name, "W_O") || strstr(name, "b_O") || strstr(name, "W_out") ||
                          strstr(name, "b_out") || strstr(name, "out_proj");
            bool heads = WITH[i] == 5 && (strstr(name, "W_Q") || strstr(name, "W_K"));
            float factor = stream || heads ? 512 : 1;
            const fv_tensor *there = fv_model_tensor(back.model, name);
            for (size_t j = 0; j < tensors[k].size; j++)
                assert_true(back.params[there->offset + j] ==
                            factor * t.params[tensors[k].offset + j]);
        }
        free_trial(&t);
        free_trial(&back);
    }
}

static void test_reads_longer_tables_and_shorter_contexts(void **state) {
    (void)state;
    trial t = make_trial(MODELS[0].settings), back = {0};
    fv_error error = {0};
    write_folder(&t);
    rewrite(&(change){0});
    assert_int_equal(read_folder(2, &back, &error), FV_OK);
    assert_int_equal(back.config.task.context_length, 2);
    free_trial(&back);
    assert_int_equal(read_folder(0, &back, &error), FV_OK);
    assert_int_equal(back.config.task.context_length, T);
    free_trial(&back);
    assert_int_equal(read_folder(6, &back, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "more than the model's table has: 5"));
    free_trial(&t);
}

// --- what is refused ----------------------------------------------------------------------------

static void refuses(fv_status status, const char *sentence) {
    trial back = {0};
    fv_error error = {0};
    fv_status got = read_folder(0, &back, &error);
    if (got != status || strstr(error.text, sentence) == NULL)
        fail_msg("status %d: %s; not %d: ...%s", got, error.text, status, sentence);
    assert_null(back.model);
    assert_null(back.params);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        change change;
        fv_status status;
        const char *sentence;
    } CASES[] = {
        {{.cut = 1}, FV_FORMAT, "may be truncated"},
        {{.drop = "model.layers.0.mlp.up_proj.weight"},
         FV_FORMAT,
         "lacks the tensor 'model.layers.0.mlp.up"},
        {{.drop = "model.embed_tokens.weight"},
         FV_FORMAT,
         "lacks the tensor 'model.embed_tokens.weight'"},
        {{.rename = "model.layers.0.mlp.up_proj.weight",
          .to = "model.layers.0.mlp.down_proj.weigh"},
         FV_FORMAT,
         "lacks"},
        {{.dtype = SAFETENSORS_I32}, FV_USAGE, "neither F32, F16 nor BF16"},
    };
    trial t = make_trial(MODELS[2].settings);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        write_folder(&t);
        rewrite(&CASES[i].change);
        refuses(CASES[i].status, CASES[i].sentence);
    }
    // A tensor that the configuration has no place for: the lm_head of a model with one layer less.
    write_folder(&t);
    rewrite(&(change){0});
    say("num_hidden_layers", json_integer(2));
    refuses(FV_FORMAT, "lacks the tensor 'model.layers.1.");
    trial longer = make_trial(MODELS[3].settings);
    write_folder(&longer);
    rewrite(&(change){0});
    say("num_hidden_layers", json_integer(1));
    refuses(FV_FORMAT, "has no place in the model");
    free_trial(&longer);
    free_trial(&t);
}

static void test_configurations_refused(void **state) {
    (void)state;
    static const struct {
        const char *key, *value; // JSON; NULL: not there
        fv_status status;
        const char *sentence;
    } CASES[] = {
        {"model_type", "\"t5\"", FV_USAGE, "Fovea opens gpt2, llama, qwen3 and mamba"},
        {"model_type", NULL, FV_FORMAT, "no model_type"},
        {"hidden_size", "-8", FV_FORMAT, "hidden_size must be a whole number"},
        {"hidden_size", "\"8\"", FV_FORMAT, "hidden_size must be a whole number"},
        {"hidden_size", "16", FV_USAGE, "head_dim"},
        {"hidden_size", "100000000", FV_USAGE, "model.n_embd"},
        {"num_attention_heads", "3", FV_USAGE, "head_dim"},
        {"num_hidden_layers", "1000000000", FV_USAGE, "model.layers"},
        {"vocab_size", "10", FV_FORMAT, "is not of the shape"},
        {"vocab_size", "1", FV_USAGE, "task.vocab_size"},
        {"intermediate_size", "7", FV_FORMAT, "is not of the shape"},
        {"hidden_act", "\"gelu\"", FV_USAGE, "hidden_act \"gelu\": Fovea has silu"},
        {"head_dim", "64", FV_USAGE, "head_dim 64: Fovea's heads share the width"},
        {"rms_norm_eps", "0.0", FV_FORMAT, "epsilon"},
        {"rope_scaling", "{\"rope_type\": \"longrope\"}", FV_USAGE, "Fovea has the types default"},
        {"rope_scaling", "[1]", FV_USAGE, "it must be an object"},
        {"rope_scaling", "{\"type\": 5, \"factor\": 4}", FV_USAGE, "names no kind of scaling"},
        {"rope_scaling", "{\"rope_type\": \"yarn\", \"original_max_position_embeddings\": 1e300}",
         FV_FORMAT, "original_max_position_embeddings must be a whole number"},
        {"rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 1e300}", FV_USAGE,
         "model.rope_factor"},
        {"layer_types", "[\"sliding_attention\"]", FV_USAGE, "full attention alone"},
        {"partial_rotary_factor", "0.5", FV_USAGE, "turns whole heads"},
    };
    trial t = make_trial(MODELS[2].settings);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        write_folder(&t);
        rewrite(&(change){0});
        say(CASES[i].key,
            CASES[i].value != NULL ? json_loads(CASES[i].value, JSON_DECODE_ANY, NULL) : NULL);
        refuses(CASES[i].status, CASES[i].sentence);
    }
    FILE *file = fopen(config_path, "w");
    fputs("{\"model_type\": ", file);
    fclose(file);
    refuses(FV_FORMAT, "it is no JSON");
    file = fopen(config_path, "w");
    fputs("[]", file);
    fclose(file);
    refuses(FV_FORMAT, "must be an object");
    free_trial(&t);
}

static void test_index_of_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
        fv_status status;
    } CASES[] = {
        {"{\"weight_map\": {\"a\": \"../model.safetensors\"}}", "is no name", FV_FORMAT},
        {"{\"weight_map\": {\"a\": 5}}", "is no name", FV_FORMAT},
        {"{}", "names no file", FV_FORMAT},
        {"{\"weight_map\": {\"a\": \"b.safetensors\"}}", "there is no file", FV_NOT_FOUND}};
    char index[128];
    snprintf(index, sizeof index, "%s.index.json", path);
    trial t = make_trial(MODELS[2].settings), back = {0};
    fv_error error = {0};
    write_folder(&t);
    for (int i = 0; i < 4; i++) {
        FILE *file = fopen(index, "w");
        fputs(CASES[i].text, file);
        fclose(file);
        refuses(CASES[i].status, CASES[i].sentence);
    }
    FILE *file = fopen(index, "w");
    fputs("{\"weight_map\": {\"a\": \"model.safetensors\", \"b\": \"model.safetensors\"}}", file);
    fclose(file);
    assert_int_equal(read_folder(0, &back, &error), FV_OK);
    unlink(index);
    free_trial(&back);
    free_trial(&t);
}

// What no family has, by the field that the sentence must name.
static void test_no_place(void **state) {
    (void)state;
    static const char *const CASES[][4] = {
        {"model.residual", "model.residual=false", NULL, NULL},
        {"model.layers", "model.layers=[attention, mamba, mlp]", NULL, NULL},
        {"model.norm", "model.norm=none", NULL, NULL},
        {"model.norm_place", "model.norm_place=sandwich", NULL, NULL},
        {"model.readout", "model.readout=harmonic", NULL, NULL},
        {"model.score", "model.score=euclidean", "model.positions=learned", "model.norm=layer"},
        {"model.positions", "model.positions=alibi", NULL, NULL},
        {"model.rope_pairs", "model.rope_pairs=interleaved", NULL, NULL},
        {"model.rope_width", "model.rope_width=2", NULL, NULL},
        {"model.n_kv_head", "model.n_kv_head=1", "model.norm=layer", "model.positions=learned"},
        {"model.n_kv_head", "model.layers=[attention, mlp, attention(n_kv_head=1)]", NULL, NULL},
        {"model.qk_norm", "model.qk_norm=vector", NULL, NULL},
        {"model.soft_cap", "model.soft_cap=2", NULL, NULL},
        {"model.sink_logit", "model.sink_logit=learned", NULL, NULL},
        {"model.window", "model.layers=[attention(window=2), mlp]", NULL, NULL},
        {"model.gate", "model.gate=head", NULL, NULL},
        {"model.normaliser", "model.normaliser=sparsemax", NULL, NULL},
        {"model.selector", "model.selector=topk", "model.selector_k=2", NULL},
        {"model.exclude_self", "model.exclude_self=true", NULL, NULL},
        {"model.activation", "model.activation=relu", NULL, NULL},
        {"qwen3 for model.bias", "model.bias=true", "model.qk_norm=head", NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *settings[16] = {LLAMA, "model.layers=[attention, mlp]"};
        int n = 0;
        while (settings[n] != NULL) n++;
        for (int k = 1; k < 4; k++)
            if (CASES[i][k] != NULL) settings[n++] = CASES[i][k];
        trial t = make_trial(settings);
        fv_error error = {0};
        assert_int_equal(fv_checkpoint_write_hf(folder, t.model, t.params, &error), FV_USAGE);
        if (strstr(error.text, CASES[i][0]) == NULL)
            fail_msg("%s is not named: %s", CASES[i][0], error.text);
        assert_false(fv_checkpoint_is_hf(folder));
        free_trial(&t);
    }
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_all)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_comes_back),        IN_FOLDER(test_opens_without_fields),
        IN_FOLDER(test_epsilon_is_scaled), IN_FOLDER(test_reads_longer_tables_and_shorter_contexts),
        IN_FOLDER(test_damaged),           IN_FOLDER(test_configurations_refused),
        IN_FOLDER(test_index_of_files),    IN_FOLDER(test_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
