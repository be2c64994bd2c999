// The sizes of published models and of their caches against publications, logs of engines and other
// libraries.
#include "costs.h"

#include <jansson.h>
#include <math.h>

typedef struct cache_oracle {
    const char *model;
    uint64_t tokens, batch;
    fv_cost_quantity quantity;
    double bytes, tolerance; // half a unit of the last published digit; 0: exact
} cache_oracle;

// Of publications and of logs of engines (llama.cpp, vLLM), at two bytes a number.
static const cache_oracle CACHES[] = {
    {"llama-3.1-70b", 128000, 1, FV_COST_CACHE, 41943040000.0, 0}, // 41.94 GB
    {"llama-3.1-405b", 1, 1, FV_COST_CACHE, 516096, 0},
    {"llama-3.1-405b", 262144, 1, FV_COST_CACHE, 126 * GIB, 0},
    {"deepseek-v3", 1, 1, FV_COST_CACHE, 70272, 0},
    {"deepseek-v3", 163840, 1, FV_COST_CACHE, 10.72 * GIB, 0.005 * GIB},
    {"deepseek-v3", 1048576, 1, FV_COST_CACHE, 68.625 * GIB, 0},
    {"gpt-oss-120b", 1, 1, FV_COST_CACHE, 73728, 0},
    {"gpt-oss-120b", 78384, 1, FV_COST_CACHE_FULL, 5.38 * GIB, 0.005 * GIB},
    {"gpt-oss-20b", 8192, 32, FV_COST_CACHE, 6.09 * GIB, 0.005 * GIB},
    {"gpt-oss-20b", 8192, 32, FV_COST_CACHE_FULL, 12 * GIB, 0},
    {"mistral-7b-v0.2", 262144, 1, FV_COST_CACHE, 32 * GIB, 0},
    {"mixtral-8x22b", 262144, 1, FV_COST_CACHE, 56 * GIB, 0},
    {"mistral-large-2", 262144, 1, FV_COST_CACHE, 88 * GIB, 0},
    {"llama-3.1-70b", 262144, 1, FV_COST_CACHE, 80 * GIB, 0},
    {"jamba-1.5-mini", 262144, 1, FV_COST_CACHE, 4 * GIB, 0},
    {"jamba-1.5-large", 262144, 1, FV_COST_CACHE, 9 * GIB, 0},
    {"gemma-3-27b", 131072, 1, FV_COST_CACHE, 10.41 * GIB, 0.005 * GIB},
    {"gemma-3-27b", 131072, 1, FV_COST_CACHE_FULL, 62 * GIB, 0},
    {"gemma-3-1b", 32768, 1, FV_COST_CACHE, 139 * MIB, 0},
    {"gemma-3-1b", 32768, 1, FV_COST_CACHE_FULL, 832 * MIB, 0},
    {"mistral-7b-v0.1", 1000000, 1, FV_COST_CACHE, 512 * MIB, 0}, // 4096 tokens, whatever comes
};

static void caches_are_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CACHES / sizeof CACHES[0]; i++) {
        const cache_oracle *o = &CACHES[i];
        fv_cost_model *model = load(o->model);
        fv_cost_setting setting = at(o->tokens, o->batch);
        double bytes = (double)total_of(model, &setting).value[o->quantity];
        if (fabs(bytes - o->bytes) > o->tolerance)
            fail_msg("%s at %d tokens: %s is %.0f, not %.0f", o->model, (int)o->tokens,
                     fv_cost_name(o->quantity), bytes, o->bytes);
        fv_cost_model_free(model);
    }
}

static void pages_round_up(void **state) {
    (void)state;
    fv_cost_model *model = load("gemma-3-1b");
    fv_cost_setting setting = at(1000, 1);
    fv_cost full = part_of(model, "attention", &setting);
    assert_int_equal(full.value[FV_COST_CACHE], 1000 * 1024);
    assert_int_equal(full.value[FV_COST_CACHE_PAGED], 1008 * 1024);
    // A window of 512 moves over 32 pages and touches one more.
    fv_cost window = part_of(model, "attention, window 512", &setting);
    assert_int_equal(window.value[FV_COST_CACHE], 512 * 1024);
    assert_int_equal(window.value[FV_COST_CACHE_PAGED], 528 * 1024);
    assert_int_equal(window.value[FV_COST_CACHE_FULL], 1008 * 1024);
    setting.tokens = 512; // the window is the whole context, and does not move
    assert_int_equal(part_of(model, "attention, window 512", &setting).value[FV_COST_CACHE_PAGED],
                     512 * 1024);
    fv_cost_model_free(model);
}

