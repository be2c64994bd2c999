// Models over several devices, against numbers worked by hand.
#include "costs.h"

#include <fovea/cost_devices.h>
#include <math.h>

static fv_cost_devices split(uint64_t tp, uint64_t pp, uint64_t cp, uint64_t dp, uint64_t ep) {
    fv_cost_devices d;
    fv_cost_devices_init(&d);
    d.tp = tp, d.pp = pp, d.cp = cp, d.dp = dp, d.ep = ep;
    return d;
}

static fv_cost_stage stage_of(const fv_cost_model *model, const fv_cost_devices *d,
                              const fv_cost_setting *setting, uint64_t stage) {
    fv_error error = {0};
    fv_cost_stage out;
    if (fv_cost_stage_get(model, d, setting, stage, &out, &error) != FV_OK)
        fail_msg("%s", error.text);
    return out;
}

// Llama-3.1-70B: 80 layers of width 8192, 64 heads of 128, 8 of keys and values, MLPs of 28672.
static void heads_are_divided(void **state) {
    (void)state;
    fv_cost_model *model = load("llama-3.1-70b");
    fv_cost_setting setting = at(128000, 1);
    const uint64_t norms = 80 * 2 * 8192 + 8192;
    fv_cost_devices eight = split(8, 1, 1, 1, 1), sixteen = split(16, 1, 1, 1, 1);
    fv_cost_stage s = stage_of(model, &eight, &setting, 0);
    assert_int_equal(s.parameters, (70553706496 - norms) / 8 + norms);
    assert_int_equal(s.cache, 41943040000 / 8);
    // Two all-reduces a layer and one of the embedding: 2 * 7 / 8 of 8192 numbers of two bytes.
    assert_true(s.sent == 161 * 1.75 * 8192 * 2);
    // Beyond 8 devices a head of keys and values is held twice.
    s = stage_of(model, &sixteen, &setting, 0);
    const uint64_t layer = 2 * 8192 * 4 * 128 + 2 * 8192 * 128 + 3 * 8192 * 28672 / 16;
    assert_int_equal(s.parameters, 80 * layer + 2 * 128256 / 16 * 8192 + norms);
    assert_int_equal(s.cache, 41943040000 / 8);
    fv_cost_model_free(model);
}

// DeepSeek-V3: 61 layers of width 7168, 128 heads, latents of 512 + 64; 3 dense layers, 58 of 256
// experts of 2048.
static void latents_are_not(void **state) {
    (void)state;
    fv_cost_model *model = load("deepseek-v3");
    fv_cost_setting setting = at(163841, 1);
    fv_cost_devices d = split(8, 1, 2, 1, 8);
    fv_cost_stage s = stage_of(model, &d, &setting, 0);
    const uint64_t width = 7168, heads = 128 / 8;
    const uint64_t attention = width * 1536 + 1536 * heads * 192 + width * 576 + 512 * heads * 256 +
                               heads * 128 * width + width + 1536 + 512;
    const uint64_t dense = 3 * width * 18432 / 8 + width;
    const uint64_t experts = width * 256 + 3 * width * (256 / 8 * 2048 + 2048 / 8) + width;
    assert_int_equal(s.parameters,
                     61 * attention + 3 * dense + 58 * experts + 2 * 129280 / 8 * width + width);
    assert_int_equal(s.cache, (uint64_t)61 * 576 * 2 * 81921);
    // Half of tp: an expert is divided in two. All of tp * dp: whole, and sent for.
    d = split(8, 1, 1, 1, 4);
    fv_cost_stage half = stage_of(model, &d, &setting, 0);
    assert_int_equal(half.parameters, s.parameters); // 64 experts of half the width
    d = split(8, 1, 1, 4, 32);
    fv_cost_stage wide = stage_of(model, &d, &setting, 0);
    assert_int_equal(s.parameters - wide.parameters, (uint64_t)58 * 3 * width * 24 * 2048);
    const double reduced = 1.75 * 7168, sent = 2.0 * 31 / 32 * 8 * 7168 + reduced; // shared expert
    assert_true(fabs(wide.sent / (2 * (reduced * (61 + 3 + 1) + 58 * sent)) - 1) < 1e-12);
    fv_cost_model_free(model);
}

