// NaN and infinity stay what they are: a run that diverged must not look as if it had not, because
// some exponential or maximum turned a NaN into a number.
#include "engine.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>

enum { L = FV_LANES, T = 5, D = 3 };

#define EACH_VARIANT(kernels)                                                                      \
    const kernel_set *const *kernels = kernels_available();                                        \
    *kernels;                                                                                      \
    kernels++

// The NaN that arithmetic makes, and one that carries a number, as other programs make them.
static float nan_with(uint32_t payload) {
    uint32_t bits = 0x7fc00000u | payload;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void check_nan(const kernel_set *kernels, const char *what, const float *x, int n) {
    for (int i = 0; i < n; i++)
        if (!isnan(x[i])) fail_msg("%s: %s is %g, not NaN", kernels->name, what, (double)x[i]);
}

// Of rows of lanes, that lane `lane` of row `row` is NaN and that no other lane is.
static void check_lane(const kernel_set *kernels, const char *what, const float *x, int row,
                       int lane) {
    for (int l = 0; l < L; l++)
        if (isnan(x[row * L + l]) != (l == lane))
            fail_msg("%s: lane %d of %s is %g, and lane %d had the NaN", kernels->name, l, what,
                     (double)x[row * L + l], lane);
}

static void test_exp_and_log(void **state) {
    (void)state;
    for (EACH_VARIANT(k)) {
        _Alignas(64) float x[L] = {NAN, -NAN, nan_with(1), nan_with(0x155), INFINITY, -INFINITY,
                                   100, -100, 88.9f,       1e30f,           -1e30f},
                           y[L];
        (*k)->exp_array(L, x, y);
        check_nan(*k, "exp(NaN)", y, 4);
        const float wanted[] = {INFINITY, 0, INFINITY, 0, INFINITY, INFINITY, 0};
        for (int i = 0; i < 7; i++)
            if (y[4 + i] != wanted[i])
                fail_msg("%s: exp(%g) is %g", (*k)->name, (double)x[4 + i], (double)y[4 + i]);
        for (int i = 4; i < L; i++) x[i] = INFINITY;
        (*k)->log_array(L, x, y);
        check_nan(*k, "log(NaN)", y, 4);
        for (int i = 4; i < L; i++) assert_true(y[i] == INFINITY);
    }
}

static void test_activations(void **state) {
    (void)state;
    static _Alignas(64) float x[L], y[L], dy[L], dx[L];
    for (EACH_VARIANT(k))
        for (int kind = 0; kind < FV_N_ACTIVATIONS; kind++) {
            for (int i = 0; i < L; i++) x[i] = (float)(i - 8), dy[i] = i == 13 ? NAN : 1;
            x[3] = NAN;
            x[5] = INFINITY;
            (*k)->activate((kernel_activation)kind, L, x, y);
            (*k)->activate_gradient((kernel_activation)kind, L, x, dy, dx);
            check_lane(*k, "an activation", y, 0, 3);
            assert_false(isnan(y[5]));
            if (kind == FV_KERNEL_RELU || kind == FV_KERNEL_GELU) assert_true(y[5] == INFINITY);
            assert_true(isnan(dx[13]));
            if (kind != FV_KERNEL_RELU) assert_true(isnan(dx[3]));
        }
}

// A logit of a class that is not the target: the loss and the gradient of its sample are NaN; one
// of -infinity is a class that cannot be.
static void test_cross_entropy(void **state) {
    (void)state;
    enum { MOST = 40 };
    static _Alignas(64) float logits[MOST * L], losses[L], inverse[L];
    static _Alignas(64) int32_t targets[L];
    for (EACH_VARIANT(k))
        for (int V = 4; V <= MOST; V += MOST - 4)
            for (int n = 1; n < V; n++) {
                for (int i = 0; i < V * L; i++) logits[i] = (float)(i % 7);
                logits[n * L + 9] = NAN;
                logits[n * L + 2] = -INFINITY;
                (*k)->cross_entropy(&(kernel_cross_entropy){.n_rows = 1,
                                                            .vocab_size = V,
                                                            .logits = logits,
                                                            .targets = targets,
                                                            .weight = 1,
                                                            .losses = losses,
                                                            .inverse = inverse});
                check_lane(*k, "a loss", losses, 0, 9);
                check_lane(*k, "an inverse", inverse, 0, 9);
                assert_true(logits[n * L + 2] == 0 && isfinite(losses[2]));
            }
}

// A NaN in key j reaches the queries from `first` on, of one query alone and of all.
static void attend(const kernel_set *kernels, int n_queries, int j) {
    static _Alignas(64) float q[T * D * L], k[T * D * L], z[T * D * L], p[T * T * L];
    static _Alignas(64) float ds[T * T * L], dq[T * D * L], dk[T * D * L], dv[T * D * L];
    int n_keys[T];
    uint64_t random = 3;
    for (int i = 0; i < T * D * L; i++) {
        q[i] = (float)noise(&random), k[i] = (float)noise(&random);
        dk[i] = dv[i] = 0;
    }
    for (int i = 0; i < n_queries; i++) n_keys[i] = T - n_queries + 1 + i;
    k[j * D * L + 6] = NAN;
#define ROWS(x) {x, D * L, 0}
    kernel_attend a = {.n_groups = 1, .n_queries = n_queries, .n_rows_keys = T, .n_keys = n_keys};
    a.d_key = a.d_value = D, a.scale = 1;
    a.q = (kernel_attend_rows)ROWS(q), a.k = (kernel_attend_rows)ROWS(k),
    a.v = (kernel_attend_rows)ROWS(q);
    a.z = (kernel_attend_rows)ROWS(z);
    a.p = (kernel_attend_rows){p, T * L, 0};
    kernels->attend(&a);
    for (int i = 0; i < n_queries; i++)
        for (int f = 0; f < D; f++)
            if (j < n_keys[i])
                check_lane(kernels, "a weighted value", z, i * D + f, 6);
            else
                assert_false(isnan(z[(i * D + f) * L + 6]));
    kernels->attend_gradient(&(kernel_attend_gradient){.forward = a,
                                                       .dz = ROWS(q),
                                                       .dq = ROWS(dq),
                                                       .dk = ROWS(dk),
                                                       .dv = ROWS(dv),
                                                       .scratch = ds});
#undef ROWS
    for (int f = 0; f < D; f++)
        check_lane(kernels, "the gradient of a query", dq, (n_queries - 1) * D + f, 6);
}

static void test_attention(void **state) {
    (void)state;
    for (EACH_VARIANT(k))
        for (int j = 0; j < T; j++) {
            attend(*k, 1, j);
            attend(*k, T, j);
        }
}

static void test_adam(void **state) {
    (void)state;
    static _Alignas(64) float params[L], m[L], v[L], gradient[L];
    for (EACH_VARIANT(k)) {
        for (int i = 0; i < L; i++) params[i] = 1, m[i] = v[i] = 0, gradient[i] = 1;
        gradient[4] = NAN;
        (*k)->adam(&(kernel_adam){.n = L,
                                  .params = params,
                                  .m = m,
                                  .v = v,
                                  .gradient = gradient,
                                  .share1 = 0.1f,
                                  .share2 = 0.001f,
                                  .least_gradient = 1e-17f,
                                  .rate = 0.1f,
                                  .root_correction = 1,
                                  .epsilon = 1e-8f});
        check_lane(*k, "a parameter", params, 0, 4);
        check_lane(*k, "a moment", m, 0, 4);
        check_lane(*k, "a second moment", v, 0, 4);
    }
}

// A NaN in the step or in the input, at position 2 of T: outputs before it are as they were.
static void test_scan(void **state) {
    (void)state;
    static _Alignas(64) float u[T * L], raw[T * L], b[T * L], c[T * L], z[T * L], y[T * L];
    static _Alignas(64) float delta[T * L], sum[T * L], dy[T * L], du[T * L], draw[T * L];
    static _Alignas(64) float dz[T * L], db[T * L], dc[T * L], kept[T * FV_SCAN_SCRATCH * L];
    const int rows[T] = {0, 1, 2, 3, 4};
    float a = -1, skip = 1, bias = 0, da = 0, dskip = 0;
    for (EACH_VARIANT(k))
        for (int which = 0; which < 2; which++) {
            for (int i = 0; i < T * L; i++) u[i] = raw[i] = b[i] = c[i] = z[i] = dy[i] = 1;
            (which ? u : raw)[2 * L + 11] = NAN;
            kernel_scan s = {
                .n_groups = 1, .n_rows = T, .n_outputs = T, .n_channels = 1, .n_state = 1};
            s.rows = rows, s.a = &a, s.skip = &skip, s.bias = &bias, s.u = u, s.raw = raw;
            s.b = (kernel_rows){b, L};
            s.c = c, s.z = z, s.delta = delta, s.sum = sum, s.y = y;
            (*k)->scan(&s);
            (*k)->scan_gradient(&(kernel_scan_gradient){.forward = s,
                                                        .dy = dy,
                                                        .du = du,
                                                        .draw = draw,
                                                        .dz = dz,
                                                        .db = {db, L},
                                                        .dc = dc,
                                                        .da = &da,
                                                        .dskip = &dskip,
                                                        .scratch = kept});
            check_lane(*k, "an output", y, 2, 11);
            check_lane(*k, "an output", y, T - 1, 11);
            check_lane(*k, "the gradient of a step", draw, 2, 11);
            assert_false(isnan(y[L + 11]));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp_and_log),   cmocka_unit_test(test_activations),
        cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_attention),
        cmocka_unit_test(test_adam),          cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
