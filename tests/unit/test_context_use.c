// Where the middle is lost: the logistic fit against published values, identities and a search, its
// test against simulated grids, and what it says of planted ones.
#include "statistics/binomial.h"
#include "statistics/logistic.h"

#include <fovea/context_use.h>
#include <fovea/paired.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// --- the fit -------------------------------------------------------------------------------------

// C. I. Bliss's beetles (1935), as A. J. Dobson, An Introduction to Generalized Linear Models, fits
// them: logit = -60.72 (5.18) + 34.27 (2.91) log10 dose, deviance 11.23.
static void test_beetles(void **state) {
    (void)state;
    static const double DOSE[] = {1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839};
    static const int KILLED[] = {6, 13, 18, 28, 52, 53, 61, 60};
    static const int OF[] = {59, 60, 62, 56, 63, 59, 62, 60};
    logistic_row rows[8];
    logistic_fit fit;
    double perfect = 0;
    for (int i = 0; i < 8; i++) {
        rows[i] = (logistic_row){.x = {1, DOSE[i]}, .hits = KILLED[i], .trials = OF[i]};
        double share = (double)KILLED[i] / OF[i];
        perfect += KILLED[i] * log(share);
        if (KILLED[i] < OF[i]) perfect += (OF[i] - KILLED[i]) * log(1 - share);
    }
    assert_true(logistic_fit_make(rows, 8, 2, 0, false, &fit));
    near(fit.beta[0], -60.717, 0.005);
    near(fit.beta[1], 34.270, 0.005);
    near(sqrt(fit.covariance[0][0]), 5.181, 0.005);
    near(sqrt(fit.covariance[1][1]), 2.912, 0.005);
    near(2 * (perfect - fit.likelihood), 11.23, 0.005);
}

// Firth's estimates that are known: of one share (hits + 1/2) / (n + 1), of two groups the odds
// ratio with 1/2 added to each count, finite where groups separate.
static void test_firth(void **state) {
    (void)state;
    static const int CASES[][4] = {{3, 10, 7, 12}, {0, 8, 5, 9}, {0, 6, 6, 6}, {5, 5, 5, 5}};
    logistic_fit fit;
    for (int i = 0; i < 4; i++) {
        const int *c = CASES[i];
        const logistic_row rows[2] = {{.x = {1, 0}, .hits = c[0], .trials = c[1]},
                                      {.x = {1, 1}, .hits = c[2], .trials = c[3]}};
        double first = log((c[0] + 0.5) / (c[1] - c[0] + 0.5));
        double second = log((c[2] + 0.5) / (c[3] - c[2] + 0.5));
        assert_true(logistic_fit_make(rows, 2, 2, 0, true, &fit));
        near(fit.beta[0], first, 1e-7);
        near(fit.beta[1], second - first, 1e-7);
        assert_true(logistic_fit_make(rows, 1, 1, 0, true, &fit));
        near(fit.beta[0], first, 1e-7);
    }
    // Without the penalty there is no maximum; and two rows do not determine three coefficients.
    const logistic_row apart[2] = {{.x = {1, 0}, .hits = 0, .trials = 6},
                                   {.x = {1, 1}, .hits = 6, .trials = 6}};
    assert_false(logistic_fit_make(apart, 2, 2, 0, false, &fit) && fabs(fit.beta[1]) < 20);
    const logistic_row few[2] = {{.x = {1, 0, 0}, .hits = 1, .trials = 6},
                                 {.x = {1, 1, 1}, .hits = 3, .trials = 6}};
    assert_false(logistic_fit_make(few, 2, 3, 0, true, &fit));
}

// The penalised likelihood of two coefficients, written another way.
static double penalised(const logistic_row *rows, int n, double a, double b) {
    double sum = 0, i00 = 0, i01 = 0, i11 = 0;
    for (int r = 0; r < n; r++) {
        double p = 1 / (1 + exp(-a - b * rows[r].x[1])), w = rows[r].trials * p * (1 - p);
        sum += rows[r].hits * log(p) + (rows[r].trials - rows[r].hits) * log(1 - p);
        i00 += w;
        i01 += w * rows[r].x[1];
        i11 += w * rows[r].x[1] * rows[r].x[1];
    }
    return sum + 0.5 * log(i00 * i11 - i01 * i01);
}

static double best_a(const logistic_row *rows, int n, double b, double *most) {
    double low = -10, high = 10;
    for (int i = 0; i < 100; i++) {
        double c = low + (high - low) / 3, d = high - (high - low) / 3;
        if (penalised(rows, n, c, b) < penalised(rows, n, d, b))
            low = c;
        else
            high = d;
    }
    *most = penalised(rows, n, low, b);
    return low;
}