static void states_do_not_grow(void **state) {
    (void)state;
    fv_cost_model *model = load("mamba-2.8b");
    for (uint64_t tokens = 1; tokens < 1000000; tokens *= 10) {
        fv_cost_setting setting = at(tokens, 3);
        fv_cost total = total_of(model, &setting);
        assert_int_equal(total.value[FV_COST_STATE], 3 * 64 * 5120 * (4 + 16) * 2);
        assert_int_equal(total.value[FV_COST_CACHE], 0);
    }
    fv_cost_model_free(model);
}

// --- parameters --------------------------------------------------------------------------------

// As the published checkpoints have them; where only a rounded number is published, that.
static const struct {
    const char *model;
    double parameters, tolerance;
} SIZES[] = {
    {"gpt2", 124439808, 0},
    {"llama-3.1-8b", 8030261248, 0},
    {"llama-3.1-70b", 70553706496, 0},
    {"llama-3.1-405b", 405853388800, 0},
    {"mistral-7b-v0.1", 7241732096, 0},
    {"mixtral-8x22b", 140.6e9, 0.05e9},
    {"mistral-large-2", 122.6e9, 0.05e9},
    {"qwen2.5-7b", 7615616512, 0},
    {"qwen3-8b", 8190735360, 0},
    {"qwen3-30b-a3b", 30.5e9, 0.05e9},
    {"gemma-2-9b", 9241705984, 0},
    {"gemma-3-1b", 999885952, 0},
    {"gpt-oss-20b", 20.91e9, 0.005e9},
    {"gpt-oss-120b", 116.83e9, 0.005e9},
    {"deepseek-v2-lite", 15.7e9, 0.05e9},
    {"deepseek-v3", 671.03e9, 0.005e9},
    {"mamba-2.8b", 2768345600, 0},
    {"falcon-mamba-7b", 7272665088, 0},
    {"jamba-1.5-mini", 51.6e9, 0.05e9},
    {"jamba-1.5-large", 398e9, 0.6e9},
    {"zamba2-2.7b", 2.66e9, 0.005e9},
    {"granite-4.0-h-tiny", 6939037248, 0},
    {"olmo-3-7b", 7298011136, 0},
    {"smollm3-3b", 3075098624, 0},
    {"seed-oss-36b", 36151104512, 0},
    {"command-a", 111057580032, 0},
    {"glm-4.5", 352797814784, 0},
    {"glm-4.5-air", 106852245504, 0},
    {"minimax-m2", 228689748992, 0},
    {"llama-4-scout", 107769861120, 0},
    {"llama-4-maverick", 400711848960, 0},
    {"mimo-v2-flash", 308778768832, 0},
    {"glm-5", 743911199232, 0},
    {"longcat-flash", 560664980480, 0},
    {"nemotron-3-nano-30b-a3b", 31577937344, 0},
    {"lfm2-1.2b", 1170340608, 0},
    {"qwen3.5-9b", 8953803264, 0},
    {"qwen3.5-35b-a3b", 34660610688, 0},
    {"gemma-3n-e4b", 6835235568, 0},
    {"ministral-3-3b", 3429006336, 0},
    {"ministral-3-8b", 8489553920, 0},
    {"exaone-4.0-1.2b", 1279391488, 0},
    {"deepseek-v4-flash", 284.3e9, 0.05e9},
    {"kimi-linear-48b-a3b", 49.1e9, 0.05e9},
};

static void parameters_are_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        fv_cost_model *model = load(SIZES[i].model);
        fv_cost_setting setting = at(1, 1);
        double parameters = (double)total_of(model, &setting).value[FV_COST_PARAMETERS];
        if (fabs(parameters - SIZES[i].parameters) > SIZES[i].tolerance)
            fail_msg("%s has %.0f parameters, not %.0f", SIZES[i].model, parameters,
                     SIZES[i].parameters);
        fv_cost_model_free(model);
    }
}

// DeepSeek-V4-Flash reads 128 + 512 positions in 21 layers, 128 + 8192 in 20 and 128 in two.
static void sparse_attention_reads_what_it_picks(void **state) {
    (void)state;
    fv_cost_model *model = load("deepseek-v4-flash");
    fv_cost_setting setting = at(1048576, 1);
    assert_int_equal(total_of(model, &setting).value[FV_COST_READS], 180096);
    fv_cost_model_free(model);
}