// As vLLM deals 61 layers to 4 stages: 15, 15, 16 and 15.
static void layers_are_dealt(void **state) {
    (void)state;
    static const uint64_t LAYERS[] = {15, 15, 16, 15}, FIRST[] = {0, 15, 30, 46};
    fv_cost_model *model = load("deepseek-v3");
    fv_cost_setting setting = at(1000, 1);
    fv_cost_devices d = split(1, 4, 1, 1, 1);
    for (uint64_t i = 0; i < 4; i++) {
        fv_cost_stage s = stage_of(model, &d, &setting, i);
        assert_int_equal(s.n_layers, LAYERS[i]);
        assert_int_equal(s.first_layer, FIRST[i]);
        assert_int_equal(s.cache, LAYERS[i] * 576 * 2 * 1000);
        assert_true(s.sent == (i < 3 ? 7168 * 2.0 : 0));
    }
    fv_cost_model_free(model);
}

// GPT-2 over four devices: a vocabulary of 50257 is padded to 50304.
static void vocabularies_are_padded(void **state) {
    (void)state;
    fv_cost_model *model = load("gpt2"), *device;
    fv_cost_setting setting = at(1000, 8);
    fv_cost_devices d = split(4, 1, 1, 3, 1);
    fv_error error = {0};
    assert_int_equal(fv_cost_shard(model, &d, &setting, 0, &device, &error), FV_OK);
    assert_non_null(strstr(fv_cost_model_notes(device), "50257 is padded to 50304"));
    fv_cost total = part_of(device, "embedding", &setting);
    assert_int_equal(total.value[FV_COST_PARAMETERS], (50304 / 4 + 1024) * 768);
    fv_cost_model_free(device);
    // 8 sequences over 3 replicas: one has 3. 12 heads of 64.
    assert_int_equal(stage_of(model, &d, &setting, 0).cache, 3 * 12 * 2 * 3 * 64 * 2 * 1000);
    fv_cost_model_free(model);
}

// Granite-4.0-H-Tiny: 36 states of 48 heads of 64 * 128, one group that every device holds.
static void states_are_divided(void **state) {
    (void)state;
    fv_cost_model *model = load("granite-4.0-h-tiny");
    fv_cost_setting setting = at(1000, 1);
    fv_cost_devices d = split(4, 1, 2, 1, 1);
    const uint64_t inner = 48 * 64 / 4;
    fv_cost_stage s = stage_of(model, &d, &setting, 0);
    assert_int_equal(s.state, 36 * 2 * (inner * 128 + (inner + 2 * 128) * 4));
    fv_cost_model_free(model);
    // Kimi Linear with vLLM over two devices: blocks of 944 tokens.
    model = load("kimi-linear-48b-a3b");
    fv_cost_model *device;
    fv_cost_pool pool;
    fv_error error = {0};
    d = split(2, 1, 1, 1, 1);
    setting.engine = FV_COST_ENGINE_VLLM;
    assert_int_equal(fv_cost_shard(model, &d, &setting, 0, &device, &error), FV_OK);
    fv_cost_pool_get(device, &setting, &pool);
    assert_int_equal(pool.block, 944);
    fv_cost_model_free(device);
    fv_cost_model_free(model);
}

