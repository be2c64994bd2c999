// Weights of every normaliser by every variant, against doubles that sort or bisect, over rows that are
// hard: ties, one key, huge scores, keys of -infinity, keys just at the threshold.
#include "configurations.h"
#include "kernels/kernels.h"
#include "normaliser_truth.h"

enum { L = FV_LANES, MOST_KEYS = 131, N_ROWS = 400 };

static const double tolerance = 2e-6;

// A row of scores, which the kernel sees as keys of one feature, and its weights by it.
typedef struct row {
    _Alignas(64) float scores[MOST_KEYS * L], weights[MOST_KEYS * L], q[L], v[MOST_KEYS * L], z[L];
    int n;
    kernel_normaliser normaliser;
    float alpha;
} row;

static void fill_row(row *r, int i, uint64_t *random) {
    static const double SPREADS[] = {0, 0.1, 1, 10, 1e4};
    r->n = i % 7 == 0 ? 1 : 1 + noise_below(random, i % 3 ? 12 : MOST_KEYS);
    r->normaliser = (kernel_normaliser)(i % FV_N_NORMALISERS);
    r->alpha = (float)(1.05 + 0.95 * noise01(random));
    for (int k = 0; k < r->n * L; k++) {
        r->scores[k] = (float)(SPREADS[i % 5] * noise(random));
        if (i % 2) r->scores[k] = rintf(r->scores[k]); // ties, and steps of a whole threshold
        if (i % 4 == 1 && k >= L && noise_below(random, 3) == 0) r->scores[k] = -INFINITY;
        r->v[k] = 1;
    }
    for (int l = 0; l < L; l++) r->q[l] = 1;
}

static void weigh(const kernel_set *kernels, row *r) {
    const kernel_attend_rows keys = {r->scores, L, 0}, one = {r->q, L, 0};
    kernels->attend(&(kernel_attend){.n_groups = 1,
                                     .n_queries = 1,
                                     .n_rows_keys = r->n,
                                     .d_key = 1,
                                     .d_value = 1,
                                     .n_keys = &r->n,
                                     .score = FV_KERNEL_DOT,
                                     .scale = 1,
                                     .normaliser = r->normaliser,
                                     .alpha = r->alpha,
                                     .q = one,
                                     .k = keys,
                                     .v = {r->v, L, 0},
                                     .z = {r->z, L, 0},
                                     .p = {r->weights, L, 0}});
}

// How far lane l is from the truth. A weight that is 0 there, and not by a hair, is exactly 0.
static double lane_error(const row *r, int l) {
    double truth[MOST_KEYS], error = 0;
    for (int j = 0; j < r->n; j++) truth[j] = (double)r->scores[j * L + l];
    double margin = normaliser_truth(r->normaliser, (double)r->alpha, truth, r->n, r->n);
    for (int j = 0; j < r->n; j++) {
        double weight = (double)r->weights[j * L + l];
        error = fmax(error, fabs(weight - truth[j]));
        if (truth[j] == 0 && margin > 1e-4 && weight != 0) return INFINITY;
    }
    return error;
}

static void test_truth(void **state) {
    (void)state;
    static row r;
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        uint64_t random = 41;
        for (int i = 0; i < N_ROWS; i++) {
            fill_row(&r, i, &random);
            weigh(*k, &r);
            for (int l = 0; l < L; l++)
                if (!(lane_error(&r, l) <= tolerance))
                    fail_msg(
                        "%s: normaliser %d of %d keys (row %d, lane %d, alpha %g) is off by %g",
                        (*k)->name, (int)r.normaliser, r.n, i, l, (double)r.alpha,
                        lane_error(&r, l));
        }
    }
}

static void test_truth_catches_faults(void **state) {
    (void)state;
    static row r;
    uint64_t random = 41;
    int n_caught = 0;
    for (int i = 0; i < N_ROWS; i++) {
        fill_row(&r, i, &random);
        weigh(kernels_get(), &r);
        r.weights[3] += 1e-4f;
        n_caught += lane_error(&r, 3) > tolerance;
    }
    assert_int_equal(n_caught, N_ROWS);
}

// Sorting and bisection, each an oracle of its own, agree.
static void test_oracles_agree(void **state) {
    (void)state;
    uint64_t random = 43;
    for (int i = 0; i < 1000; i++) {
        double scores[20], again[20];
        int n = 1 + noise_below(&random, 20);
        for (int j = 0; j < n; j++) scores[j] = again[j] = 4 * noise(&random);
        bool sparse = i % 2;
        normaliser_truth(sparse ? FV_NORMALISE_SPARSEMAX : FV_NORMALISE_ENTMAX15, 0, scores, n, n);
        normaliser_truth(FV_NORMALISE_ENTMAX, sparse ? 2 : 1.5, again, n, n);
        for (int j = 0; j < n; j++) check_near(scores[j], again[j], 1e-12);
    }
}

static void test_refusals(void **state) {
    (void)state;
    fv_config config;
    fv_error error;
    fv_config_init(&config);
    assert_int_equal(fv_config_set(&config, "model.entmax_alpha", "0.9", &error), FV_USAGE);
    assert_non_null(strstr(error.text, "model.entmax_alpha must be a number from 1.01 to 2"));
    check_configuration_refused("", "model.entmax_alpha=1.2", "only by entmax");
    static const char many[] =
        "it allows up to 4096, layers of a window or of one query longer ones, "
        "and softmax any length";
    check_configuration_refused(
        "", "model.normaliser=sparsemax task.context_length=5000 task.loss=all", many);
    check_configuration_refused("",
                                "model.normaliser=sparsemax task.context_length=5000 "
                                "model.layers=[attention*2]",
                                many);
    // One query, alone or above a window.
    configure("model.normaliser=sparsemax task.context_length=5000");
    check_configuration_refused("",
                                "model.layers=[attention,attention(normaliser=sparsemax)] "
                                "task.context_length=5000 task.loss=all",
                                many);
    check_configuration_refused("", "model.layers=[attention(normaliser=sigmoid sink_logit=zero)]",
                                "model.normaliser sigmoid has another");
    check_configuration_refused("", "model.entmax_alpha=1.2", "is not read by");
    configure("model.layers=[attention(normaliser=entmax),attention] model.entmax_alpha=1.2");
    configure("model.normaliser=sparsemax task.context_length=5000 "
              "model.layers=[attention(window=2),attention,mlp]");
    check_configuration_refused("", "model.layers=[mlp] model.normaliser=sparsemax",
                                "model.normaliser sparsemax is not read by");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth), cmocka_unit_test(test_truth_catches_faults),
        cmocka_unit_test(test_oracles_agree), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