// Qwen3.6-27B as llama.cpp's log has it: 16,384 MiB at 262,144 cells, 598.5 MiB of state for four
// sequences. Command A as transformers' cache: 16 layers of 9000 tokens, 48 of 4095, 2048 numbers
// each.
static void engines_reserve_as_they_log(void **state) {
    (void)state;
    static const char QWEN[] =
        "{\"model_type\": \"qwen3_5_text\", \"hidden_size\": 5120, \"intermediate_size\": 17408, "
        "\"num_hidden_layers\": 64, \"num_attention_heads\": 24, \"num_key_value_heads\": 4, "
        "\"head_dim\": 256, \"linear_num_key_heads\": 16, \"linear_num_value_heads\": 48}";
    fv_cost_model *qwen = parse(strdup(QWEN));
    fv_cost_setting setting = at(262144, 1);
    setting.engine = FV_COST_ENGINE_LLAMACPP;
    assert_true((double)total_of(qwen, &setting).value[FV_COST_CACHE_ENGINE] == 16384 * MIB);
    setting.batch = 4;
    assert_true((double)total_of(qwen, &setting).value[FV_COST_STATE_ENGINE] == 598.5 * MIB);
    fv_cost_model_free(qwen);

    fv_cost_model *command = load("command-a");
    setting = at(9000, 1);
    setting.engine = FV_COST_ENGINE_TRANSFORMERS;
    assert_int_equal(total_of(command, &setting).value[FV_COST_CACHE_ENGINE],
                     (uint64_t)2 * 2048 * (16 * 9000 + 48 * 4095));
    // Blocks of 16: 563 of them, and as many and one more where a window and a batch of 8192 cover
    // all.
    setting.engine = FV_COST_ENGINE_VLLM;
    assert_int_equal(total_of(command, &setting).value[FV_COST_CACHE_ENGINE],
                     (uint64_t)2 * 2048 * 16 * (16 * 563 + 48 * 564));
    fv_cost_model_free(command);
}

static void experts_are_met_in_part(void **state) {
    (void)state;
    // The published "active" parameters count the embedding's row or table in some way: 5 %.
    static const struct {
        const char *model;
        double active;
    } ACTIVE[] = {{"deepseek-v3", 37e9},    {"gpt-oss-120b", 5.13e9}, {"gpt-oss-20b", 3.61e9},
                  {"mixtral-8x22b", 39e9},  {"jamba-1.5-mini", 12e9}, {"jamba-1.5-large", 94e9},
                  {"llama-3.1-8b", 7.50e9}, {"qwen3-30b-a3b", 3.04e9}};
    for (size_t i = 0; i < sizeof ACTIVE / sizeof ACTIVE[0]; i++) {
        fv_cost_model *model = load(ACTIVE[i].model);
        fv_cost_setting setting = at(1, 1);
        double weights = (double)total_of(model, &setting).value[FV_COST_WEIGHTS];
        assert_true(fabs(weights / ACTIVE[i].active - 1) < 0.05);
        fv_cost_model_free(model);
    }
}

// gemma-3-4b-it's file leaves to the class what is as there.
static void defaults_of_the_class_are_known(void **state) {
    (void)state;
    static const char FILE_4B[] =
        "{\"model_type\": \"gemma3\", \"mm_tokens_per_image\": 256, \"text_config\": {"
        "\"hidden_size\": 2560, \"intermediate_size\": 10240, \"model_type\": \"gemma3_text\", "
        "\"num_hidden_layers\": 34, \"rope_scaling\": {\"factor\": 8.0, \"rope_type\": "
        "\"linear\"}, \"sliding_window\": 1024}, \"vision_config\": {\"hidden_size\": 1152}}";
    fv_cost_model *model = parse(strdup(FILE_4B));
    fv_cost_setting setting = at(1, 1);
    fv_cost_part part;
    fv_cost_part_get(model, find_part(model, "attention"), &part);
    assert_int_equal(part.query_heads, 8);
    assert_int_equal(part.kv_heads, 4);
    assert_int_equal(part.n_layers, 5); // every sixth of 34
    // The checkpoint's language model: 4300079472 less 419816304 of the vision tower and its map.
    assert_int_equal(total_of(model, &setting).value[FV_COST_PARAMETERS], 3880263168);
    fv_cost_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_are_as_published),
        cmocka_unit_test(pages_round_up),
        cmocka_unit_test(states_do_not_grow),
        cmocka_unit_test(parameters_are_as_published),
        cmocka_unit_test(sparse_attention_reads_what_it_picks),
        cmocka_unit_test(engines_reserve_as_they_log),
        cmocka_unit_test(experts_are_met_in_part),
        cmocka_unit_test(defaults_of_the_class_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
