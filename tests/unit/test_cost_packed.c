// What packed weights take: against published index files, the libraries that pack them, and the
// parameters that the same matrices make.
#include "cost/matrices.h"
#include "cost/module_list.h"

#include <fovea/cost.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Takes the reference.
static fv_cost_model *parse(json_t *config) {
    fv_error error = {0};
    fv_cost_model *model;
    char *text = json_dumps(config, 0);
    if (fv_cost_model_parse("x.json", text, strlen(text), &model, &error) != FV_OK)
        fail_msg("%s: %s", text, error.text);
    free(text);
    json_decref(config);
    return model;
}

static json_t *example(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/examples/configs/%s.json", FOVEA_SOURCE_DIR, name);
    json_t *config = json_load_file(path, 0, NULL);
    assert_non_null(config);
    return config;
}

// A published config, or a small llama, with a quantization_config; single quotes for double ones.
static fv_cost_model *packed(const char *name, const char *quantization) {
    static const char SMALL[] =
        "{'model_type': 'llama', 'hidden_size': 512, 'num_hidden_layers': 1, 'vocab_size': 384, "
        "'num_attention_heads': 4, 'intermediate_size': 512, 'tie_word_embeddings': false}";
    char text[2048];
    json_t *about, *config;
    snprintf(text, sizeof text, "%s", name == NULL ? SMALL : "{}");
    for (char *c = text; *c != '\0'; c++) *c = *c == '\'' ? '"' : *c;
    config = name != NULL ? example(name) : json_loads(text, 0, NULL);
    snprintf(text, sizeof text, "%s", quantization);
    for (char *c = text; *c != '\0'; c++) *c = *c == '\'' ? '"' : *c;
    about = json_loads(text, 0, NULL);
    assert_non_null(config);
    assert_non_null(about);
    json_object_set_new(config, "quantization_config", about);
    return parse(config);
}

// --- published sizes -----------------------------------------------------------------------------

// total_size of the repositories' model.safetensors.index.json; that of DeepSeek-V3 has the biases
// that choose experts too, 58 x 256 of two bytes.
static void published_files_have_these_bytes(void **state) {
    (void)state;
    static const char MXFP4[] =
        "{'quant_method': 'mxfp4', 'modules_to_not_convert': ['model.layers.*.self_attn', "
        "'model.layers.*.mlp.router', 'model.embed_tokens', 'lm_head']}";
    static const struct {
        const char *model, *quantization;
        uint64_t bytes;
    } PUBLISHED[] = {
        {"gpt-oss-20b", MXFP4, 13761264768},
        {"gpt-oss-120b", MXFP4, 65248815744},
        {"deepseek-v3", "{'quant_method': 'awq', 'bits': 4, 'group_size': 64, 'zero_point': true}",
         364589799936 - 2 * 58 * 256},
    };
    for (size_t i = 0; i < sizeof PUBLISHED / sizeof PUBLISHED[0]; i++) {
        fv_cost_model *model = packed(PUBLISHED[i].model, PUBLISHED[i].quantization);
        assert_true(fv_cost_is_packed(model));
        assert_int_equal(fv_cost_weight_bytes(model, 2), PUBLISHED[i].bytes);
        fv_cost_model_free(model);
    }
}

// --- as the libraries pack them
// --------------------------------------------------------------------

#define GROUP(weights)        "'config_groups': {'a': {'targets': ['Linear'], 'weights': " weights "}}"
#define GROUPS(weights, more) "'config_groups': {'a': {'weights': " weights ", " more "}}"
#define COMPRESSED(groups)                                                                         \
    "{'quant_method': 'compressed-tensors', 'ignore': ['lm_head'], " groups "}"

