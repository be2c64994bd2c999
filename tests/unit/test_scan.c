// The selective scan over long sequences, against its definition in double precision.
#include "engine.h"

#include "kernels/kernels.h"
#include "scan/scan_plan.h"

#include <fovea/machine.h>
#include <fovea/scan.h>

// A problem, its results, and what double precision says of them.
typedef struct problem {
    fv_selective_scan_config config;
    bool has_d, has_bias, has_z, has_initial;
    double longest_step; // about
} problem;

enum { U, DELTA, A, B, C, D, BIAS, Z, INITIAL, DY, N_INPUTS };
enum { Y, FINAL, DU, DDELTA, DA, DB, DC, DD, DBIAS, DZ, N_RESULTS };
static const char *const result_names[] = {"y",  "final", "du", "ddelta", "dA",
                                           "dB", "dC",    "dD", "dbias",  "dz"};

typedef struct rig {
    problem p;
    size_t input_size[N_INPUTS], result_size[N_RESULTS];
    float *input[N_INPUTS], *result[N_RESULTS];
    double *truth[N_RESULTS];
} rig;

// One float further than alignment would have it.
static float *floats(size_t n) {
    return (float *)calloc(n + 1, sizeof(float)) + 1;
}

static rig rig_create(problem p) {
    rig r = {.p = p};
    const fv_selective_scan_config *c = &p.config;
    size_t rows = (size_t)(c->n_batch * c->n), channels = (size_t)c->n_channels;
    size_t state = (size_t)c->n_state;
    const size_t inputs[N_INPUTS] = {
        rows * channels, rows * channels, channels * state,
        rows * state,    rows * state,    channels,
        channels,        rows * channels, (size_t)c->n_batch * state * channels,
        rows * channels};
    const size_t results[N_RESULTS] = {inputs[U], inputs[INITIAL], inputs[U], inputs[U], inputs[A],
                                       inputs[B], inputs[C],       inputs[D], inputs[D], inputs[U]};
    uint64_t random = 29;
    for (int i = 0; i < N_INPUTS; i++) {
        r.input_size[i] = inputs[i];
        r.input[i] = floats(inputs[i]);
        for (size_t k = 0; k < inputs[i]; k++) r.input[i][k] = (float)noise(&random);
    }
    for (size_t k = 0; k < inputs[A]; k++) // decays of 1 and a little to sixteen steps a unit
        r.input[A][k] = -(0.05f + (float)(k % state) + 0.1f * fabsf(r.input[A][k]));
    for (size_t k = 0; k < inputs[DELTA]; k++)
        r.input[DELTA][k] = p.config.softplus ? r.input[DELTA][k] + (float)log(p.longest_step)
                                              : (float)p.longest_step * fabsf(r.input[DELTA][k]);
    for (size_t k = 0; k < inputs[BIAS]; k++) // keeps steps positive without softplus
        r.input[BIAS][k] = 0.01f + 0.01f * fabsf(r.input[BIAS][k]);
    for (int i = 0; i < N_RESULTS; i++) {
        r.result_size[i] = results[i];
        r.result[i] = floats(results[i]);
        r.truth[i] = calloc(results[i], sizeof(double));
    }
    return r;
}

static void rig_free(rig *r) {
    for (int i = 0; i < N_INPUTS; i++) free(r->input[i] - 1);
    for (int i = 0; i < N_RESULTS; i++) {
        free(r->result[i] - 1);
        free(r->truth[i]);
    }
}

static fv_selective_scan_input input_of(const rig *r) {
    return (fv_selective_scan_input){.u = r->input[U],
                                     .delta = r->input[DELTA],
                                     .A = r->input[A],
                                     .B = r->input[B],
                                     .C = r->input[C],
                                     .D = r->p.has_d ? r->input[D] : NULL,
                                     .bias = r->p.has_bias ? r->input[BIAS] : NULL,
                                     .z = r->p.has_z ? r->input[Z] : NULL,
                                     .initial = r->p.has_initial ? r->input[INITIAL] : NULL};
}

