// What a file leaves out: the library's defaults stand for it, and a line says so; flags that are
// easily overlooked count, and those that the library ignores do not.
#include <fovea/cost.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Single quotes for double ones.
static fv_cost_model *parse(const char *config) {
    char text[1024];
    fv_error error = {0};
    fv_cost_model *model;
    snprintf(text, sizeof text, "%s", config);
    for (char *c = text; *c != '\0'; c++) *c = *c == '\'' ? '"' : *c;
    if (fv_cost_model_parse("x.json", text, strlen(text), &model, &error) != FV_OK)
        fail_msg("%s: %s", text, error.text);
    return model;
}

static fv_cost_number parameters_of(const fv_cost_model *model) {
    fv_cost_setting setting;
    fv_cost total;
    fv_cost_setting_init(&setting);
    assert_int_equal(fv_cost_total(model, &setting, &total, NULL), FV_OK);
    return total.value[FV_COST_PARAMETERS];
}

// Classes of transformers 5.24.
static void missing_fields_are_the_classes_and_said(void **state) {
    (void)state;
    static const struct {
        const char *family, *line;
    } DEFAULTS[] = {
        {"qwen3", "head_dim: 128, as Qwen3Config's default"},
        {"gpt_oss", "head_dim: 64, as GptOssConfig's default"},
        {"gpt_oss", "num_key_value_heads: 8, as GptOssConfig's default"},
        {"mistral", "num_key_value_heads: 8, as MistralConfig's default"},
        {"mistral", "sliding_window: 4096, as MistralConfig's default"},
        {"mixtral", "num_key_value_heads: 8, as MixtralConfig's default"},
        {"jamba", "num_key_value_heads: 8, as JambaConfig's default"},
        {"gemma2", "num_key_value_heads: 4, as Gemma2Config's default"},
        {"deepseek_v3", "first_k_dense_replace: 3, as DeepseekV3Config's default"},
        {"deepseek_v3", "q_lora_rank: 1536, as DeepseekV3Config's default"},
        {"deepseek_v3", "n_shared_experts: 1, as DeepseekV3Config's default"},
        {"qwen2_moe", "shared_expert_intermediate_size: 5632, as Qwen2MoeConfig's default"},
    };
    for (size_t i = 0; i < sizeof DEFAULTS / sizeof DEFAULTS[0]; i++) {
        char config[64];
        snprintf(config, sizeof config, "{'model_type': '%s'}", DEFAULTS[i].family);
        fv_cost_model *model = parse(config);
        if (strstr(fv_cost_model_notes(model), DEFAULTS[i].line) == NULL)
            fail_msg("%s: no line \"%s\" in\n%s", config, DEFAULTS[i].line,
                     fv_cost_model_notes(model));
        fv_cost_model_free(model);
    }
}

// Models with all defaults, whole or as a text_config; a wrapper's name is its language model's.
static void every_name_has_the_defaults_of_its_own_class(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint64_t parameters;
    } NAMES[] = {
        {"gemma4_text", 5077177856},          {"gemma4_unified", 3010758400},
        {"gemma4_unified_text", 3010758400},  {"qwen2_vl", 72706203648},
        {"qwen2_5_omni", 7615616512},         {"qwen2_5_omni_thinker", 7615616512},
        {"qwen2_5_omni_text", 7615616512},    {"qwen3_omni_moe", 17201485816},
        {"qwen3_omni_moe_text", 17201485816}, {"qwen3_vl_moe", 13485121536},
        {"glm4_moe", 103481200640},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        for (int inside = 0; inside < 2; inside++) {
            char config[160];
            snprintf(config, sizeof config,
                     inside ? "{'model_type': 'x', 'text_config': {'model_type': '%s'}}"
                            : "{'model_type': '%s'}",
                     NAMES[i].name);
            fv_cost_model *model = parse(config);
            if (parameters_of(model) != NAMES[i].parameters)
                fail_msg("%s has %llu parameters, not %llu", config,
                         (unsigned long long)parameters_of(model),
                         (unsigned long long)NAMES[i].parameters);
            fv_cost_model_free(model);
        }
}

