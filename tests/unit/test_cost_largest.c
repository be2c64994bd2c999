// The largest context for a memory, and what a context takes, agree: for every published model,
// engine and batch.
#include "costs.h"

static fv_cost_number taken(const fv_cost_model *model, const fv_cost_setting *setting) {
    fv_cost total = total_of(model, setting);
    bool ideal = setting->engine == FV_COST_ENGINE_IDEAL;
    return total.value[ideal ? FV_COST_CACHE_PAGED : FV_COST_CACHE_ENGINE] +
           total.value[ideal ? FV_COST_STATE : FV_COST_STATE_ENGINE];
}

static void check_memory(const char *name, fv_cost_model *model, fv_cost_setting setting,
                         uint64_t memory) {
    uint64_t n = fv_cost_largest_context(model, &setting, memory);
    const uint64_t most = UINT64_MAX / 2;
    fv_cost_setting fits = setting, over = setting;
    fits.tokens = n < most ? n : most;
    over.tokens = n + 1;
    bool right = n == 0 || taken(model, &fits) <= memory;
    if (n != UINT64_MAX) right &= taken(model, &over) > memory;
    if (!right)
        fail_msg("%s, engine %d, %d sequences in %g bytes: not %g tokens", name,
                 (int)setting.engine, (int)setting.batch, (double)memory, (double)n);
}

static void check_model(const char *name, fv_cost_model *model) {
    static const uint64_t BATCHES[] = {1, 7, 2048};
    static const uint64_t MEMORIES[] = {123456789, 25769803776, 1ull << 62};
    for (int e = 0; e < FV_COST_ENGINE_COUNT; e++)
        for (size_t b = 0; b < sizeof BATCHES / sizeof BATCHES[0]; b++)
            for (size_t m = 0; m < sizeof MEMORIES / sizeof MEMORIES[0]; m++) {
                fv_cost_setting setting = at(1, BATCHES[b]);
                setting.engine = (fv_cost_engine)e;
                setting.cache_bytes = b == 1 ? 1.0625 : 2;
                check_memory(name, model, setting, MEMORIES[m]);
            }
}

static void memory_and_context_agree(void **state) {
    (void)state;
    for_each_example(check_model);
}

// In transformers DeepSeek-V4's tokens wait for their entry and take less when it is full: no
// shorter context may be too long.
static void shorter_contexts_fit_too(void **state) {
    (void)state;
    static const char RATES[] = "{'compress_rate_csa': 6, 'compress_rate_hca': 100}";
    fv_cost_model *model = parse(changed("deepseek-v4-flash", RATES));
    fv_cost_setting setting = at(2300, 1); // where an entry of 100 is full
    setting.engine = FV_COST_ENGINE_TRANSFORMERS;
    for (int less = 1; less < 20; less += 7) {
        fv_cost_setting before = setting;
        before.tokens -= 1;
        uint64_t memory = (uint64_t)taken(model, &before) - (uint64_t)less * 1000;
        uint64_t n = fv_cost_largest_context(model, &setting, memory);
        fv_cost_setting shorter = setting;
        for (shorter.tokens = 1; shorter.tokens <= n; shorter.tokens++)
            if (taken(model, &shorter) > memory)
                fail_msg("%d tokens fit, but %d do not", (int)n, (int)shorter.tokens);
        assert_true(taken(model, &shorter) > memory);
    }
    fv_cost_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_context_agree),
        cmocka_unit_test(shorter_contexts_fit_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
