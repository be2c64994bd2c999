// The cost model against transformers' own numbers, which stand in tests/cost/*.jsonl: parameters,
// what its cache holds, and what a forward pass multiplies.
#include "costs.h"

static void expect_number(const fv_cost_model *model, const char *what, uint64_t tokens,
                          fv_cost_number got, json_t *want) {
    if (want != NULL && got != (fv_cost_number)json_integer_value(want))
        fail_msg("%s at %d tokens: %s is %lld, not %lld", fv_cost_model_family(model), (int)tokens,
                 what, (long long)got, (long long)json_integer_value(want));
}

// By ATen's operation, in a forward pass with logits at every position and pairs that are masked;
// and the prefill, which is their sum.
static void check_operations(const fv_cost_model *model, json_t *want, uint64_t tokens) {
    fv_error error = {0};
    fv_cost_operations o;
    fv_cost_setting setting = at(tokens, 1);
    setting.full = setting.all_logits = true;
    setting.engine = FV_COST_ENGINE_TRANSFORMERS;
    assert_int_equal(fv_cost_operations_get(model, &setting, &o, &error), FV_OK);
    expect_number(model, "mm", tokens, o.mm, json_object_get(want, "mm"));
    expect_number(model, "bmm", tokens, o.bmm, json_object_get(want, "bmm"));
    expect_number(model, "convolution", tokens, o.convolution,
                  json_object_get(want, "convolution"));
    assert_true(total_of(model, &setting).value[FV_COST_PREFILL] == o.mm + o.bmm + o.convolution);
}

static void check_parameters(const fv_cost_model *model, json_t *entry) {
    fv_cost_setting setting = at(1, 1);
    fv_cost total = total_of(model, &setting);
    expect_number(model, "parameters", 1, total.value[FV_COST_PARAMETERS],
                  json_object_get(entry, "parameters"));
    expect_number(model, "active", 1, total.value[FV_COST_ACTIVE],
                  json_object_get(entry, "active"));
    expect_number(model, "router_bias", 1, total.value[FV_COST_ROUTER_BIAS],
                  json_object_get(entry, "router_bias"));
}

// The ideal cache in bytes; numbers in transformers' dynamic cache, keys and values and state.
static void check_caches(const fv_cost_model *model, json_t *entry) {
    const char *tokens;
    json_t *want;
    fv_cost_setting setting;
    json_object_foreach(json_object_get(entry, "kv_bytes"), tokens, want) {
        setting = at(strtoull(tokens, NULL, 10), 1);
        expect_number(model, "cache", setting.tokens,
                      total_of(model, &setting).value[FV_COST_CACHE], want);
    }
    json_object_foreach(json_object_get(entry, "held"), tokens, want) {
        setting = at(strtoull(tokens, NULL, 10), 1);
        setting.engine = FV_COST_ENGINE_TRANSFORMERS;
        setting.cache_bytes = setting.state_bytes = 1;
        fv_cost total = total_of(model, &setting);
        expect_number(model, "cache_engine", setting.tokens, total.value[FV_COST_CACHE_ENGINE],
                      json_array_get(want, 0));
        expect_number(model, "state_engine", setting.tokens, total.value[FV_COST_STATE_ENGINE],
                      json_array_get(want, 1));
    }
}

static void check_everything(fv_cost_model *model, json_t *entry) {
    json_t *operations = json_object_get(entry, "operations");
    check_parameters(model, entry);
    check_caches(model, entry);
    if (operations != NULL) check_operations(model, operations, 64);
}

static void check_drawn(fv_cost_model *model, json_t *entry) {
    json_t *operations = json_object_get(entry, "operations");
    check_parameters(model, entry);
    if (operations != NULL) check_operations(model, operations, 7);
}

static void check_known(fv_cost_model *model, json_t *entry) {
    check_parameters(model, entry);
}

static int n_operations;

// The same where the file leaves out what its class has.
static void check_written(fv_cost_model *model, json_t *entry) {
    json_t *written = json_object_get(entry, "written");
    n_operations += json_object_get(entry, "operations") != NULL;
    check_everything(model, entry);
    if (written == NULL) return;
    fv_cost_model *other = parse(json_dumps(written, 0));
    check_everything(other, entry);
    fv_cost_model_free(other);
}

// Small and published ones of 48 families: parameters, caches, and of 27 what is multiplied.
static void caches_and_operations_are_the_librarys(void **state) {
    (void)state;
    n_operations = 0;
    for_each_config("caches.jsonl", check_written);
    assert_int_equal(n_operations, 27);
}

// Published ones of 18 families, odd ones, and such with fields missing.
static void known_models_are_the_librarys(void **state) {
    (void)state;
    for_each_config("known.jsonl", check_known);
}

// Configurations drawn at random for every family (tests/peers/cost_families.py draws and asks).
static void random_models_are_the_librarys(void **state) {
    (void)state;
    for_each_config("families.jsonl", check_drawn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_and_operations_are_the_librarys),
        cmocka_unit_test(known_models_are_the_librarys),
        cmocka_unit_test(random_models_are_the_librarys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