// The seven maps of a layer, packed by compressed-tensors 0.20.1 and bitsandbytes 0.50.2
// (tests/peers/cost_packed.py); gptq, fp8 and fbgemm by their checkpoints' shapes:
// 7 x 512 x 512 numbers.
static void formats_are_as_the_libraries_pack_them(void **state) {
    (void)state;
    static const struct {
        const char *quantization;
        uint64_t bytes;
    } PACKED[] = {
        {COMPRESSED(
             GROUP("{'num_bits': 4, 'type': 'int', 'strategy': 'group', 'group_size': 128}")),
         946288},
        {COMPRESSED(GROUP("{'num_bits': 4, 'type': 'int', 'strategy': 'group', 'group_size': 32, "
                          "'symmetric': false}")),
         1060976},
        {COMPRESSED(GROUP("{'num_bits': 8, 'type': 'int', 'strategy': 'channel'}")), 1842288},
        {COMPRESSED(GROUPS("{'num_bits': 8, 'type': 'int', 'strategy': 'channel'}",
                           "'input_activations': {'dynamic': true}")),
         1842176},
        {COMPRESSED(GROUP("{'num_bits': 8, 'type': 'float', 'strategy': 'channel'}")), 1842176},
        {COMPRESSED(GROUP("{'num_bits': 8, 'type': 'float', 'strategy': 'tensor'}")), 1835022},
        {COMPRESSED(GROUPS("{'num_bits': 8, 'type': 'float', 'strategy': 'tensor'}",
                           "'input_activations': {'dynamic': false}")),
         1835036},
        {COMPRESSED(GROUP("{'num_bits': 8, 'type': 'float', 'strategy': 'block', "
                          "'block_structure': [128, 128]}")),
         1835232},
        {COMPRESSED(GROUP("{'num_bits': 4, 'type': 'float', 'strategy': 'tensor_group', "
                          "'group_size': 16}")),
         1032220},
        {COMPRESSED(GROUPS("{'num_bits': 4, 'type': 'float', 'strategy': 'tensor_group', "
                           "'group_size': 16}",
                           "'input_activations': {'dynamic': 'local'}")),
         1032248},
        {COMPRESSED(GROUP("{'num_bits': 4, 'type': 'float', 'strategy': 'group', "
                          "'group_size': 32}")),
         974848},
        {"{'load_in_4bit': true}", 1032640},
        {"{'load_in_4bit': true, 'bnb_4bit_use_double_quant': true}", 954268},
        {"{'quant_method': 'bitsandbytes', 'load_in_8bit': true}", 7 * (512 * 512 + 512 * 4)},
        {"{'quant_method': 'gptq', 'bits': 4, 'group_size': 128}",
         7 * (512 * 512 / 2 + 4 * 512 * 2 + 4 * 512 / 2 + 512 * 4)},
        {"{'quant_method': 'gptq', 'bits': 3, 'group_size': -1}",
         7 * (512 * 48 * 4 + 512 * 2 + 48 * 4 + 512 * 4)},
        {"{'quant_method': 'awq', 'zero_point': false}", 7 * (512 * 512 / 2 + 4 * 512 * 2)},
        {"{'quant_method': 'fp8', 'weight_block_size': [128, 128]}", 7 * (512 * 512 + 16 * 4)},
        {"{'quant_method': 'fp8', 'weight_block_size': [100, 128]}", 7 * (512 * 512 + 24 * 4)},
        {"{'quant_method': 'fp8', 'activation_scheme': 'static'}", 7 * (512 * 512 + 4 + 4)},
        {"{'quant_method': 'fbgemm_fp8'}", 7 * (512 * 512 + 512 * 4)},
        {"{'quant_method': 'modelopt', 'quant_algo': 'NVFP4'}", 1032248},
    };
    uint64_t plain = 2 * (2 * 512 * 384 + 3 * 512); // embedding, unembedding, norms
    for (size_t i = 0; i < sizeof PACKED / sizeof PACKED[0]; i++) {
        fv_cost_model *model = packed(NULL, PACKED[i].quantization);
        uint64_t bytes = (uint64_t)fv_cost_weight_bytes(model, 2) - plain;
        if (bytes != PACKED[i].bytes)
            fail_msg("%s: %llu bytes, not %llu", PACKED[i].quantization, (unsigned long long)bytes,
                     (unsigned long long)PACKED[i].bytes);
        fv_cost_model_free(model);
    }
}

// --- which matrices ------------------------------------------------------------------------------

static void lists_name_what_is_left_out(void **state) {
    (void)state;
    // Numbers that stay: of 7 x 512 x 512.
    static const struct {
        const char *list;
        uint64_t left_out;
    } LISTS[] = {
        {"'lm_head'", 0},
        {"'self_attn'", 4},
        {"'model.layers.0.self_attn'", 4},
        {"'model.layers.1.self_attn'", 0},
        {"'language_model.model.layers.0.mlp.down_proj'", 1},
        {"'model.layers.*.mlp'", 3},
        {"'re:.*mlp.*'", 3},
        {"'re:model\\\\.layers\\\\.\\\\d+\\\\.self_attn\\\\.(q|k)_proj$'", 2},
        {"'gate'", 0},
        {"'down_proj', 'up_proj'", 2},
        {"'visual', 're:vision_tower.*', 'multi_modal_projector'", 0},
        {"'re:(a{9999}){9999}'", 0}, // too much work: named in a note, and leaves nothing out
    };
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{'quant_method': 'fbgemm_fp8', 'modules_to_not_convert': [%s]}", LISTS[i].list);
        fv_cost_model *model = packed(NULL, text);
        if (model->packed != (7 - LISTS[i].left_out) * 512 * 512)
            fail_msg("%s: %llu maps are packed", LISTS[i].list,
                     (unsigned long long)(model->packed / 512 / 512));
        bool unread = strstr(fv_cost_model_notes(model), "is not understood") != NULL;
        assert_int_equal(unread, strchr(LISTS[i].list, '{') != NULL);
        fv_cost_model_free(model);
    }
}

