// Crossings of planted curves.
#include "bench/crossing.h"

// cmocka.h needs what stands above it.
// clang-format off
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

// Power laws cross where algebra says, between points that do not hit the place.
static void test_crossings(void **state) {
    (void)state;
    double x[12], a[12], b[12], at[3];
    for (int i = 0; i < 12; i++) {
        x[i] = 256 << i;
        a[i] = 3e-9 * x[i] * x[i];
        b[i] = 2e-5 * x[i];
    }
    assert_int_equal(crossings(12, x, a, b, 3, at), 1);
    assert_float_equal(at[0], 2e-5 / 3e-9, 1e-6 * at[0]);
    assert_int_equal(crossings(12, x, b, a, 3, at), 1);
    assert_float_equal(at[0], 2e-5 / 3e-9, 1e-6 * at[0]);
    assert_int_equal(crossings(4, x, a, b, 3, at), 0);         // not reached
    assert_int_equal(crossings(12, x, a, a, 3, at), 0);        // the same curve
    double up[] = {1, 1, 4, 1, 0.5}, flat[] = {2, 1, 1, 1, 1}; // a touch, and a way back
    assert_int_equal(crossings(5, x, up, flat, 3, at), 2);
    assert_float_equal(at[0], 256 * pow(4, 1 / 3.0), 1e-6 * at[0]);
    assert_float_equal(at[1], 1024 * pow(4, 2 / 3.0), 1e-6 * at[1]);
    assert_int_equal(crossings(5, x, up, flat, 1, at), 2); // counted beyond the room for them
    double gap[] = {1, NAN, 4, NAN, NAN};
    assert_int_equal(crossings(5, x, gap, flat, 3, at), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_crossings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
