// How engines reserve memory, against what their logs say.
#include "costs.h"

#include <math.h>

static fv_cost reserved(const char *name, const char *changes, fv_cost_setting setting,
                        fv_cost_pool *pool) {
    fv_cost_model *model = parse(changed(name, changes));
    fv_cost total = total_of(model, &setting);
    if (pool != NULL) fv_cost_pool_get(model, &setting, pool);
    fv_cost_model_free(model);
    return total;
}

// "Setting attention block size to 528 tokens ...", "Padding mamba page size by 0.76% ..." and
// "Add 2 padding layers, may waste at most 20.00% ...".
static void vllm_raises_blocks_as_it_logs(void **state) {
    (void)state;
    static const struct {
        const char *model, *changes;
        double cache_bytes;
        uint64_t block, idle;
        double padding; // percent; 0: not logged
    } LOGS[] = {
        {"qwen3.5-9b",
         "{'hidden_size': 1024, 'num_hidden_layers': 24, 'num_attention_heads': 8,"
         "'num_key_value_heads': 2, 'linear_num_value_heads': 16, 'mamba_ssm_dtype': 'float32'}",
         2, 544, 0, 2.64},
        {"qwen3.5-9b", "{'mamba_ssm_dtype': 'float32'}", 2, 528, 0, 0},
        {"qwen3.5-9b", "{'mamba_ssm_dtype': 'float32'}", 1, 1056, 0, 0},
        {"qwen3.5-9b",
         "{'num_hidden_layers': 64, 'num_attention_heads': 24, 'linear_num_value_heads': 48,"
         "'mamba_ssm_dtype': 'float32'}",
         2, 784, 0, 0.13},
        {"qwen3.5-35b-a3b", "{'mamba_ssm_dtype': 'float32'}", 2, 1056, 0, 0.76},
        {"qwen3.5-35b-a3b", "{'mamba_ssm_dtype': 'bfloat16'}", 2, 544, 0,
         1.49}, // Qwen3-Next's sizes
        {"lfm2-1.2b", "{}", 2, 16, 2, 0},
        {"gemma-3-27b", "{}", 2, 16, 8, 0},
        // 13 layers of windows and 12 of all keys: groups of 13, not of 12.
        {"gpt-oss-20b", "{'num_hidden_layers': 25, 'layer_types': 'gone'}", 2, 16, 1, 0},
    };
    for (size_t i = 0; i < sizeof LOGS / sizeof LOGS[0]; i++) {
        fv_cost_setting setting = at(4096, 1);
        fv_cost_pool pool;
        setting.engine = FV_COST_ENGINE_VLLM;
        setting.cache_bytes = LOGS[i].cache_bytes;
        reserved(LOGS[i].model, LOGS[i].changes, setting, &pool);
        double padding = 100 * ((double)pool.page / (double)pool.state - 1);
        if (pool.block != LOGS[i].block || pool.idle_layers != LOGS[i].idle ||
            (LOGS[i].padding > 0 && fabs(padding - LOGS[i].padding) > 0.005))
            fail_msg("%s %s: blocks of %d, %d idle layers, padded by %.2f %%", LOGS[i].model,
                     LOGS[i].changes, (int)pool.block, (int)pool.idle_layers, padding);
    }
}