static void run(rig *r, bool gradient) {
    fv_selective_scan *scan;
    fv_selective_scan_input input = input_of(r);
    check_ok(fv_selective_scan_create(&r->p.config, &scan, NULL));
    check_ok(
        fv_selective_scan_forward(scan, &input, r->result[Y], r->result[FINAL], gradient, NULL));
    fv_selective_scan_gradient g = {
        r->result[DU], r->result[DDELTA], r->result[DA],    r->result[DB],
        r->result[DC], r->result[DD],     r->result[DBIAS], r->p.has_z ? r->result[DZ] : NULL};
    if (gradient) check_ok(fv_selective_scan_backward(scan, &input, r->input[DY], &g, NULL));
    fv_selective_scan_free(scan);
}

// --- the definition, one channel of one sequence -----------------------------------------------

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static void truth_of_channel(rig *r, int64_t batch, int64_t e) {
    const fv_selective_scan_config *c = &r->p.config;
    int64_t n = c->n, E = c->n_channels, N = c->n_state;
    double *h = calloc((size_t)((n + 1) * N), sizeof *h), *dh = calloc((size_t)N, sizeof *dh);
    double *sum = calloc((size_t)n, sizeof *sum), d = r->p.has_d ? r->input[D][e] : 0;
    const float *a = r->input[A] + e * N;
#define AT(t)  (((batch * n) + (t)) * E + e)
#define MAP(t) (((batch * n) + (t)) * N)
    double bias = r->p.has_bias ? r->input[BIAS][e] : 0;
    for (int64_t s = 0; s < N && r->p.has_initial; s++)
        h[s] = r->input[INITIAL][(batch * N + s) * E + e];
    for (int64_t t = 0; t < n; t++) {
        double raw = r->input[DELTA][AT(t)] + bias, u = r->input[U][AT(t)];
        double step = c->softplus ? log1p(exp(raw)) : raw, z = r->input[Z][AT(t)];
        sum[t] = d * u;
        for (int64_t s = 0; s < N; s++) {
            double *now = h + (t + 1) * N + s;
            *now = exp(step * a[s]) * now[-N] + step * u * r->input[B][MAP(t) + s];
            sum[t] += *now * r->input[C][MAP(t) + s];
        }
        r->truth[Y][AT(t)] = r->p.has_z ? sum[t] * z * sigmoid(z) : sum[t];
    }
    for (int64_t s = 0; s < N; s++) r->truth[FINAL][(batch * N + s) * E + e] = h[n * N + s];
    for (int64_t t = n - 1; t >= 0; t--) {
        double raw = r->input[DELTA][AT(t)] + bias, u = r->input[U][AT(t)];
        double step = c->softplus ? log1p(exp(raw)) : raw, z = r->input[Z][AT(t)];
        double dy = r->input[DY][AT(t)], dsum = r->p.has_z ? dy * z * sigmoid(z) : dy;
        double du = dsum * d, dstep = 0;
        r->truth[DZ][AT(t)] = dy * sum[t] * sigmoid(z) * (1 + z * (1 - sigmoid(z)));
        r->truth[DD][e] += dsum * u;
        for (int64_t s = 0; s < N; s++) {
            double decay = exp(step * a[s]), before = h[t * N + s], b = r->input[B][MAP(t) + s];
            dh[s] += dsum * r->input[C][MAP(t) + s];
            r->truth[DC][MAP(t) + s] += dsum * h[(t + 1) * N + s];
            r->truth[DB][MAP(t) + s] += dh[s] * step * u;
            r->truth[DA][e * N + s] += dh[s] * before * decay * step;
            du += dh[s] * step * b;
            dstep += dh[s] * (u * b + before * decay * a[s]);
            dh[s] *= decay;
        }
        if (c->softplus) dstep *= sigmoid(raw);
        r->truth[DU][AT(t)] = du;
        r->truth[DDELTA][AT(t)] = dstep;
        r->truth[DBIAS][e] += dstep;
    }
#undef AT
#undef MAP
    free(h);
    free(dh);
    free(sum);
}