// The maximum, and that with a slope of 0, whose penalty is the same, by a search.
static void test_search(void **state) {
    (void)state;
    uint64_t random = 4;
    for (int trial = 0; trial < 10; trial++) {
        logistic_row rows[4];
        for (int i = 0; i < 4; i++) {
            rows[i] = (logistic_row){.x = {1, i - 1.5}, .trials = 6};
            for (int k = 0; k < 6; k++) rows[i].hits += uniform(&random) < 0.4 + 0.15 * i;
        }
        double low = -10, high = 10, most, other, a;
        for (int i = 0; i < 100; i++) {
            double c = low + (high - low) / 3, d = high - (high - low) / 3;
            best_a(rows, 4, c, &most);
            best_a(rows, 4, d, &other);
            if (most < other)
                low = c;
            else
                high = d;
        }
        logistic_fit fit, none;
        a = best_a(rows, 4, low, &most);
        assert_true(logistic_fit_make(rows, 4, 2, 0, true, &fit));
        near(fit.beta[0], a, 1e-4);
        near(fit.beta[1], low, 1e-4);
        near(fit.likelihood, most, 1e-8);
        a = best_a(rows, 4, 0, &most);
        assert_true(logistic_fit_make(rows, 4, 2, 1U << 1, true, &none));
        near(none.beta[0], a, 1e-4);
        near(none.likelihood, most, 1e-8);
        assert_true(none.beta[1] == 0 && fit.likelihood >= none.likelihood);
    }
    near(logistic_chi_square(3.841459, 1), 0.05, 1e-7);
    near(logistic_chi_square(5.991465, 2), 0.05, 1e-7);
    assert_true(logistic_chi_square(0, 1) == 1);
}

// --- grids ---------------------------------------------------------------------------------------

enum { N_DEPTHS = 5, SAMPLES = 20 };
static const int LENGTHS[] = {1000, 4000, 16000};

// Shares by the model's own formula.
typedef struct truth {
    double a, length, tilt, dip, grows;
} truth;

static fv_cells draw(const truth *t, int n_lengths, uint64_t *random) {
    fv_cells cells = {0};
    fv_error error;
    for (int l = 0; l < n_lengths; l++)
        for (int d = 0; d < N_DEPTHS; d++) {
            double at = (d - 2) / 2.0, far = n_lengths > 1 ? 2 * (l - 1) : 0;
            double logit =
                t->a + t->length * far + t->tilt * at + (t->dip + t->grows * far) * at * at;
            fv_cell cell = {.length = LENGTHS[l], .depth = 25 * d, .n = SAMPLES};
            snprintf(cell.model, sizeof cell.model, "m");
            snprintf(cell.task, sizeof cell.task, "niah");
            snprintf(cell.unit, sizeof cell.unit, "tokens");
            for (int i = 0; i < SAMPLES; i++) cell.hits += uniform(random) < 1 / (1 + exp(-logit));
            assert_int_equal(fv_cells_put(&cells, &cell, &error), FV_OK);
        }
    return cells;
}

static const double LEVELS[] = {0.01, 0.05, 0.1};

// Without a dip P(p <= a) is a before the dispersion is divided out, within the binomial error, and
// not above it after.
static void test_level(void **state) {
    (void)state;
    enum { REPETITIONS = 1000 };
    static const truth NONE[] = {{1, -0.3, 0.8, 0, 0}, {0.5, 0, 0, 0, 0}};
    uint64_t random = 21;
    for (int several = 0; several < 2; several++) {
        int raw[3] = {0}, judged[3] = {0};
        for (int r = 0; r < REPETITIONS; r++) {
            fv_context_use use;
            fv_cells cells = draw(&NONE[several], several ? 3 : 1, &random);
            assert_true(fv_context_use_of(&cells, 0, &use));
            assert_int_equal(use.degrees, 1 + several);
            double p = logistic_chi_square(use.ratio * use.dispersion, use.degrees);
            for (int i = 0; i < 3; i++) {
                raw[i] += p <= LEVELS[i];
                judged[i] += use.p <= LEVELS[i];
            }
            fv_cells_free(&cells);
        }
        for (int i = 0; i < 3; i++) {
            assert_true(fv_binomial_at_least(raw[i], REPETITIONS, LEVELS[i]) > 0.001);
            assert_true(fv_binomial_at_most(raw[i], REPETITIONS, LEVELS[i]) > 0.001);
            assert_true(judged[i] <= raw[i] && judged[i] > 0.2 * raw[i]);
        }
    }
}