// Odd files, with the parameters that the library's models have, and the line that says what was
// done where it is not what the file says.
static void what_the_library_counts_is_counted(void **state) {
    (void)state;
#define THIN                                                                                       \
    "'hidden_size': 100, 'num_attention_heads': 6, 'num_key_value_heads': 3, 'vocab_size': 50, "   \
    "'num_hidden_layers': 2, 'intermediate_size': 30"
#define SMALL                                                                                      \
    "'hidden_size': 64, 'num_attention_heads': 4, 'num_hidden_layers': 2, 'vocab_size': 50"
    static const struct {
        const char *fields;
        uint64_t parameters;
        const char *line;
    } ODD[] = {
        {"'model_type': 'qwen2', " THIN, 86484,
         "num_attention_heads: 6 do not divide 100; heads of 16, rounded down as by Qwen2Config"},
        {"'model_type': 'cohere2', " THIN, 80900, "rounded down as by Cohere2Config"},
        {"'model_type': 'minimax', " THIN, 232996, "rounded down as by MiniMaxConfig"},
        {"'model_type': 'deepseek_v4', " THIN, 19596305,
         ""}, // its intermediate_size is an expert's
        {"'model_type': 'deepseek_v3', " SMALL, 10832448,
         "first_k_dense_replace: 3 of 2 layers, so that none has experts"},
        {"'model_type': 'deepseek_v32', " SMALL, 36023360, "3 of 2 layers"},
        {"'model_type': 'zamba2', 'head_dim': 320", 2573598736, ""},
        {"'model_type': 'longcat_flash', 'zero_expert_num': 0, 'num_hidden_layers': 2",
         21575272448 + 512, ""}, // halves of a layer; biases that choose experts count
        {"'model_type': 'gemma4_unified_text', 'hidden_size_per_layer_input': 256, "
         "'enable_moe_block': true",
         3010758400, "nothing here: hidden_size_per_layer_input, enable_moe_block"},
    };
    for (size_t i = 0; i < sizeof ODD / sizeof ODD[0]; i++) {
        char config[512];
        snprintf(config, sizeof config, "{%s}", ODD[i].fields);
        fv_cost_model *model = parse(config);
        if (parameters_of(model) != ODD[i].parameters ||
            strstr(fv_cost_model_notes(model), ODD[i].line) == NULL)
            fail_msg("%s has %llu parameters, not %llu, or no line \"%s\" in\n%s", config,
                     (unsigned long long)parameters_of(model),
                     (unsigned long long)ODD[i].parameters, ODD[i].line,
                     fv_cost_model_notes(model));
        fv_cost_model_free(model);
    }
}

// Mistral's files say null and -1 for no window.
static void no_window_is_none(void **state) {
    (void)state;
    static const char *const WINDOWS[] = {"null", "-1"};
    for (int i = 0; i < 2; i++) {
        char config[96];
        snprintf(config, sizeof config, "{'model_type': 'mistral', 'sliding_window': %s}",
                 WINDOWS[i]);
        fv_cost_model *model = parse(config);
        fv_cost_part part;
        fv_cost_part_get(model, 0, &part);
        assert_string_equal(part.name, "attention");
        fv_cost_model_free(model);
    }
}

// How many parameters a flag adds, that is off by default or on.
static void flags_count_as_the_library_has_them(void **state) {
    (void)state;
    static const struct {
        const char *family, *flag;
        int64_t more; // with it than without
    } FLAGS[] = {
        {"qwen2_moe", "qkv_bias", 24 * 3 * 2048},
        {"deepseek_v3", "attention_bias", 61 * (1536 + 512 + 64 + 7168)},
        {"mistral", "attention_bias", 0},
        {"mistral", "mlp_bias", 0},
        {"llama", "mlp_bias", 32 * (2 * 11008 + 4096)},
    };
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        fv_cost_number count[2];
        for (int on = 0; on < 2; on++) {
            char config[96];
            snprintf(config, sizeof config, "{'model_type': '%s', '%s': %s}", FLAGS[i].family,
                     FLAGS[i].flag, on ? "true" : "false");
            fv_cost_model *model = parse(config);
            count[on] = parameters_of(model);
            bool named = strstr(fv_cost_model_notes(model), FLAGS[i].flag) != NULL;
            assert_int_equal(named, FLAGS[i].more == 0); // among those that nothing asks for
            fv_cost_model_free(model);
        }
        if ((int64_t)(count[1] - count[0]) != FLAGS[i].more)
            fail_msg("%s: %s adds %lld parameters, not %lld", FLAGS[i].family, FLAGS[i].flag,
                     (long long)(count[1] - count[0]), (long long)FLAGS[i].more);
    }
}

// The gate of Qwen2-MoE's shared expert is a map of its own, one output a layer.
static void gates_of_shared_experts_cost_operations(void **state) {
    (void)state;
    fv_cost_model *model = parse("{'model_type': 'qwen2_moe', 'num_hidden_layers': 1, "
                                 "'hidden_size': 8, 'num_attention_heads': 1, "
                                 "'num_key_value_heads': 1, 'num_experts': 2, "
                                 "'num_experts_per_tok': 1, 'moe_intermediate_size': 3, "
                                 "'shared_expert_intermediate_size': 5}");
    fv_cost_setting setting;
    fv_cost_setting_init(&setting);
    for (int p = 0; p < fv_cost_n_parts(model); p++) {
        fv_cost_part part;
        fv_cost cost;
        fv_cost_part_get(model, p, &part);
        if (strcmp(part.name, "experts") != 0) continue;
        assert_int_equal(fv_cost_part_cost(model, p, &setting, &cost, NULL), FV_OK);
        assert_int_equal(cost.value[FV_COST_DECODE], 2 * (8 * (2 + 1) + 3 * 8 * (3 + 5)));
    }
    fv_cost_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_fields_are_the_classes_and_said),
        cmocka_unit_test(every_name_has_the_defaults_of_its_own_class),
        cmocka_unit_test(what_the_library_counts_is_counted),
        cmocka_unit_test(no_window_is_none),
        cmocka_unit_test(flags_count_as_the_library_has_them),
        cmocka_unit_test(gates_of_shared_experts_cost_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