static void compute_truth(rig *r) {
    for (int i = 0; i < N_RESULTS; i++) memset(r->truth[i], 0, r->result_size[i] * sizeof(double));
    for (int64_t batch = 0; batch < r->p.config.n_batch; batch++)
        for (int64_t e = 0; e < r->p.config.n_channels; e++) truth_of_channel(r, batch, e);
}

// The error of the norm of result i.
static double error_of(const rig *r, int i) {
    double error = 0, norm = 0;
    for (size_t k = 0; k < r->result_size[i]; k++) {
        double difference = (double)r->result[i][k] - r->truth[i][k];
        error += difference * difference;
        norm += r->truth[i][k] * r->truth[i][k];
    }
    return isfinite(error) ? sqrt(error / (norm > 0 ? norm : 1)) : INFINITY;
}

static double worst_error(const rig *r, bool gradient, const char **worst) {
    double most = -1;
    for (int i = 0; i < (gradient ? N_RESULTS : DU); i++) {
        if (i == DZ && !r->p.has_z) continue;
        double error = error_of(r, i);
        if (error > most) *worst = result_names[i], most = error;
    }
    return most;
}

static const problem problems[] = {
    {{1, 1, 1, 1, false, 0, 0, 1}, false, false, false, false, 0.1},
    {{2, 7, 3, 5, true, 0, 0, 1}, true, true, true, true, 0.5},
    {{1, 33, 16, 16, true, 0, 0, 1}, true, true, true, false, 0.05},
    {{2, 70, 129, 16, true, 16, 0, 2}, true, false, true, true, 0.05},
    {{1, 100, 20, 7, false, 1, 0, 2}, false, true, false, true, 0.3},
    {{1, 515, 40, 21, true, 64, 0, 1}, true, true, true, true, 0.02},
    {{3, 200, 17, 4, true, 0, 3, 2}, true, true, true, true, 0.02},
    {{1, 1000, 35, 16, true, 0, 7, 2}, true, true, false, true, 0.01},
    {{1, 5000, 16, 16, true, 0, 2, 2}, true, true, true, false, 0.001},
    {{1, 64, 300, 256, true, 8, 2, 2}, true, true, true, true, 0.05},
};
enum { N_PROBLEMS = sizeof problems / sizeof *problems };

// Tolerance 1e-5 of the norm, as for attention; segments and threads are part of the problems.
static void test_against_double_precision(void **state) {
    (void)state;
    for (int i = 0; i < N_PROBLEMS; i++) {
        rig r = rig_create(problems[i]);
        compute_truth(&r);
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            const char *worst = "";
            check_ok(fv_kernels_force((*k)->name, NULL));
            run(&r, true);
            double error = worst_error(&r, true, &worst);
            if (!(error <= 1e-5))
                fail_msg("problem %d, %s: %s is off by %g", i, (*k)->name, worst, error);
        }
        rig_free(&r);
    }
}

// The same bits for one thread and three, and for AVX2 and AVX-512.
static void test_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < N_PROBLEMS; i++) {
        rig a = rig_create(problems[i]), b = rig_create(problems[i]);
        if (fv_kernels_force("avx512", NULL) != FV_OK) check_ok(fv_kernels_force("portable", NULL));
        a.p.config.n_threads = 1;
        b.p.config.n_threads = 3;
        run(&a, true);
        for (int pass = 0; pass < 2; pass++) {
            if (pass == 1 && fv_kernels_force("avx2", NULL) != FV_OK) break;
            run(&b, true);
            if (fv_kernels_force("avx512", NULL) != FV_OK && pass == 0) pass = 1;
            for (int k = 0; k < N_RESULTS; k++)
                if (memcmp(a.result[k], b.result[k], a.result_size[k] * sizeof(float)) != 0)
                    fail_msg("problem %d: %s differs (%s)", i, result_names[k],
                             pass == 0 ? "threads" : "avx2");
        }
        rig_free(&a);
        rig_free(&b);
    }
}