static void other_methods_are_named(void **state) {
    (void)state;
    fv_cost_model *model = packed(NULL, "{'quant_method': 'hqq', 'nbits': 4}");
    assert_false(fv_cost_is_packed(model));
    assert_non_null(strstr(fv_cost_model_notes(model), "the method hqq is not known here"));
    fv_cost_model_free(model);
}

// A cache alone is packed, or nothing; older names of AWQ's fields.
static void files_may_pack_nothing(void **state) {
    (void)state;
    static const char *const NOTHING[] = {
        "{'quant_method': 'compressed-tensors', 'config_groups': {}, 'kv_cache_scheme': {}}",
        "{'quant_method': 'compressed-tensors'}", "{'quant_method': 'bitsandbytes'}"};
    for (size_t i = 0; i < sizeof NOTHING / sizeof NOTHING[0]; i++) {
        fv_cost_model *model = packed(NULL, NOTHING[i]);
        assert_false(fv_cost_is_packed(model));
        assert_non_null(strstr(fv_cost_model_notes(model), "packs 0 parameters into 0 bytes"));
        fv_cost_model_free(model);
    }
    fv_cost_model *old =
        packed(NULL, "{'quant_method': 'awq', 'w_bit': 4, 'q_group_size': 64, 'zero_point': true}");
    fv_cost_model *new =
        packed(NULL, "{'quant_method': 'awq', 'bits': 4, 'group_size': 64, 'zero_point': true}");
    assert_true(fv_cost_weight_bytes(old, 2) == fv_cost_weight_bytes(new, 2));
    fv_cost_model_free(old);
    fv_cost_model_free(new);
}

// --- the matrices are the parameters
// ---------------------------------------------------------------

static void check_part(const char *name, const fv_cost_model *model, int p) {
    const cost_part *part = &model->parts[p];
    fv_cost_setting setting;
    fv_cost cost;
    fv_cost_setting_init(&setting);
    assert_int_equal(fv_cost_part_cost(model, p, &setting, &cost, NULL), FV_OK);
    fv_cost_number sum = 0;
    for (const cost_matrix *m = cost_matrices(part->kind); m->module != NULL; m++) {
        cost_matrix_size size = cost_matrix_measure(part, m);
        sum += size.in * size.out * size.count;
    }
    fv_cost_number maps = cost.value[FV_COST_WEIGHTS];
    if (part->kind == COST_UNEMBEDDING) maps *= part->dims.untied;
    if (part->dims.experts > 0)
        maps = cost.value[FV_COST_PARAMETERS] - part->dims.vectors -
               part->dims.experts * part->dims.expert_vectors;
    if (sum != maps)
        fail_msg("%s, %s: matrices of %llu numbers, not %llu", name, part->name,
                 (unsigned long long)sum, (unsigned long long)maps);
}

static void check_model(const char *name, const fv_cost_model *model, bool seen[COST_KIND_COUNT]) {
    for (int p = 0; p < model->n_parts; p++) {
        check_part(name, model, p);
        seen[model->parts[p].kind] = true;
    }
}

static void check_file(const char *name, bool seen[COST_KIND_COUNT]) {
    char path[512], line[16384];
    snprintf(path, sizeof path, "%s/tests/cost/%s", FOVEA_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        json_t *entry = json_loads(line, 0, NULL);
        fv_cost_model *model = parse(json_incref(json_object_get(entry, "config")));
        check_model(line, model, seen);
        fv_cost_model_free(model);
        json_decref(entry);
    }
    fclose(file);
}

static void matrices_make_the_maps(void **state) {
    (void)state;
    bool seen[COST_KIND_COUNT] = {false};
    check_file("families.jsonl", seen);
    check_file("caches.jsonl", seen);
    // What those happen not to have: layers of a window alone, and experts of another width.
    json_t *nemotron = example("nemotron-3-nano-30b-a3b");
    json_object_set_new(nemotron, "moe_latent_size", json_integer(1024));
    fv_cost_model *models[] = {parse(example("deepseek-v4-flash")), parse(nemotron)};
    for (int i = 0; i < 2; i++) {
        check_model("example", models[i], seen);
        fv_cost_model_free(models[i]);
    }
    seen[COST_FACTORED_ATTENTION] = true; // step3_text, which the library does not know
    for (int kind = 0; kind < COST_KIND_COUNT; kind++)
        if (!seen[kind]) fail_msg("no family has %s", cost_kind_text((cost_kind)kind));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_files_have_these_bytes),
        cmocka_unit_test(formats_are_as_the_libraries_pack_them),
        cmocka_unit_test(lists_name_what_is_left_out),
        cmocka_unit_test(other_methods_are_named),
        cmocka_unit_test(files_may_pack_nothing),
        cmocka_unit_test(matrices_make_the_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
