// Identities of the cost model: layers add up, formulas give their numbers, the largest context is
// the largest, and numbers beyond 64 bits keep every digit.
#include "cost/formula.h"
#include "costs.h"

static void layers_add_up(void **state) {
    (void)state;
    static const char *const NAMES[] = {"zamba2-2.7b", "gemma-3-27b", "deepseek-v3", "gpt2"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(5000, 1);
        fv_cost total = total_of(model, &setting), sum = {{0}};
        fv_cost *layers = calloc(fv_cost_n_layers(model), sizeof *layers);
        assert_non_null(layers);
        assert_int_equal(fv_cost_layers(model, &setting, layers, NULL), FV_OK);
        for (uint64_t l = 0; l < fv_cost_n_layers(model); l++)
            for (int q = 0; q < FV_COST_COUNT; q++) sum.value[q] += layers[l].value[q];
        assert_memory_equal(&sum, &total, sizeof sum);
        free(layers);
        fv_cost_model_free(model);
    }
}

// Latents alone are kept in vLLM's format of them: keys and values of heads have no bytes there.
static void a_format_of_latents_holds_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool holds;
    } MODELS[] = {{"deepseek-v3", true},       {"glm-5", true},
                  {"deepseek-v4-flash", true}, {"kimi-linear-48b-a3b", true},
                  {"llama-3.1-8b", false},     {"mamba-2.8b", false},
                  {"qwen3.5-9b", false}};
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++) {
        fv_cost_model *model = load(MODELS[i].name);
        fv_cost_setting setting = at(100, 1);
        fv_cost cost;
        fv_error error = {0};
        setting.ds_mla = true;
        fv_status want = MODELS[i].holds ? FV_OK : FV_USAGE;
        assert_int_equal(fv_cost_total(model, &setting, &cost, &error), want);
        assert_int_equal(fv_cost_part_cost(model, 0, &setting, &cost, NULL), want);
        if (want != FV_OK) assert_non_null(strstr(error.text, fv_cost_model_family(model)));
        fv_cost_model_free(model);
    }
}

static void shared_blocks_are_stored_once(void **state) {
    (void)state;
    fv_cost_model *model = load("zamba2-2.7b");
    fv_cost_part part;
    fv_cost_part_get(model, find_part(model, "attention"), &part);
    assert_int_equal(part.n_layers, 9);
    assert_int_equal(part.n_copies, 2);
    assert_int_equal(part.kv_heads, 32);
    fv_cost_part_get(model, find_part(model, "mamba-2"), &part);
    assert_int_equal(part.n_layers, 54);
    assert_int_equal(part.n_copies, 54);
    fv_cost_model_free(model);
}

static formula_value no_names(const void *scope, const char *name, size_t length) {
    (void)scope, (void)name, (void)length;
    fail_msg("a name is left in a formula");
    return formula_whole(0);
}

// The formula with numbers is arithmetic that gives the number.
static void formulas_give_their_numbers(void **state) {
    (void)state;
    static const char *const NAMES[] = {"jamba-1.5-mini", "zamba2-2.7b", "deepseek-v3",
                                        "gpt-oss-20b", "gpt2"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(12345, 1);
        for (int p = 0; p < fv_cost_n_parts(model); p++) {
            fv_cost cost;
            assert_int_equal(fv_cost_part_cost(model, p, &setting, &cost, NULL), FV_OK);
            for (int q = 0; q < FV_COST_COUNT; q++) {
                char *text = fv_cost_formula(model, p, (fv_cost_quantity)q, &setting, true);
                assert_non_null(text);
                assert_int_equal(formula_evaluate(text, no_names, NULL), cost.value[q]);
                free(text);
            }
        }
        fv_cost_model_free(model);
    }
}