// The lab's scan of one channel whose raw step at position 2 is not a number.
static void check_raw_steps(const kernel_set *kernels) {
    enum { ROWS = 5, LANE = 3 };
    static _Alignas(64) real u[ROWS * FV_LANES], raw[ROWS * FV_LANES], b[ROWS * FV_LANES];
    static _Alignas(64) real delta[ROWS * FV_LANES], sum[ROWS * FV_LANES], y[ROWS * FV_LANES];
    const real a = -1, skip = 1, bias = 0;
    const int rows[ROWS] = {0, 1, 2, 3, 4};
    for (int i = 0; i < ROWS * FV_LANES; i++) u[i] = b[i] = 1, raw[i] = 0;
    raw[2 * FV_LANES + LANE] = NAN;
    kernels->scan(&(kernel_scan){.n_groups = 1,
                                 .n_rows = ROWS,
                                 .n_outputs = ROWS,
                                 .n_channels = 1,
                                 .n_state = 1,
                                 .rows = rows,
                                 .a = &a,
                                 .skip = &skip,
                                 .bias = &bias,
                                 .u = u,
                                 .raw = raw,
                                 .b = {b, FV_LANES},
                                 .c = b,
                                 .z = b,
                                 .delta = delta,
                                 .sum = sum,
                                 .y = y});
    for (int i = 0; i < ROWS * FV_LANES; i++) {
        bool finite = i % FV_LANES != LANE || i / FV_LANES < 2;
        if (isfinite(y[i]) != finite)
            fail_msg("%s: lane %d of position %d is %g", kernels->name, i % FV_LANES, i / FV_LANES,
                     (double)y[i]);
    }
}

// A number that is not finite is seen in every output behind it, and in the same results whether
// the sequence is scanned whole or in segments.
static void test_not_finite(void **state) {
    (void)state;
    enum { ROW = 5, CHANNEL = 7, N = 512, CHANNELS = 40 };
    static const struct {
        int input;
        float value;
    } poisons[] = {{U, NAN}, {U, INFINITY}, {U, -INFINITY}, {DELTA, NAN}, {DELTA, INFINITY}};
    const problem p = {{1, N, CHANNELS, 16, true, 16, 1, 2}, true, true, true, true, 20};
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        check_ok(fv_kernels_force((*k)->name, NULL));
        check_raw_steps(*k);
        for (size_t i = 0; i < sizeof poisons / sizeof *poisons; i++) {
            rig whole = rig_create(p), cut = rig_create(p);
            whole.input[poisons[i].input][ROW * CHANNELS + CHANNEL] = poisons[i].value;
            cut.input[poisons[i].input][ROW * CHANNELS + CHANNEL] = poisons[i].value;
            run(&whole, true);
            for (int at = 0; at < N * CHANNELS; at++)
                if (isfinite(whole.result[Y][at]) !=
                    (at % CHANNELS != CHANNEL || at / CHANNELS < ROW))
                    fail_msg("%s, poison %zu: y of channel %d at %d is %g", (*k)->name, i,
                             at % CHANNELS, at / CHANNELS, (double)whole.result[Y][at]);
            for (cut.p.config.segments = 2; cut.p.config.segments <= 4;
                 cut.p.config.segments += 2) {
                run(&cut, true);
                for (int r = 0; r < N_RESULTS; r++)
                    for (size_t at = 0; at < cut.result_size[r]; at++)
                        if (isfinite(cut.result[r][at]) != isfinite(whole.result[r][at]))
                            fail_msg("%s, poison %zu, %d segments: %s is %g at %zu, not %g",
                                     (*k)->name, i, (int)cut.p.config.segments, result_names[r],
                                     (double)cut.result[r][at], at, (double)whole.result[r][at]);
            }
            rig_free(&whole);
            rig_free(&cut);
        }
    }
}

