// A line through measurements of memory.
#include "costs.h"

#include <fovea/cost_measured.h>
#include <math.h>

static void near(double got, double want, const char *what) {
    if (fabs(got - want) > 1e-9 * (1 + fabs(want)))
        fail_msg("%s is %.17g, not %.17g", what, got, want);
}

// 7.2 GB for 61,440 tokens.
static void two_points_give_both_numbers(void **state) {
    (void)state;
    static const fv_cost_point POINTS[] = {{4096, 1.9e9}, {65536, 9.1e9}};
    fv_cost_line line;
    fv_error error = {0};
    assert_int_equal(fv_cost_line_fit(POINTS, 2, &line, &error), FV_OK);
    near(line.per_token, 117187.5, "bytes a token");
    near(line.fixed, 1.42e9, "fixed");
}

// By the normal equations: contexts 1, 2, 3, 4 and bytes 3, 5, 6, 10 have the slope 2.2 and start
// at 0.5.
static void more_points_give_least_squares(void **state) {
    (void)state;
    static const fv_cost_point POINTS[] = {{1, 3}, {2, 5}, {3, 6}, {4, 10}};
    fv_cost_line line;
    fv_error error = {0};
    assert_int_equal(fv_cost_line_fit(POINTS, 4, &line, &error), FV_OK);
    near(line.per_token, 2.2, "bytes a token");
    near(line.fixed, 0.5, "fixed");
    // Long contexts close to each other lose no digits.
    static const fv_cost_point FAR[] = {{1000000000000, 7e9}, {1000000000001, 7e9 + 512}};
    assert_int_equal(fv_cost_line_fit(FAR, 2, &line, &error), FV_OK);
    near(line.per_token, 512, "bytes a token far away");
}

static void the_formula_explains_itself(void **state) {
    (void)state;
    fv_cost_model *model = load("qwen3.5-9b");
    fv_cost_setting setting = at(1, 3);
    fv_cost_point points[3] = {{1000, 0}, {5000, 0}, {9000, 0}};
    fv_cost_line line;
    fv_error error = {0};
    assert_int_equal(fv_cost_line_of_model(model, &setting, points, 3, &line, &error), FV_OK);
    // 8 layers of 2 * 4 * 256 numbers a token; 24 states of 32 * 128 * 128 + 8192 * 4.
    near(line.per_token, 3 * 8 * 2 * 4 * 256 * 2, "bytes a token");
    near(line.fixed, 3.0 * 24 * 2 * (32 * 128 * 128 + 8192 * 4), "fixed");
    fv_cost_model_free(model);
}

static void what_gives_no_line_is_said(void **state) {
    (void)state;
    static const struct {
        int n;
        fv_cost_point points[2];
        const char *message;
    } WRONG[] = {{1, {{4096, 1}}, "need measurements at two contexts, not 1"},
                 {2, {{4096, 1}, {4096, 2}}, "all 2 measurements are of 4096 tokens"},
                 {2, {{4096, 9}, {8192, 1}}, "cannot shrink as the context grows"}};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        fv_cost_line line;
        fv_error error = {0};
        assert_int_equal(fv_cost_line_fit(WRONG[i].points, WRONG[i].n, &line, &error), FV_USAGE);
        if (strstr(error.text, WRONG[i].message) == NULL) fail_msg("%s", error.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_points_give_both_numbers),
        cmocka_unit_test(more_points_give_least_squares),
        cmocka_unit_test(the_formula_explains_itself),
        cmocka_unit_test(what_gives_no_line_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