static void formulas_follow_precedence(void **state) {
    (void)state;
    assert_int_equal(formula_evaluate("2 + 3 * (4 + 5) * 2", no_names, NULL), 56);
    assert_int_equal(formula_evaluate("0 * 18446744073709551615 + 1", no_names, NULL), 1);
    fv_cost_number large = (fv_cost_number)1 << 64;
    assert_true(formula_evaluate("4294967296 * 4294967296", no_names, NULL) == large);
    assert_true(formula_evaluate("18446744073709551614 + 2", no_names, NULL) == large);
    assert_true(formula_evaluate("18446744073709551616 * 18446744073709551616", no_names, NULL) ==
                FORMULA_TOO_LARGE);
    assert_true(formula_evaluate("340282366920938463463374607431768211454 + 2", no_names, NULL) ==
                FORMULA_TOO_LARGE);
    assert_true(formula_evaluate("18446744073709551616 * 18446744073709551616 + 1", no_names,
                                 NULL) == FORMULA_TOO_LARGE);
    // Broken numbers, rounded up at the end.
    assert_int_equal(formula_evaluate("1.0625 * 32", no_names, NULL), 34);
    assert_int_equal(formula_evaluate("0.5625 * 2 * 3 + 1", no_names, NULL), 5);
    assert_int_equal(formula_evaluate("0.5 * 0.5 * 8", no_names, NULL), 2);
}

static void largest_context_is_tight(void **state) {
    (void)state;
    static const char *const NAMES[] = {"llama-3.1-8b", "gemma-3-27b", "jamba-1.5-mini"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(1, 3);
        uint64_t memory = (uint64_t)(24 * GIB);
        setting.tokens = fv_cost_largest_context(model, &setting, memory);
        for (int more = 0; more < 2; more++, setting.tokens++) {
            fv_cost total = total_of(model, &setting);
            bool fits = total.value[FV_COST_CACHE_PAGED] + total.value[FV_COST_STATE] <= memory;
            assert_int_equal(fits, more == 0);
        }
        fv_cost_model_free(model);
    }
    fv_cost_model *llama = load("llama-3.1-8b");
    fv_cost_setting one = at(1, 1);
    assert_int_equal(fv_cost_largest_context(llama, &one, (uint64_t)GIB), 8192);
    assert_int_equal(fv_cost_largest_context(llama, &one, 1000), 0);
    fv_cost_model_free(llama);
    fv_cost_model *mamba = load("mamba-2.8b");
    assert_true(fv_cost_largest_context(mamba, &one, (uint64_t)GIB) == UINT64_MAX);
    fv_cost_model_free(mamba);
}

static const char *exactly(fv_cost_number number) {
    static char text[FV_COST_DIGITS];
    return fv_cost_number_text(number, text);
}

// Beyond 64 bits every digit is there; beyond 128 what is known is still told.
static void too_much_is_counted(void **state) {
    (void)state;
    fv_cost_model *model = load("llama-3.1-405b");
    fv_cost_setting setting = at(2000000, 1);
    // By hand: 2 * 401646551040 weights of the layers, 2 * 2101346304 of the logits, and
    // 4 * 126 * 16384 for each of 2000000 * 2000001 / 2 pairs.
    assert_string_equal(exactly(total_of(model, &setting).value[FV_COST_PREFILL]),
                        "18121666465898692608");
    setting.batch = 2048;
    assert_string_equal(exactly(total_of(model, &setting).value[FV_COST_PREFILL]),
                        "37113172922160522461184");
    setting = at(UINT64_MAX / 2, 1000000);
    fv_cost total = total_of(model, &setting);
    assert_true(total.value[FV_COST_PREFILL] == FV_COST_TOO_LARGE);
    assert_string_equal(exactly(total.value[FV_COST_CACHE]), "4760145414732602374889472000000");
    fv_error error = {0};
    setting = at(0, 1);
    assert_int_equal(fv_cost_total(model, &setting, &total, &error), FV_USAGE);
    fv_cost_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_add_up),
        cmocka_unit_test(a_format_of_latents_holds_nothing_else),
        cmocka_unit_test(shared_blocks_are_stored_once),
        cmocka_unit_test(formulas_give_their_numbers),
        cmocka_unit_test(formulas_follow_precedence),
        cmocka_unit_test(largest_context_is_tight),
        cmocka_unit_test(too_much_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
