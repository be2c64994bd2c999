// The power law against laws that are known: planted exponents with scatter and censoring, the t
// interval of an ordinary least-squares line, and what must not be fitted.
#include "engine.h"
#include "measures/power_fit.h"

static const double sizes[] = {4, 6, 8, 12, 16, 24, 32};
enum { N_SIZES = 7, N_SEEDS = 3, N_RUNS = N_SIZES * N_SEEDS };

// T = 3 x^2.25 with a scatter of 0.5 in ln T, not seen beyond `last`.
static void plant(uint64_t *state, double last, power_point *points) {
    for (int i = 0; i < N_RUNS; i++) {
        double x = sizes[i / N_SEEDS], time = 3 * pow(x, 2.25) * exp(0.5 * noise_normal(state));
        points[i] = (power_point){x, fmin(time, last), time >= last};
    }
}

static int keep_events(power_point *points, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!points[i].censored) points[kept++] = points[i];
    return kept;
}

static void test_exact(void **state) {
    (void)state;
    const power_point points[] = {{1, 2, false}, {2, 8, false}, {4, 32, false}, {8, 100, true}};
    power_fit fit;
    assert_true(power_fit_find(points, 4, &fit));
    check_near(fit.exponent, 2, 1e-6);
    check_near(fit.factor, 2, 1e-5);
    check_near(fit.low, 2, 1e-4);
    check_near(fit.high, 2, 1e-4);
    assert_true(fit.n == 4 && fit.n_censored == 1 && fit.scatter < 1e-5);
}

// ln T against ln x of these five points: 1.492211 with a standard error of 0.131576, and Student's
// t of 3 degrees of freedom at 97.5 % is 3.182446.
static void test_least_squares(void **state) {
    (void)state;
    const power_point points[] = {
        {1, 1, false}, {2, 3, false}, {3, 4, false}, {4, 9, false}, {5, 11, false}};
    power_fit fit;
    assert_true(power_fit_find(points, 5, &fit));
    check_near(fit.exponent, 1.4922107, 1e-6);
    check_near(fit.low, 1.0734705, 1e-6);
    check_near(fit.high, 1.9109509, 1e-6);
}

// Over many planted data sets with a quarter of the runs censored the exponent is right on the
// average, the interval holds it about 95 times in 100, and without the censored runs it would not
// be right: this is what the likelihood is for.
static void test_planted_and_censored(void **state) {
    (void)state;
    enum { SETS = 400 };
    uint64_t random = 7;
    double mean = 0, mean_dropped = 0, scatter = 0;
    int covered = 0, censored = 0;
    for (int set = 0; set < SETS; set++) {
        power_point points[N_RUNS];
        power_fit fit, dropped;
        plant(&random, 3000, points);
        assert_true(power_fit_find(points, N_RUNS, &fit));
        mean += fit.exponent / SETS;
        scatter += fit.scatter / SETS;
        censored += fit.n_censored;
        covered += fit.low <= 2.25 && 2.25 <= fit.high;
        assert_true(power_fit_find(points, keep_events(points, N_RUNS), &dropped));
        mean_dropped += dropped.exponent / SETS;
    }
    assert_true(censored > SETS * 4 && censored < SETS * 7);
    check_near(mean, 2.25, 0.04);
    check_near(scatter, 0.5 * sqrt(1 - 2.0 / N_RUNS), 0.015); // two parameters are fitted
    assert_true(mean_dropped < 2.15);
    assert_true(covered >= 0.92 * SETS && covered <= 0.98 * SETS);
}

// The unit of time is a factor, that of x too; neither touches the exponent.
static void test_units(void **state) {
    (void)state;
    uint64_t random = 3;
    power_point points[N_RUNS];
    power_fit one, other;
    plant(&random, 3000, points);
    assert_true(power_fit_find(points, N_RUNS, &one));
    for (int i = 0; i < N_RUNS; i++) {
        points[i].x *= 1000;
        points[i].time /= 250;
    }
    assert_true(power_fit_find(points, N_RUNS, &other));
    check_near(other.exponent, one.exponent, 1e-6);
    check_near(other.low, one.low, 1e-6);
    check_near(other.high, one.high, 1e-6);
    check_near(other.factor * pow(1000, one.exponent) * 250 / one.factor, 1, 1e-5);
}

// A bound below the law says nothing; one far above it moves the law, and stays finite.
static void test_bounds(void **state) {
    (void)state;
    uint64_t random = 5;
    power_point points[N_RUNS + 1];
    power_fit without, with;
    plant(&random, 1e9, points);
    assert_true(power_fit_find(points, N_RUNS, &without));
    points[N_RUNS] = (power_point){32, 1e-3, true};
    assert_true(power_fit_find(points, N_RUNS + 1, &with));
    check_near(with.exponent, without.exponent, 1e-6);
    points[N_RUNS] = (power_point){32, 1e12, true};
    assert_true(power_fit_find(points, N_RUNS + 1, &with));
    assert_true(with.exponent > without.exponent + 0.5 && with.exponent < 20);
    assert_true(with.low < with.exponent && with.exponent < with.high && isfinite(with.high));
}

static void test_undetermined(void **state) {
    (void)state;
    static const struct {
        int n;
        power_point points[4];
    } cases[] = {
        {0, {{0}}},
        {2, {{1, 2, false}, {2, 4, false}}},
        {4, {{1, 2, false}, {2, 4, false}, {3, 5, true}, {4, 5, true}}},
        {4, {{2, 2, false}, {2, 4, false}, {2, 5, false}, {4, 5, true}}},
        {4, {{0, 2, false}, {2, 4, false}, {3, 5, false}, {4, 5, false}}},
        {4, {{1, 0, false}, {2, 4, false}, {3, 5, false}, {4, 5, false}}},
        {4, {{1, NAN, false}, {2, 4, false}, {3, 5, false}, {4, 5, false}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        power_fit fit;
        assert_false(power_fit_find(cases[i].points, cases[i].n, &fit));
        assert_true(isnan(fit.exponent) && isnan(fit.low) && isnan(fit.high));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_least_squares),
        cmocka_unit_test(test_planted_and_censored),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_undetermined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
