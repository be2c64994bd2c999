// How many units of haystack fill a length: the search finds the most that fit, in few counts,
// however prompts cost.
#include "served/length.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// What a prompt of so many units costs; `spread` shifts samples against each other.
typedef struct costs {
    int (*of)(int units, int spread);
    int least, budget;
} costs;

static int even(int units, int spread) {
    return 60 + spread + 13 * units;
}

static int bent(int units, int spread) {
    return 40 + spread + 3 * units + (units > 100 ? 9 * (units - 100) : 0);
}

// What a prompt must have fills its first units, too.
static int flat(int units, int spread) {
    return units < 300 ? 900 + spread : 900 + spread + 5 * (units - 300);
}

static int coarse(int units, int spread) {
    return 100 + spread + 700 * units;
}

// Follows the search from `units` on; returns the counts it took.
static int follow(const costs *c, length_search *s, int units, int spread) {
    int n = 0;
    for (int next = units; next > 0; n++) {
        assert_true(next >= c->least && n < 16);
        next = length_search_next(s, next, c->of(next, spread));
    }
    return n;
}

static void test_fits(void **state) {
    (void)state;
    const costs ALL[] = {{even, 1, 4000}, {bent, 1, 4000}, {flat, 1, 2500}, {coarse, 1, 4000}};
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++) {
        const costs *c = &ALL[i];
        for (int spread = -200; spread <= 200; spread += 40)
            for (int start = 1; start < 2000; start = 2 * start + 1) {
                const length_rule rule = {
                    .budget = c->budget, .least = c->least, .n_units = start, .per_unit = 5};
                length_search s;
                int n = follow(c, &s, length_search_start(&s, &rule), spread);
                assert_true(n <= 10 && s.n_units >= c->least);
                assert_int_equal(s.tokens, c->of(s.n_units, spread));
                assert_true(s.tokens <= c->budget);
                // Within 2 %, or one more unit is too much, or the counts came to their end.
                bool full = s.tokens >= 0.98 * c->budget ||
                            c->of(s.n_units + 1, spread) > c->budget || n >= 8;
                if (!full)
                    fail_msg("case %zu, %d: %d units have %d of %d tokens after %d counts", i,
                             spread, s.n_units, s.tokens, c->budget, n);
            }
    }
}

// A good start needs one count, or two where its sample costs more.
static void test_few_counts(void **state) {
    (void)state;
    const costs c = {even, 1, 4000};
    const length_rule rule = {.budget = 4000, .least = 1, .n_units = 301, .per_unit = 13};
    length_search s;
    assert_int_equal(follow(&c, &s, length_search_start(&s, &rule), 0), 1);
    assert_int_equal(follow(&c, &s, length_search_start(&s, &rule), 60), 2);
    assert_int_equal(s.tokens, even(298, 60));
}

static void test_no_room(void **state) {
    (void)state;
    const costs c = {flat, 1, 800};
    const length_rule rule = {.budget = 800, .least = 1, .n_units = 40, .per_unit = 5};
    length_search s;
    follow(&c, &s, length_search_start(&s, &rule), 0);
    assert_int_equal(s.n_units, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_few_counts),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
