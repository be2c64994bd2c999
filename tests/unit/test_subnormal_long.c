// Long sequences: weights, states and gradients that die out become 0 before they are subnormal, in
// attention, decoding and the scan alike; and what attention's gradients are where scores are so
// large that a logsumexp, rounded to a float, says little.
#include "subnormal.h"

#include <fovea/attention.h>
#include <fovea/machine.h>
#include <fovea/scan.h>

// Each variant in turn, as long as this processor has it.
static const char *const variants[] = {"reference", "portable", "avx2", "avx512", "neon"};
#define EACH_VARIANT(i)                                                                            \
    size_t i = 0;                                                                                  \
    i < sizeof variants / sizeof *variants;                                                        \
    i++

// --- attention -----------------------------------------------------------------------------------

enum { N = 150, WIDTH = 32 };

// Causal attention of N positions whose queries and keys have entries of about `size`.
typedef struct heads {
    float q[N * WIDTH], k[N * WIDTH], v[N * WIDTH], d_o[N * WIDTH];
    float o[N * WIDTH], logsumexp[N], dq[N * WIDTH], dk[N * WIDTH], dv[N * WIDTH], last[WIDTH];
} heads;

static fv_attention *attention_of(void) {
    fv_attention_config config;
    fv_attention *attention;
    fv_attention_config_init(&config);
    config.n_query = config.n_key = N;
    config.d_head = WIDTH;
    config.n_threads = 1;
    check_ok(fv_attention_create(&config, &attention, NULL));
    return attention;
}

static void attend(heads *h, double size) {
    uint64_t random = 5;
    for (int i = 0; i < N * WIDTH; i++) {
        h->q[i] = (float)(size * noise_normal(&random));
        h->k[i] = (float)(size * noise_normal(&random));
        h->v[i] = (float)noise_normal(&random);
        h->d_o[i] = (float)noise_normal(&random);
    }
    fv_attention *attention = attention_of();
    check_ok(fv_attention_forward(attention, h->q, h->k, h->v, h->o, h->logsumexp, NULL));
    check_ok(fv_attention_backward(attention, h->q, h->k, h->v, h->o, h->logsumexp, h->d_o, h->dq,
                                   h->dk, h->dv, NULL));
    check_ok(fv_attention_decode(attention, N, h->q + (N - 1) * WIDTH, h->k, h->v, h->last, NULL));
    fv_attention_free(attention);
}

static void test_attention(void **state) {
    (void)state;
    static heads h;
    for (EACH_VARIANT(i)) {
        if (fv_kernels_force(variants[i], NULL) != FV_OK) continue;
        for (double size = 1; size < 30; size *= 3) {
            attend(&h, size);
            CHECK_NONE(variants[i], h.o, N * WIDTH);
            CHECK_NONE(variants[i], h.dq, N * WIDTH);
            CHECK_NONE(variants[i], h.dk, N * WIDTH);
            CHECK_NONE(variants[i], h.dv, N * WIDTH);
            CHECK_NONE(variants[i], h.last, WIDTH);
        }
    }
}

// dv in double precision: sum over queries of p d_o.
static void exact_dv(const heads *h, double *dv) {
    for (int i = 0; i < N * WIDTH; i++) dv[i] = 0;
    for (int i = 0; i < N; i++) {
        double score[N], largest = -INFINITY, sum = 0;
        for (int j = 0; j <= i; j++) {
            score[j] = 0;
            for (int f = 0; f < WIDTH; f++)
                score[j] += (double)h->q[i * WIDTH + f] * (double)h->k[j * WIDTH + f];
            score[j] /= sqrt(WIDTH);
            largest = fmax(largest, score[j]);
        }
        for (int j = 0; j <= i; j++) sum += score[j] = exp(score[j] - largest);
        for (int j = 0; j <= i; j++)
            for (int f = 0; f < WIDTH; f++)
                dv[j * WIDTH + f] += score[j] / sum * (double)h->d_o[i * WIDTH + f];
    }
}