// Either pass has a piece of work for every thread where there are blocks enough; segments, which
// the way back does not have, take nothing from it.
static void test_work_for_all_threads(void **state) {
    (void)state;
    static const int64_t shapes[][4] = {// batch, n, channels, threads
                                        {1, 4096, 512, 2}, {1, 65536, 512, 4}, {1, 65536, 256, 2},
                                        {2, 4096, 512, 8}, {3, 100, 512, 2},   {1, 65536, 64, 4},
                                        {1, 4096, 4096, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        fv_selective_scan *scan;
        fv_selective_scan_config c;
        fv_selective_scan_config_init(&c);
        c.n_batch = shapes[i][0], c.n = shapes[i][1], c.n_channels = shapes[i][2];
        c.n_threads = (int)shapes[i][3];
        check_ok(fv_selective_scan_create(&c, &scan, NULL));
        int64_t most = c.n_batch * ((c.n_channels + FV_SCAN_BLOCK - 1) / FV_SCAN_BLOCK);
        int64_t wanted = c.n_threads < most ? c.n_threads : most;
        int64_t forward = c.n_batch * scan->n_spans * scan->n_segments;
        int64_t backward = c.n_batch * scan->n_back_spans;
        if (forward < wanted || backward < wanted || backward > most)
            fail_msg("shape %zu: %d pieces forward and %d back for %d threads and %d blocks", i,
                     (int)forward, (int)backward, c.n_threads, (int)most);
        fv_selective_scan_free(scan);
    }
}

// Position by position with the state handed on is the scan of the whole.
static void test_step(void **state) {
    (void)state;
    rig r = rig_create((problem){{2, 40, 37, 16, true, 0, 0, 1}, true, true, true, true, 0.1});
    const fv_selective_scan_config *c = &r.p.config;
    compute_truth(&r);
    fv_selective_scan *scan;
    check_ok(fv_selective_scan_create(c, &scan, NULL));
    memcpy(r.result[FINAL], r.input[INITIAL], r.result_size[FINAL] * sizeof(float));
    size_t E = (size_t)c->n_channels, N = (size_t)c->n_state, n = (size_t)c->n;
    float *rows[6];
    for (int k = 0; k < 6; k++) rows[k] = floats(2 * (E > N ? E : N));
    const float *from[] = {r.input[U], r.input[DELTA], r.input[Z], r.input[B], r.input[C]};
    for (size_t t = 0; t < n; t++) {
        for (size_t b = 0; b < 2; b++)
            for (int k = 0; k < 5; k++) {
                size_t width = k < 3 ? E : N;
                memcpy(rows[k] + b * width, from[k] + (b * n + t) * width, width * sizeof(float));
            }
        fv_selective_scan_input input = input_of(&r);
        input.u = rows[0], input.delta = rows[1], input.z = rows[2];
        input.B = rows[3], input.C = rows[4];
        check_ok(fv_selective_scan_step(scan, &input, r.result[FINAL], rows[5], NULL));
        for (size_t b = 0; b < 2; b++)
            memcpy(r.result[Y] + (b * n + t) * E, rows[5] + b * E, E * sizeof(float));
    }
    assert_true(error_of(&r, Y) <= 1e-5);
    assert_true(error_of(&r, FINAL) <= 1e-5);
    for (int k = 0; k < 6; k++) free(rows[k] - 1);
    fv_selective_scan_free(scan);
    rig_free(&r);
}

// What a pass adds to the bytes of the object is what scan.h says, sequence by sequence and block
// of channels by block: the kept states with n / chunk, the gradient's sums with n.
static void test_memory(void **state) {
    (void)state;
    static const fv_selective_scan_config configs[] = {{1, 8192, 16, 16, true, 32, 1, 1},
                                                       {1, 8192, 16, 16, true, 128, 1, 1},
                                                       {2, 1000, 300, 7, true, 32, 1, 1},
                                                       {1, 333, 129, 3, true, 0, 2, 2}};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        rig r = rig_create((problem){configs[i], true, true, true, false, 0.1});
        const fv_selective_scan_config *c = &r.p.config;
        fv_selective_scan *scan;
        fv_selective_scan_input input = input_of(&r);
        fv_selective_scan_gradient g = {r.result[DU],    r.result[DDELTA], r.result[DA],
                                        r.result[DB],    r.result[DC],     r.result[DD],
                                        r.result[DBIAS], r.result[DZ]};
        size_t chunk = c->chunk ? (size_t)c->chunk : 32, n = (size_t)c->n;
        size_t blocks = (size_t)(c->n_batch * ((c->n_channels + 127) / 128));
        size_t n_state = (size_t)c->n_state, sums = 2 * n * n_state + 128 * n_state + 256;
        check_ok(fv_selective_scan_create(c, &scan, NULL));
        size_t bytes[4] = {fv_selective_scan_bytes(scan)};
        check_ok(fv_selective_scan_forward(scan, &input, r.result[Y], NULL, true, NULL));
        bytes[1] = fv_selective_scan_bytes(scan);
        for (int pass = 2; pass < 4; pass++) {
            check_ok(fv_selective_scan_backward(scan, &input, r.input[DY], &g, NULL));
            bytes[pass] = fv_selective_scan_bytes(scan);
        }
        assert_int_equal(bytes[1] - bytes[0],
                         blocks * 128 * n_state * ((n + chunk - 1) / chunk) * sizeof(float));
        assert_int_equal(bytes[2] - bytes[1], blocks * ((sums * sizeof(float) + 63) / 64 * 64));
        assert_int_equal(bytes[3], bytes[2]);
        fv_selective_scan_free(scan);
        rig_free(&r);
    }
}