// One device holds the model; stages hold it between them, operations and all.
static void check_stages(const char *name, fv_cost_model *model) {
    fv_cost_setting setting = at(3000, 2), one = at(3000, 1);
    fv_cost total = total_of(model, &setting), alone = total_of(model, &one);
    for (uint64_t pp = 1; pp <= 3; pp++) {
        fv_cost_devices d = split(1, pp, 1, 1, 1);
        fv_cost_number parameters = 0, cache = 0, state = 0, prefill = 0, weights = 0;
        for (uint64_t i = 0; i < pp; i++) {
            fv_cost_stage s = stage_of(model, &d, &setting, i);
            parameters += s.parameters, cache += s.cache, state += s.state;
            prefill += s.prefill, weights += s.weights;
        }
        bool same = pp > 1 ? parameters >= total.value[FV_COST_PARAMETERS]
                           : parameters == total.value[FV_COST_PARAMETERS];
        if (!same || cache != total.value[FV_COST_CACHE] || state != total.value[FV_COST_STATE] ||
            weights != total.value[FV_COST_WEIGHTS] || prefill != alone.value[FV_COST_PREFILL])
            fail_msg("%s over %d stages: something is lost", name, (int)pp);
    }
}

static void stages_hold_everything(void **state) {
    (void)state;
    for_each_example(check_stages);
}

static void what_cannot_be_divided_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *model;
        uint64_t by[5]; // tp, pp, cp, dp, ep
        fv_cost_engine engine;
        const char *message;
    } REFUSED[] = {
        {"llama-3.1-8b", {3, 1, 1, 1, 1}, 0, "--tp 3 must divide the 32 query heads of the part"},
        {"llama-3.1-8b", {64, 1, 1, 1, 1}, 0, "--tp 64 must divide the 32 query heads"},
        {"llama-3.1-8b", {1, 33, 1, 1, 1}, 0, "--pp 33 must be at most the 32 layers"},
        {"llama-3.1-8b", {1, 1, 1, 1, 2}, 0, "--ep 2 divides experts, and the model has none"},
        {"deepseek-v3", {4, 1, 1, 1, 8}, 0, "--ep 8 must divide tp, 4, or be a multiple"},
        {"deepseek-v3", {4, 1, 1, 1, 3}, 0, "--ep 3 must divide tp, 4"},
        {"gemma-3-27b", {1, 1, 2, 1, 1}, FV_COST_ENGINE_VLLM, "--cp 2 divides windows"},
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        const uint64_t *by = REFUSED[i].by;
        fv_cost_model *model = load(REFUSED[i].model), *device;
        fv_cost_devices d = split(by[0], by[1], by[2], by[3], by[4]);
        fv_cost_setting setting = at(1000, 1);
        fv_error error = {0};
        setting.engine = REFUSED[i].engine;
        fv_status status = fv_cost_shard(model, &d, &setting, 0, &device, &error);
        if (status != FV_USAGE || strstr(error.text, REFUSED[i].message) == NULL)
            fail_msg("%s: \"%s\"", REFUSED[i].model, error.text);
        fv_cost_model_free(model);
    }
}

