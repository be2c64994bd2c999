// Jacobi's eigenvalues, which builds without LAPACK have, against LAPACK's on Gram matrices.
#include "probes/linalg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 24 };

static double draw(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 4503599627370496.0 - 1;
}

// gram [n][n] of n vectors of `rank` numbers whose sizes span four orders of magnitude.
static void draw_gram(uint64_t *state, int n, int rank, double *gram) {
    double rows[MOST][MOST];
    for (int i = 0; i < n; i++) {
        double scale = pow(10, 2 * draw(state));
        for (int k = 0; k < rank; k++) rows[i][k] = scale * draw(state);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            gram[i * n + j] = 0;
            for (int k = 0; k < rank; k++) gram[i * n + j] += rows[i][k] * rows[j][k];
        }
}

// The largest |a v - value v| over the eigenvectors in the rows of `vectors`.
static double residual(const double *a, const double *vectors, const double *values, int n) {
    double most = 0;
    for (int e = 0; e < n; e++)
        for (int i = 0; i < n; i++) {
            double sum = -values[e] * vectors[e * n + i];
            for (int j = 0; j < n; j++) sum += a[i * n + j] * vectors[e * n + j];
            most = fmax(most, fabs(sum));
        }
    return most;
}

static void test_against_lapack(void **unused) {
    (void)unused;
    uint64_t state = 1;
    for (int trial = 0; trial < 200; trial++) {
        int n = 1 + trial % MOST, rank = 1 + trial / 3 % n;
        double gram[MOST * MOST], other[MOST * MOST], vectors[MOST * MOST];
        double wanted[MOST], values[MOST];
        draw_gram(&state, n, rank, gram);
        memcpy(other, gram, sizeof gram);
        memcpy(vectors, gram, sizeof gram);
        assert_int_equal(eigen_symmetric(other, n, false, wanted, NULL), FV_OK);
        assert_int_equal(eigen_jacobi(vectors, n, true, values, NULL), FV_OK);
        for (int i = 0; i < n; i++) assert_true(fabs(values[i] - wanted[i]) <= 1e-6 * wanted[0]);
        assert_true(residual(gram, vectors, values, n) <= 1e-6 * wanted[0]);
        values[0] *= 1.001; // the oracle sees a wrong value
        assert_false(residual(gram, vectors, values, n) <= 1e-6 * wanted[0]);
    }
}

static void test_nothing_and_no_numbers(void **unused) {
    (void)unused;
    double zeros[4] = {0}, values[2] = {1, 1}, broken[4] = {1, NAN, NAN, 1};
    assert_int_equal(eigen_jacobi(zeros, 2, true, values, NULL), FV_OK);
    assert_true(values[0] == 0 && values[1] == 0);
    assert_int_equal(eigen_jacobi(broken, 2, false, values, NULL), FV_OK);
    assert_true(isnan(values[0]) && isnan(values[1]));
    assert_int_equal(eigen_jacobi(zeros, 0, false, values, NULL), FV_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_lapack),
        cmocka_unit_test(test_nothing_and_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