// Whatever the scores' size: the probability that is computed again is that of the forward pass.
static void test_large_scores(void **state) {
    (void)state;
    static heads h;
    static double dv[N * WIDTH];
    static const double sizes[] = {1, 30, 1e3, 1e5, 1e7, 1e9};
    for (EACH_VARIANT(i)) {
        if (fv_kernels_force(variants[i], NULL) != FV_OK) continue;
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            attend(&h, sizes[s]);
            exact_dv(&h, dv);
            double error = 0, largest = 0;
            for (int k = 0; k < N * WIDTH; k++) {
                error = fmax(error, isfinite(h.dv[k]) ? fabs(dv[k] - (double)h.dv[k]) : INFINITY);
                largest = fmax(largest, fabs(dv[k]));
            }
            if (!(error <= 1e-3 * largest))
                fail_msg("%s, inputs of %g: dv is off by %g of its largest number", variants[i],
                         sizes[s], error / largest);
        }
    }
}

// --- the scan ------------------------------------------------------------------------------------

// An impulse at position 0 and nothing after it, for thousands of positions; its state, its outputs
// and the gradient of the last output, over segments too, whose joints decay by thousands of steps.
static void scan(const char *kernels, int64_t segments) {
    enum { LENGTH = 3000, CHANNELS = 20, STATE = 5 };
    static float u[LENGTH * CHANNELS], delta[LENGTH * CHANNELS], y[LENGTH * CHANNELS];
    static float b[LENGTH * STATE], c[LENGTH * STATE], dy[LENGTH * CHANNELS], du[LENGTH * CHANNELS];
    static float ddelta[LENGTH * CHANNELS], db[LENGTH * STATE], dc[LENGTH * STATE];
    float a[CHANNELS * STATE], da[CHANNELS * STATE], last[CHANNELS * STATE];
    for (int i = 0; i < LENGTH * CHANNELS; i++) {
        u[i] = i < CHANNELS;
        delta[i] = 0.03f * (float)(i % CHANNELS) - 2;
        dy[i] = i >= (LENGTH - 1) * CHANNELS;
    }
    for (int i = 0; i < LENGTH * STATE; i++) b[i] = c[i] = 1;
    for (int i = 0; i < CHANNELS * STATE; i++) a[i] = -0.5f - 3 * (float)(i % STATE);
    fv_selective_scan_config config;
    fv_selective_scan *plan;
    fv_selective_scan_config_init(&config);
    config.n = LENGTH;
    config.n_channels = CHANNELS;
    config.n_state = STATE;
    config.segments = segments;
    config.n_threads = 1;
    check_ok(fv_selective_scan_create(&config, &plan, NULL));
    const fv_selective_scan_input input = {.u = u, .delta = delta, .A = a, .B = b, .C = c};
    check_ok(fv_selective_scan_forward(plan, &input, y, last, true, NULL));
    CHECK_NONE(kernels, y, LENGTH * CHANNELS);
    CHECK_NONE(kernels, last, CHANNELS * STATE);
    assert_true(y[0] > 0.1f && last[0] == 0);
    const fv_selective_scan_gradient gradient = {
        .du = du, .ddelta = ddelta, .dA = da, .dB = db, .dC = dc};
    check_ok(fv_selective_scan_backward(plan, &input, dy, &gradient, NULL));
    CHECK_NONE(kernels, du, LENGTH * CHANNELS);
    CHECK_NONE(kernels, ddelta, LENGTH * CHANNELS);
    CHECK_NONE(kernels, db, LENGTH * STATE);
    // Word by word the same impulse dies as well.
    const fv_selective_scan_input next = {
        .u = u + CHANNELS, .delta = delta, .A = a, .B = b, .C = c};
    for (int i = 0; i < CHANNELS * STATE; i++) last[i] = 1;
    for (int t = 0; t < 1500; t++) {
        check_ok(fv_selective_scan_step(plan, &next, last, y, NULL));
        CHECK_NONE(kernels, last, CHANNELS * STATE);
    }
    assert_true(last[0] == 0);
    fv_selective_scan_free(plan);
}

static void test_scan(void **state) {
    (void)state;
    for (EACH_VARIANT(i)) {
        if (fv_kernels_force(variants[i], NULL) != FV_OK) continue;
        scan(variants[i], 1);
        scan(variants[i], 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