// Llama-3.1-8B has 7504658432 numbers in the matrices that a token meets, and 131072 bytes a token
// of cache. An H100 as its sheet has it: 989 TFLOP and 3.35 TB a second.
static void bounds_are_rooflines(void **state) {
    (void)state;
    const double weights = 7504658432.0, flops = 989e12, bandwidth = 3.35e12;
    fv_cost_model *model = load("llama-3.1-8b");
    fv_cost_setting setting = at(8192, 1);
    fv_cost_devices d = split(1, 1, 1, 1, 1);
    fv_cost_bound bound;
    fv_error error = {0};
    d.flops = flops, d.bandwidth = bandwidth;
    assert_int_equal(fv_cost_bound_get(model, &d, &setting, &bound, &error), FV_OK);
    double step = (2 * weights + 131072.0 * 8192) / bandwidth;
    assert_true(fabs(bound.step / step - 1) < 1e-12 && bound.step_by_memory);
    assert_true(fabs(bound.tokens_a_second * step - 1) < 1e-12);
    double prefill = (double)total_of(model, &setting).value[FV_COST_PREFILL] / flops;
    assert_true(fabs(bound.first_token / prefill - 1) < 1e-12 && !bound.first_token_by_memory);
    // A short prompt waits for the weights.
    setting.tokens = 16;
    assert_int_equal(fv_cost_bound_get(model, &d, &setting, &bound, &error), FV_OK);
    assert_true(fabs(bound.first_token * bandwidth / (2 * weights + 131072.0 * 16) - 1) < 1e-12);
    assert_true(bound.first_token_by_memory);
    // 1024 sequences of 16 tokens are bound by operations: 2 a weight, and 4 * 32 * 4096 a key.
    setting.batch = 1024;
    assert_int_equal(fv_cost_bound_get(model, &d, &setting, &bound, &error), FV_OK);
    step = 1024 * (2 * weights + 4.0 * 32 * 4096 * 16) / flops;
    assert_true(fabs(bound.step / step - 1) < 1e-12 && !bound.step_by_memory);
    // Stages do not help one sequence, tp does.
    setting = at(8192, 1);
    d = split(1, 4, 1, 1, 1), d.flops = flops, d.bandwidth = bandwidth;
    assert_int_equal(fv_cost_bound_get(model, &d, &setting, &bound, &error), FV_OK);
    step = (2 * weights + 131072.0 * 8192) / bandwidth;
    assert_true(fabs(bound.step / step - 1) < 1e-12);
    d = split(4, 1, 1, 1, 1), d.flops = flops, d.bandwidth = bandwidth;
    assert_int_equal(fv_cost_bound_get(model, &d, &setting, &bound, &error), FV_OK);
    assert_true(fabs(bound.step * 4 / step - 1) < 1e-12);
    fv_cost_model_free(model);
}

// What a library multiplies beside what is needed raises no bound: chunks that are filled up, and
// experts that a token is not sent to.
static void bounds_are_of_what_is_needed(void **state) {
    (void)state;
    static const char *const NAMES[] = {"granite-4.0-h-tiny", "llama-4-scout", "qwen3.5-9b"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(300, 1), library = setting;
        fv_cost_devices d = split(1, 1, 1, 1, 1);
        library.engine = FV_COST_ENGINE_TRANSFORMERS;
        fv_cost_stage need = stage_of(model, &d, &setting, 0);
        fv_cost_stage same = stage_of(model, &d, &library, 0);
        assert_true(need.prefill == same.prefill && need.decode == same.decode);
        assert_true(total_of(model, &library).value[FV_COST_PREFILL] > need.prefill);
        fv_cost_model_free(model);
    }
}

// Llama-3.1-70B in 80 GB over 4 devices: (80e9 - 2 * parameters) / (10.24 GB / 4 a sequence).
static void sequences_fit_or_not(void **state) {
    (void)state;
    fv_cost_model *model = load("llama-3.1-70b");
    fv_cost_setting setting = at(32000, 1);
    fv_cost_devices d = split(4, 1, 1, 1, 1);
    d.memory = 80000000000;
    fv_cost_stage s = stage_of(model, &d, &setting, 0);
    uint64_t left = d.memory - 2 * (uint64_t)s.parameters,
             each = (uint64_t)80 * 2 * 2 * 128 * 2 * 32000;
    assert_int_equal(s.sequences, left / each);
    setting.batch = s.sequences;
    assert_true(stage_of(model, &d, &setting, 0).cache <= left);
    setting.batch++;
    assert_true(stage_of(model, &d, &setting, 0).cache > left);
    d.memory = 30000000000; // the parameters alone need 35
    s = stage_of(model, &d, &setting, 0);
    assert_true(s.sequences == 0 && s.context == 0);
    fv_cost_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_divided),
        cmocka_unit_test(latents_are_not),
        cmocka_unit_test(layers_are_dealt),
        cmocka_unit_test(vocabularies_are_padded),
        cmocka_unit_test(states_are_divided),
        cmocka_unit_test(stages_hold_everything),
        cmocka_unit_test(what_cannot_be_divided_is_refused),
        cmocka_unit_test(bounds_are_rooflines),
        cmocka_unit_test(bounds_are_of_what_is_needed),
        cmocka_unit_test(sequences_fit_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