// A dip that grows with the length is found, and where; a slope is none, nor a hump.
static void test_planted(void **state) {
    (void)state;
    enum { REPETITIONS = 200 };
    static const truth DIP = {0.5, -0.3, 0.5, 1.5, 0.4}, SLOPE = {1, 0, 2, 0, 0},
                       HUMP = {2, 0, 0, -2, 0};
    uint64_t random = 8;
    int n_lost = 0, n_covered = 0, n_slope = 0, n_hump = 0;
    for (int r = 0; r < REPETITIONS; r++) {
        fv_context_use use;
        fv_cells cells = draw(&DIP, 3, &random);
        assert_true(fv_context_use_of(&cells, 0, &use));
        assert_int_equal(use.n_lengths, 3);
        assert_int_equal(use.n, 300);
        const fv_use_length *at = &use.lengths[2];
        n_lost += use.lost;
        n_covered += at->low <= 2.3 && 2.3 <= at->high; // 1.5 + 0.4 * 2
        assert_true(at->low < at->dip && at->dip < at->high);
        assert_true(at->least.low <= at->least.rate && at->least.rate <= at->begin.rate &&
                    at->least.rate <= at->end.rate);
        fv_cells_free(&cells);
        cells = draw(&SLOPE, 3, &random);
        assert_true(fv_context_use_of(&cells, 0, &use));
        n_slope += use.lost;
        fv_cells_free(&cells);
        cells = draw(&HUMP, 1, &random);
        assert_true(fv_context_use_of(&cells, 0, &use));
        n_hump += use.lost;
        fv_cells_free(&cells);
    }
    assert_true(n_lost > 0.9 * REPETITIONS);
    assert_true(fv_binomial_at_most(n_covered, REPETITIONS, 0.95) > 0.001);
    assert_true(fv_binomial_at_least(n_slope, REPETITIONS, 0.05) > 0.001);
    assert_int_equal(n_hump, 0);
}

// Hits of 40 at depths 0, 25, ... 100.
static fv_cells make(const int *hits, int n_lengths, const char *model) {
    fv_cells cells = {0};
    fv_error error;
    for (int l = 0; l < n_lengths; l++)
        for (int d = 0; d < N_DEPTHS; d++) {
            fv_cell cell = {
                .length = LENGTHS[l], .depth = 25 * d, .n = 40, .hits = hits[l * N_DEPTHS + d]};
            snprintf(cell.model, sizeof cell.model, "%s", model);
            snprintf(cell.unit, sizeof cell.unit, "tokens");
            assert_int_equal(fv_cells_put(&cells, &cell, &error), FV_OK);
        }
    return cells;
}

static void expect(const int *hits, int n_lengths, const char *begins) {
    fv_context_use use;
    char text[512];
    fv_cells cells = make(hits, n_lengths, "m");
    assert_true(fv_context_use_of(&cells, 0, &use));
    assert_false(fv_context_use_of(&cells, 1, &use));
    assert_true(fv_context_use_of(&cells, 0, &use));
    fv_context_use_text(&use, text, sizeof text);
    if (strncmp(text, begins, strlen(begins)) != 0) fail_msg("'%s' is not '%s'", text, begins);
    fv_cells_free(&cells);
}

static void test_words(void **state) {
    (void)state;
    static const int LOST[] = {38, 37, 36, 38, 38, 38, 24, 16, 26, 39, 36, 14, 5, 14, 38};
    static const int ALL[] = {40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40};
    static const int SHORT[] = {39, 20, 6, 20, 39, 20, 20, 20, 20, 20};
    static const int HUMP[] = {6, 26, 36, 27, 5}, END[] = {40, 38, 25, 8, 6},
                     SLOPE[] = {34, 30, 27, 21, 15};
    expect(LOST, 3, "The middle is lost, from 4000 tokens on (p = ");
    expect(LOST + 5, 1, "The middle is lost at 1000 tokens (p = ");
    expect(SHORT, 2, "The middle differs, but no dip is shown at 4000 tokens by themselves (p = ");
    expect(ALL, 3, "No dip in the middle is shown at 16000 tokens (p = ");
    expect(HUMP, 1, "No dip: at 1000 tokens the middle is found more often than the ends (p = ");
    expect(SLOPE, 1, "No dip in the middle is shown at 1000 tokens (p = ");
    expect(END, 1, "What is lost at 1000 tokens is no middle, but lies towards the end (p = ");
    // Two depths say nothing of a middle, and models are told apart.
    fv_context_use use;
    fv_cells cells = make(LOST, 1, "a"), more = make(ALL, 1, "b");
    fv_error error;
    for (int i = 0; i < more.n; i++)
        assert_int_equal(fv_cells_put(&cells, &more.items[i], &error), FV_OK);
    assert_true(fv_context_use_of(&cells, 0, &use) && use.n == 200);
    assert_true(fv_context_use_of(&cells, 5, &use) && use.n == 200 &&
                use.lengths[0].least.rate > 0.9);
    cells.n = 2;
    assert_false(fv_context_use_of(&cells, 0, &use));
    fv_cells_free(&cells);
    fv_cells_free(&more);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beetles), cmocka_unit_test(test_firth),
        cmocka_unit_test(test_search),  cmocka_unit_test(test_level),
        cmocka_unit_test(test_planted), cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