static void check_refused(fv_selective_scan_config config, const char *words) {
    fv_selective_scan *scan = NULL;
    fv_error error;
    assert_int_equal(fv_selective_scan_create(&config, &scan, &error), FV_USAGE);
    if (strstr(error.text, words) == NULL) fail_msg("'%s' lacks '%s'", error.text, words);
}

static void test_mistakes(void **state) {
    (void)state;
    fv_selective_scan_config c;
    fv_selective_scan_config_init(&c);
    check_refused((fv_selective_scan_config){1, 0, 1, 16, true, 0, 0, 1}, "n is 0");
    check_refused((fv_selective_scan_config){1, -5, 1, 16, true, 0, 0, 1}, "n is -5");
    check_refused((fv_selective_scan_config){0, 1, 1, 16, true, 0, 0, 1}, "n_batch is 0");
    check_refused((fv_selective_scan_config){1, 1, 0, 16, true, 0, 0, 1}, "n_channels is 0");
    check_refused((fv_selective_scan_config){1, 1, 1, 257, true, 0, 0, 1}, "between 1 and 256");
    check_refused((fv_selective_scan_config){1, 1, 1, 16, true, -1, 0, 1}, "chunk is -1");
    check_refused((fv_selective_scan_config){1, 1, 1, 16, true, 0, 0, -1}, "n_threads is -1");
    check_refused((fv_selective_scan_config){1, INT64_MAX, 2, 16, true, 0, 0, 1}, "64 bits");
    fv_selective_scan *scan;
    fv_error error;
    float x = 0;
    check_ok(fv_selective_scan_create(&c, &scan, NULL));
    fv_selective_scan_input input = {.u = &x, .delta = &x, .A = &x, .B = &x};
    assert_int_equal(fv_selective_scan_forward(scan, &input, &x, NULL, false, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "lacks"));
    fv_selective_scan_gradient g = {0};
    assert_int_equal(fv_selective_scan_backward(scan, &input, &x, &g, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "keep"));
    fv_selective_scan_free(scan);
    fv_selective_scan_free(NULL);
}

// The oracle says no to one skipped position, a wrong decay, and a missing gradient.
static void test_oracle_catches_faults(void **state) {
    (void)state;
    const char *worst;
    rig r = rig_create(problems[2]);
    compute_truth(&r);
    run(&r, true);
    assert_true(worst_error(&r, true, &worst) <= 1e-5);
    r.result[DB][5] *= 1.01f;
    assert_true(worst_error(&r, true, &worst) > 1e-5);
    assert_string_equal(worst, "dB");
    r.input[A][3] *= 1.001f;
    run(&r, true);
    assert_true(worst_error(&r, true, &worst) > 1e-5);
    r.input[A][3] /= 1.001f;
    r.p.config.n--;
    run(&r, true);
    assert_true(worst_error(&r, true, &worst) > 1e-5);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_double_precision),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_work_for_all_threads),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_oracle_catches_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