// Qwen3.5-9B by hand: pages of 528 * 4096 bytes; at 1057 tokens 3 in each of 8 layers, and one for
// the state of each of 24.
static void vllm_pages_hold_states(void **state) {
    (void)state;
    static const char FLOATS[] = "{'mamba_ssm_dtype': 'float32'}";
    const uint64_t page = 528 * 4096;
    fv_cost_setting setting = at(1057, 5);
    setting.engine = FV_COST_ENGINE_VLLM;
    fv_cost total = reserved("qwen3.5-9b", FLOATS, setting, NULL);
    assert_int_equal(total.value[FV_COST_CACHE_ENGINE], 5 * 8 * 3 * page);
    assert_int_equal(total.value[FV_COST_STATE_ENGINE], 5 * 24 * page);
    // Who asks for states of 2 bytes has them: 32 * 128 * 128 and 8192 * 3 numbers, 272 tokens.
    setting.engine_state_bytes = 2;
    total = reserved("qwen3.5-9b", FLOATS, setting, NULL);
    assert_int_equal(total.value[FV_COST_STATE_ENGINE], 5 * 24 * 272 * 4096);
    // --page is a lower bound.
    setting.page = 1024;
    total = reserved("qwen3.5-9b", FLOATS, setting, NULL);
    assert_int_equal(total.value[FV_COST_CACHE_ENGINE], 5 * 8 * 2048 * 4096);
}

// Gemma-3-27B by hand: 10 layers of all keys and 52 of windows, which fill 6 groups of 10 with 8
// layers that hold nothing; 8192 bytes a token. At 20000 tokens 1250 blocks, and 1023 + 8192 tokens
// in 576 and one more.
static void vllm_fills_groups(void **state) {
    (void)state;
    fv_cost_setting setting = at(20000, 1);
    setting.engine = FV_COST_ENGINE_VLLM;
    fv_cost total = reserved("gemma-3-27b", "{}", setting, NULL);
    assert_int_equal(total.value[FV_COST_CACHE_ENGINE],
                     (uint64_t)16 * 8192 * (10 * 1250 + 60 * 577));
    // One kind of layers is left alone.
    fv_cost_pool pool;
    reserved("llama-3.1-8b", "{}", setting, &pool);
    assert_true(pool.page == 0 && pool.idle_layers == 0);
    reserved("mamba-2.8b", "{}", setting, &pool);
    assert_true(pool.page == 0);
}

// Falcon-Mamba-7B: 64 layers of 8192 channels, 16 numbers each and 3 of 4 taps.
static void convolutions_leave_out_the_tap_in_hand(void **state) {
    (void)state;
    const uint64_t channels = 64 * 8192;
    static const struct {
        fv_cost_engine engine;
        uint64_t numbers, bytes;
    } HELD[] = {{FV_COST_ENGINE_IDEAL, 16 + 4, 2},
                {FV_COST_ENGINE_TRANSFORMERS, 16 + 4, 2},
                {FV_COST_ENGINE_VLLM, 16 + 3, 2},
                {FV_COST_ENGINE_LLAMACPP, 16 + 3, 4}};
    for (size_t i = 0; i < sizeof HELD / sizeof HELD[0]; i++) {
        fv_cost_setting setting = at(100, 1);
        setting.engine = HELD[i].engine;
        fv_cost total = reserved("falcon-mamba-7b", "{}", setting, NULL);
        assert_int_equal(total.value[FV_COST_STATE_ENGINE],
                         channels * HELD[i].numbers * HELD[i].bytes);
    }
}

static void check_ideal(fv_cost_model *model, json_t *entry) {
    fv_cost_setting setting = at(300, 2);
    fv_cost total = total_of(model, &setting);
    (void)entry;
    if (total.value[FV_COST_CACHE_ENGINE] != total.value[FV_COST_CACHE] ||
        total.value[FV_COST_STATE_ENGINE] != total.value[FV_COST_STATE])
        fail_msg("%s: the ideal engine holds something else", fv_cost_model_family(model));
}

static void ideal_is_what_the_model_has(void **state) {
    (void)state;
    for_each_config("families.jsonl", check_ideal);
    for_each_config("caches.jsonl", check_ideal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vllm_raises_blocks_as_it_logs),
        cmocka_unit_test(vllm_pages_hold_states),
        cmocka_unit_test(vllm_fills_groups),
        cmocka_unit_test(convolutions_leave_out_the_tap_in_hand),
        cmocka_unit_test(ideal_is_what_the_model_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
