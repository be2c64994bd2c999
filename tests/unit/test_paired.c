// Paired comparisons: published values, definitions that are computed another way, and what the
// tests promise, held against every outcome or against simulated ones.
#include "statistics/binomial.h"

#include <fovea/eval.h>
#include <fovea/paired.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.9g is not %.9g", a, b);
}

static double uniform(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15U; // splitmix64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

// n questions of which these shares are expected lost and won.
static fv_paired draw(int n, double p_lost, double p_won, uint64_t *state) {
    fv_paired c = {.n = n};
    for (int i = 0; i < n; i++) {
        double u = uniform(state);
        c.lost += u < p_lost;
        c.won += u >= p_lost && u < p_lost + p_won;
    }
    return c;
}

// --- values --------------------------------------------------------------------------------------

static void test_binomial(void **state) {
    (void)state;
    for (int n = 0; n <= 40; n += 8)
        for (double p = 0; p <= 1; p += 0.125) {
            double sum = 0;
            for (int k = 0; k <= n; k++) {
                near(fv_binomial_at_least(k, n, p), 1 - sum, 1e-12);
                sum += binomial_equal(k, n, p);
                near(fv_binomial_at_most(k, n, p), sum, 1e-12);
            }
            near(sum, 1, 1e-12);
        }
    near(fv_binomial_at_least(60, 100, 0.5), 0.0284439668, 1e-10);
    near(fv_binomial_at_least(2000, 2000, 0.5) / pow(0.5, 1000), pow(0.5, 1000), 1e-12);
    // Clopper and Pearson: nobody of ten, the "rule of three"; and 2 of 10.
    double low, high;
    binomial_interval(0, 10, 0.05, &low, &high);
    assert_true(low == 0);
    near(high, 1 - pow(0.025, 0.1), 1e-12);
    binomial_interval(2, 10, 0.05, &low, &high);
    near(low, 0.0252, 5e-5);
    near(high, 0.5561, 5e-5);
}

// M. W. Fagerland, S. Lydersen and P. Laake, "Recommended tests and confidence intervals for paired
// binomial proportions", Statistics in Medicine 33 (2014): airway hyper-responsiveness (Bentur et
// al.), complete response (Cavo et al.).
static void test_published(void **state) {
    (void)state;
    const fv_paired bentur = {21, 7, 1}, cavo = {161, 16, 6};
    double low, high;
    near(fv_mcnemar(bentur), 0.0703, 5e-5);
    near(fv_mcnemar(cavo), 0.0525, 5e-5);
    fv_paired_interval(bentur, FV_Z95, &low, &high);
    near(low, -0.517, 5e-4);
    near(high, -0.026, 5e-4);
    // S. Holm's procedure of four p-values.
    double p[] = {0.01, 0.04, 0.03, 0.005}, adjusted[4];
    fv_error error;
    assert_int_equal(fv_holm(p, 4, adjusted, &error), FV_OK);
    near(adjusted[0], 0.03, 1e-12);
    near(adjusted[1], 0.06, 1e-12);
    near(adjusted[2], 0.06, 1e-12);
    near(adjusted[3], 0.02, 1e-12);
}

static void test_edges(void **state) {
    (void)state;
    double low, high;
    const fv_paired nobody = {0, 0, 0}, same = {50, 0, 0}, all_lost = {5, 5, 0},
                    all_won = {5, 0, 5};
    assert_true(fv_mcnemar(nobody) == 1 && fv_mcnemar_worse(same) == 1);
    assert_true(fv_paired_within(nobody, 0.01) == 1);
    fv_paired_interval(nobody, FV_Z95, &low, &high);
    assert_true(low == -1 && high == 1);
    fv_paired_interval(same, FV_Z95, &low, &high);
    near(high, FV_Z95 * FV_Z95 / (50 + FV_Z95 * FV_Z95), 1e-9);
    near(low, -high, 1e-9);
    fv_paired_interval(all_lost, FV_Z95, &low, &high);
    assert_true(low == -1 && high < 0);
    fv_paired_interval(all_won, FV_Z95, &low, &high);
    assert_true(low > 0 && high == 1);
    near(fv_mcnemar_worse(all_lost), 1.0 / 32, 1e-15);
    assert_true(fv_mcnemar_worse(all_won) == 1);
    // Few equal answers show nothing about one percent, many do.
    assert_true(fv_paired_within(same, 0.01) > 0.5);
    const fv_paired many = {400, 0, 0};
    double p = fv_paired_within(many, 0.01);
    assert_true(p >= pow(0.99, 400) && p < 0.025); // nothing lost by chance, or a little more
}

// The interval's end by its definition: the likelihood under a difference d is maximised over the
// share lost by search, and the statistic that it gives is z.
static double likelihood(fv_paired c, double d, double q) {
    double p_won = q + d, rest = 1 - p_won - q, sum = 0;
    int n[] = {c.won, c.lost, c.n - c.won - c.lost};
    double p[] = {p_won, q, rest};
    for (int i = 0; i < 3; i++)
        if (n[i] > 0) sum += n[i] * log(fmax(p[i], 1e-300));
    return sum;
}

static double statistic(fv_paired c, double d) {
    double low = fmax(0, -d), high = (1 - d) / 2;
    for (int i = 0; i < 200; i++) {
        double a = low + (high - low) / 3, b = high - (high - low) / 3;
        if (likelihood(c, d, a) < likelihood(c, d, b))
            low = a;
        else
            high = b;
    }
    double q = (low + high) / 2;
    return (c.won - c.lost - c.n * d) / sqrt(c.n * (2 * q + d * (1 - d)));
}

static void test_interval(void **state) {
    (void)state;
    static const fv_paired CASES[] = {{50, 12, 2}, {160, 40, 20}, {44, 1, 0}, {1000, 3, 30}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        double low, high;
        fv_paired_interval(CASES[i], FV_Z95, &low, &high);
        near(statistic(CASES[i], low), FV_Z95, 1e-5);
        near(statistic(CASES[i], high), -FV_Z95, 1e-5);
    }
}

static void test_power(void **state) {
    (void)state;
    // 0.90 against 0.86: errors that nest, and independent ones; 1 % worse of 3 % discordant.
    int n = fv_paired_questions(0.04, 0, 0.05, 0.8);
    near(n, 168, 1);
    assert_true(fv_binomial_at_least(5, n, 0.04) >= 0.8 &&
                fv_binomial_at_least(5, n - 1, 0.04) < 0.8);
    // The usual normal approximation says 817 and 1,850; the exact test, being discrete, needs more.
    assert_int_equal(fv_paired_questions(0.9 * 0.14, 0.1 * 0.86, 0.05, 0.8), 860);
    assert_int_equal(fv_paired_questions(0.02, 0.01, 0.05, 0.8), 1993);
    assert_int_equal(fv_paired_questions(0.01, 0.01, 0.05, 0.8), 0);
    // Against the sum over every outcome.
    double sum = 0;
    for (int lost = 0; lost <= 30; lost++)
        for (int won = 0; won + lost <= 30; won++) {
            const fv_paired c = {30, lost, won};
            if (fv_mcnemar_worse(c) <= 0.05)
                sum += binomial_equal(lost + won, 30, 0.4) * binomial_equal(lost, lost + won, 0.75);
        }
    near(fv_paired_power(30, 0.3, 0.1, 0.05), sum, 1e-12);
}

// --- what the tests promise ----------------------------------------------------------------------

static const double LEVELS[] = {0.01, 0.05, 0.1};

// P(p <= a) <= a under the null, over every outcome of n questions.
static void test_levels(void **state) {
    (void)state;
    for (double discordant = 0.05; discordant <= 1; discordant += 0.19)
        for (int level = 0; level < 3; level++) {
            double two_sided = 0, worse = 0;
            for (int k = 0; k <= 60; k++)
                for (int lost = 0; lost <= k; lost++) {
                    const fv_paired c = {60, lost, k - lost};
                    double p = binomial_equal(k, 60, discordant) * binomial_equal(lost, k, 0.5);
                    two_sided += fv_mcnemar(c) <= LEVELS[level] ? p : 0;
                    worse += fv_mcnemar_worse(c) <= LEVELS[level] ? p : 0;
                }
            assert_true(two_sided <= LEVELS[level] + 1e-12 && worse <= LEVELS[level] + 1e-12);
        }
}

// The same of "at most so much worse", where the second model is worse by the margin exactly or
// by more, whatever share is discordant; and not by being never satisfied.
static void test_within_levels(void **state) {
    (void)state;
    enum { N = 40 };
    const double margin = 0.1;
    static double p_value[N + 1][N + 1];
    for (int lost = 0; lost <= N; lost++)
        for (int won = 0; lost + won <= N; won++)
            p_value[lost][won] = fv_paired_within((fv_paired){N, lost, won}, margin);
    double most[3] = {0};
    for (double worse = margin; worse < 0.3; worse += 0.05)
        for (double discordant = worse; discordant <= 1; discordant += 0.013)
            for (int level = 0; level < 3; level++) {
                double sum = 0, p_lost = (discordant + worse) / (2 * discordant);
                for (int k = 0; k <= N; k++)
                    for (int lost = 0; lost <= k; lost++)
                        if (p_value[lost][k - lost] <= LEVELS[level])
                            sum +=
                                binomial_equal(k, N, discordant) * binomial_equal(lost, k, p_lost);
                if (sum > LEVELS[level]) fail_msg("P(p <= %g) is %g", LEVELS[level], sum);
                most[level] = fmax(most[level], sum);
            }
    assert_true(most[1] > 0.03);
    // A larger margin is easier to show, a further lost question makes it harder.
    for (int lost = 0; lost + 5 < N; lost++) {
        assert_true(p_value[lost][4] <= p_value[lost + 1][4] + 1e-12);
        assert_true(fv_paired_within((fv_paired){N, lost, 4}, 0.2) <= p_value[lost][4] + 1e-3);
    }
}

// With chance added the test's p is uniform (Kolmogorov's distance at 0.1 %).
static void test_randomised(void **state) {
    (void)state;
    enum { N = 4000, BINS = 50 };
    uint64_t random = 5;
    int counts[BINS] = {0};
    for (int i = 0; i < N; i++) {
        const fv_paired c = draw(100, 0.1, 0.1, &random);
        double p = fv_mcnemar_worse_randomised(c, uniform(&random));
        assert_true(p >= 0 && p <= 1 && p <= fv_mcnemar_worse(c) + 1e-12);
        counts[(int)fmin(BINS - 1, p * BINS)]++;
    }
    double distance = 0;
    for (int b = 0, below = 0; b < BINS; b++) {
        below += counts[b];
        distance = fmax(distance, fabs((double)below / N - (b + 1.0) / BINS));
    }
    assert_true(distance < 1.95 / sqrt(N));
}

// Two models of accuracy 0.90 and 0.86, asked as many questions as the power figure says: the gate
// fails in 80 % of 200 repetitions, and equal models pass in 95 % or more.
static void test_planted(void **state) {
    (void)state;
    enum { REPETITIONS = 200 };
    static const double SHARES[][2] = {{0.04, 0}, {0.05, 0.01}, {0.9 * 0.14, 0.1 * 0.86}};
    uint64_t random = 11;
    for (size_t i = 0; i < 3; i++) {
        int n = fv_paired_questions(SHARES[i][0], SHARES[i][1], 0.05, 0.8), failed = 0, equal = 0;
        double half = (SHARES[i][0] + SHARES[i][1]) / 2;
        for (int r = 0; r < REPETITIONS; r++) {
            failed += fv_mcnemar_worse(draw(n, SHARES[i][0], SHARES[i][1], &random)) <= 0.05;
            equal += fv_mcnemar_worse(draw(n, half, half, &random)) <= 0.05;
        }
        // The exact binomial test of each count at 0.1 %.
        assert_true(fv_binomial_at_most(failed, REPETITIONS, 0.8) > 0.0005);
        assert_true(fv_binomial_at_least(failed, REPETITIONS, 0.81) > 0.0005);
        assert_true(fv_binomial_at_least(equal, REPETITIONS, 0.05) > 0.001);
    }
}

// The power of "at most so much worse": against the sum over every outcome, and models that are
// equal pass as often as it says, of as many questions as it says; models that are worse by the
// margin hardly ever.
static void test_within_power(void **state) {
    (void)state;
    enum { N = 40, REPETITIONS = 200 };
    double sum = 0;
    for (int lost = 0; lost <= N; lost++)
        for (int won = 0; won + lost <= N; won++)
            if (fv_paired_within((fv_paired){N, lost, won}, 0.15) <= 0.05)
                sum += binomial_equal(lost + won, N, 0.1) * binomial_equal(lost, lost + won, 0.4);
    near(fv_within_power(N, 0.04, 0.06, 0.15, 0.05), sum, 1e-6);
    bool exact;
    // The docs' figures: the fewest that never differ, so that 0.99^n is below 0.05.
    assert_int_equal(fv_within_questions(0, 0, 0.01, 0.05, 0.8, &exact), 299);
    assert_true(exact && pow(0.99, 299) < 0.05 && pow(0.99, 298) > 0.05);
    assert_int_equal(fv_within_questions(0.05, 0, 0.05, 0.05, 0.8, &exact), 0);
    assert_int_equal(fv_within_questions(0.09, 0.09, 0.01, 0.05, 0.8, &exact),
                     11129); // 6.18 q / d^2
    assert_false(exact);
    static const double SHARES[][2] = {{0.005, 0.02}, {0.04, 0.05}};
    uint64_t random = 23;
    for (int i = 0; i < 2; i++) {
        double flips = SHARES[i][0], margin = SHARES[i][1];
        int n = fv_within_questions(flips, flips, margin, 0.05, 0.8, &exact), passed = 0, worse = 0;
        double power = fv_within_power(n, flips, flips, margin, 0.05);
        assert_true(exact && power >= 0.8);
        assert_true(fv_within_power(n - 1, flips, flips, margin, 0.05) < 0.8);
        for (int r = 0; r < REPETITIONS; r++) {
            passed += fv_paired_within(draw(n, flips, flips, &random), margin) <= 0.05;
            worse += fv_paired_within(draw(n, flips + margin, flips, &random), margin) <= 0.05;
        }
        assert_true(fv_binomial_at_most(passed, REPETITIONS, power) > 0.0005);
        assert_true(fv_binomial_at_least(passed, REPETITIONS, power) > 0.0005);
        assert_true(fv_binomial_at_least(worse, REPETITIONS, 0.05) > 0.001);
    }
}

// --- permutations --------------------------------------------------------------------------------

// R. A. Fisher, The Design of Experiments (1935), on Darwin's maize: of 2^15 arrangements 835 have a
// larger sum of differences (in eighths of an inch) and 28 the same.
static void test_maize(void **state) {
    (void)state;
    static const double MAIZE[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    fv_permutation found;
    fv_paired_permutation(MAIZE, 15, 1, &found);
    assert_true(found.exact && found.n == 15 && found.n_permutations == 32768);
    near(found.mean, 314.0 / 15, 1e-12);
    near(found.p, 2 * (835 + 28) / 32768.0, 1e-15);
}

// All assignments, one by one, with ties; and over all of them P(p <= a) <= a.
static void test_permutation(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int n = 0; n <= 9; n++) {
        double size[9], d[9], p[512];
        for (int i = 0; i < n; i++) size[i] = floor(8 * uniform(&random)) / 7;
        for (int all = 0; all < 1 << n; all++) {
            fv_permutation found;
            double sum = 0;
            int as_extreme = 0;
            for (int i = 0; i < n; i++) sum += d[i] = all >> i & 1 ? -size[i] : size[i];
            for (int other = 0; other < 1 << n; other++) {
                double theirs = 0;
                for (int i = 0; i < n; i++) theirs += other >> i & 1 ? -size[i] : size[i];
                as_extreme += fabs(theirs) >= fabs(sum) - 1e-9;
            }
            fv_paired_permutation(d, n, 1, &found);
            near(found.p, (double)as_extreme / (1 << n), 1e-15);
            p[all] = found.p;
        }
        for (int level = 0; level < 3; level++) {
            int below = 0;
            for (int all = 0; all < 1 << n; all++) below += p[all] <= LEVELS[level];
            assert_true(below <= LEVELS[level] * (1 << n));
        }
    }
}

// Drawn ones: pairs without a difference change nothing, the seed decides, and under the null
// P(p <= a) <= a.
static void test_drawn(void **state) {
    (void)state;
    enum { N = 24, REPETITIONS = 150 };
    uint64_t random = 17;
    double d[N] = {0};
    fv_permutation exact, drawn, again;
    for (int i = 0; i < 16; i++) d[i] = uniform(&random) - 0.3;
    fv_paired_permutation(d, 16, 1, &exact);
    fv_paired_permutation(d, N, 1, &drawn);
    fv_paired_permutation(d, N, 1, &again);
    assert_true(!drawn.exact && drawn.n_permutations == 99999 && drawn.p == again.p);
    near(drawn.p, exact.p, 5 * sqrt(exact.p / 99999));
    int below[3] = {0};
    for (int r = 0; r < REPETITIONS; r++) {
        for (int i = 0; i < N; i++) d[i] = pow(uniform(&random), 3) - pow(uniform(&random), 3);
        fv_paired_permutation(d, N, (uint64_t)r, &drawn);
        for (int level = 0; level < 3; level++) below[level] += drawn.p <= LEVELS[level];
    }
    for (int level = 0; level < 3; level++)
        assert_true(fv_binomial_at_least(below[level], REPETITIONS, LEVELS[level]) > 0.001);
    assert_true(fv_binomial_at_most(below[2], REPETITIONS, LEVELS[2]) > 0.001); // nor never
    for (int i = 0; i < N; i++) d[i] = 1;
    fv_paired_permutation(d, N, 1, &drawn);
    near(drawn.p, 1e-5, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binomial),      cmocka_unit_test(test_published),
        cmocka_unit_test(test_edges),         cmocka_unit_test(test_interval),
        cmocka_unit_test(test_power),         cmocka_unit_test(test_levels),
        cmocka_unit_test(test_within_levels), cmocka_unit_test(test_randomised),
        cmocka_unit_test(test_within_power),  cmocka_unit_test(test_planted),
        cmocka_unit_test(test_maize),         cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
