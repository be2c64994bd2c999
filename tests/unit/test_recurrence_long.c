// Recurrences whose state is a matrix over long sequences, against their definition in double
// precision.
#include "engine.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>
#include <fovea/recurrence.h>

enum { Q, K, V, LOG_DECAY, RATE, INITIAL, DY, DFINAL, N_INPUTS };
enum { Y, FINAL, DQ, DK, DV, DLOG, DRATE, DINITIAL, N_RESULTS };
static const char *const result_names[] = {"y",  "final", "dq",    "dk",
                                           "dv", "dlog",  "drate", "dinitial"};

typedef struct problem {
    fv_recurrence_config config;
    double decay; // log decays are down to about this below 0
    bool lacks_decay, lacks_rate, lacks_initial;
} problem;

typedef struct rig {
    problem p;
    size_t input_size[N_INPUTS], result_size[N_RESULTS];
    float *input[N_INPUTS], *result[N_RESULTS];
    double *truth[N_RESULTS];
} rig;

static int64_t key_heads(const fv_recurrence_config *c) {
    return c->n_key_head > 0 ? c->n_key_head : c->n_head;
}

// One float further than alignment would have it.
static float *floats(size_t n) {
    return (float *)calloc(n + 1, sizeof(float)) + 1;
}

// Keys of length 1 but every fifth, which is 0; every eleventh decay leaves nothing.
static void fill(rig *r) {
    const fv_recurrence_config *c = &r->p.config;
    uint64_t random = 29;
    for (int i = 0; i < N_INPUTS; i++)
        for (size_t k = 0; k < r->input_size[i]; k++) r->input[i][k] = (float)noise(&random);
    const size_t width = (size_t)c->d_key;
    for (size_t row = 0; row < r->input_size[K] / width; row++) {
        double square = 0;
        float *k = r->input[K] + row * width;
        for (size_t i = 0; i < width; i++) square += (double)k[i] * k[i];
        for (size_t i = 0; i < width; i++) k[i] *= row % 5 == 4 ? 0 : (float)(1 / sqrt(square));
    }
    for (size_t i = 0; i < r->input_size[LOG_DECAY]; i++)
        r->input[LOG_DECAY][i] = r->p.decay > 1 && i % 11 == 10
                                     ? -1000
                                     : -(float)r->p.decay * fabsf(r->input[LOG_DECAY][i]);
    for (size_t i = 0; i < r->input_size[RATE]; i++) r->input[RATE][i] = fabsf(r->input[RATE][i]);
}

static rig rig_create(problem p) {
    rig r = {.p = p};
    const fv_recurrence_config *c = &p.config;
    const size_t rows = (size_t)(c->n_batch * c->n), heads = (size_t)c->n_head;
    const size_t keys = rows * (size_t)(key_heads(c) * c->d_key),
                 values = rows * heads * (size_t)c->d_value;
    const size_t states = (size_t)(c->n_batch * c->n_head * c->d_key * c->d_value);
    const size_t inputs[N_INPUTS] = {keys,         keys,   values, rows * heads,
                                     rows * heads, states, values, states};
    const size_t results[N_RESULTS] = {values, states,       keys,         keys,
                                       values, rows * heads, rows * heads, states};
    for (int i = 0; i < N_INPUTS; i++) r.input[i] = floats(r.input_size[i] = inputs[i]);
    for (int i = 0; i < N_RESULTS; i++) {
        r.result[i] = floats(r.result_size[i] = results[i]);
        r.truth[i] = calloc(results[i], sizeof(double));
    }
    fill(&r);
    return r;
}

static void rig_free(rig *r) {
    for (int i = 0; i < N_INPUTS; i++) free(r->input[i] - 1);
    for (int i = 0; i < N_RESULTS; i++) {
        free(r->result[i] - 1);
        free(r->truth[i]);
    }
}

static fv_recurrence_input input_of(const rig *r) {
    return (fv_recurrence_input){.q = r->input[Q],
                                 .k = r->input[K],
                                 .v = r->input[V],
                                 .log_decay = r->p.lacks_decay ? NULL : r->input[LOG_DECAY],
                                 .rate = r->p.lacks_rate ? NULL : r->input[RATE],
                                 .initial = r->p.lacks_initial ? NULL : r->input[INITIAL]};
}

static fv_recurrence_gradient gradient_of(const rig *r) {
    return (fv_recurrence_gradient){r->result[DQ],   r->result[DK],    r->result[DV],
                                    r->result[DLOG], r->result[DRATE], r->result[DINITIAL]};
}

static void run(rig *r) {
    fv_recurrence *recurrence;
    fv_recurrence_input input = input_of(r);
    fv_recurrence_gradient gradient = gradient_of(r);
    check_ok(fv_recurrence_create(&r->p.config, &recurrence, NULL));
    check_ok(fv_recurrence_forward(recurrence, &input, r->result[Y], r->result[FINAL], true, NULL));
    check_ok(fv_recurrence_backward(recurrence, &input, r->input[DY], r->input[DFINAL], &gradient,
                                    NULL));
    fv_recurrence_free(recurrence);
}

// --- the definition, one column of one state ----------------------------------------------------

static void truth_of_column(rig *r, int64_t batch, int64_t head, int64_t f, double *states,
                            double *left) {
    const fv_recurrence_config *c = &r->p.config;
    const int64_t n = c->n, N = c->d_key, key_head = head / (c->n_head / key_heads(c));
    const double scale = c->scale != 0 ? c->scale : 1 / sqrt((double)N);
    const bool replaces = c->rule == FV_RECURRENCE_GATED_DELTA;
    const size_t initial = (size_t)((batch * c->n_head + head) * N * c->d_value + f);
    double dstate[256];
#define KEY(t)    (((batch * n + (t)) * key_heads(c) + key_head) * N)
#define HEAD(t)   ((batch * n + (t)) * c->n_head + head)
#define VALUE(t)  (HEAD(t) * c->d_value + f)
#define DECAY(t)  (r->p.lacks_decay ? 1 : exp((double)r->input[LOG_DECAY][HEAD(t)]))
#define RATE_(t)  (r->p.lacks_rate ? 1 : (double)r->input[RATE][HEAD(t)])
#define COLUMN(i) (initial + (size_t)((i)*c->d_value))
    for (int64_t i = 0; i < N; i++) {
        states[i] = r->p.lacks_initial ? 0 : (double)r->input[INITIAL][COLUMN(i)];
        dstate[i] = (double)r->input[DFINAL][COLUMN(i)];
    }
    for (int64_t t = 0; t < n; t++) {
        const float *k = r->input[K] + KEY(t), *q = r->input[Q] + KEY(t);
        double *now = states + (t + 1) * N, held = 0, sum = 0;
        for (int64_t i = 0; i < N; i++) held += (now[i] = now[i - N] * DECAY(t)) * k[i];
        left[t] = (double)r->input[V][VALUE(t)] - (replaces ? held : 0);
        for (int64_t i = 0; i < N; i++) sum += (now[i] += RATE_(t) * left[t] * k[i]) * q[i];
        r->truth[Y][VALUE(t)] = scale * sum;
    }
    for (int64_t i = 0; i < N; i++) r->truth[FINAL][COLUMN(i)] = states[n * N + i];
    for (int64_t t = n - 1; t >= 0; t--) {
        const float *k = r->input[K] + KEY(t), *q = r->input[Q] + KEY(t);
        const double *now = states + (t + 1) * N, *before = now - N;
        double dy = scale * (double)r->input[DY][VALUE(t)], dadded = 0;
        for (int64_t i = 0; i < N; i++) {
            r->truth[DQ][KEY(t) + i] += dy * now[i];
            dadded += (dstate[i] += dy * q[i]) * k[i];
            r->truth[DK][KEY(t) + i] += dstate[i] * RATE_(t) * left[t];
        }
        r->truth[DRATE][HEAD(t)] += dadded * left[t];
        dadded *= RATE_(t);
        r->truth[DV][VALUE(t)] = dadded;
        for (int64_t i = 0; i < N; i++) {
            if (replaces) {
                r->truth[DK][KEY(t) + i] -= dadded * DECAY(t) * before[i];
                dstate[i] -= dadded * k[i];
            }
            dstate[i] *= DECAY(t);
            r->truth[DLOG][HEAD(t)] += dstate[i] * before[i];
        }
    }
    for (int64_t i = 0; i < N; i++) r->truth[DINITIAL][COLUMN(i)] = dstate[i];
}

static void compute_truth(rig *r) {
    const fv_recurrence_config *c = &r->p.config;
    double *states = malloc((size_t)((c->n + 1) * c->d_key) * sizeof *states);
    double *left = malloc((size_t)c->n * sizeof *left);
    for (int64_t batch = 0; batch < c->n_batch; batch++)
        for (int64_t head = 0; head < c->n_head; head++)
            for (int64_t f = 0; f < c->d_value; f++)
                truth_of_column(r, batch, head, f, states, left);
    free(states);
    free(left);
}

static bool lacks(const rig *r, int i) {
    return (i == DLOG && r->p.lacks_decay) || (i == DRATE && r->p.lacks_rate);
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

static void check_results(const rig *r, const char *what) {
    for (int i = 0; i < N_RESULTS; i++) {
        double error = lacks(r, i) ? 0 : error_of(r, i);
        if (!(error <= 1e-5)) fail_msg("%s: %s is off by %g", what, result_names[i], error);
    }
}

enum { SSD = FV_RECURRENCE_SSD, DELTA = FV_RECURRENCE_GATED_DELTA };

// rule, batch, n, heads, key heads, d_key, d_value, scale, checkpoint, segments, threads
static const problem problems[] = {
    {{SSD, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1}, 0.1, false, false, false},
    {{DELTA, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1}, 0.1, false, false, false},
    {{SSD, 2, 63, 2, 0, 5, 3, 0.5, 64, 0, 1}, 0.1, false, false, false},
    {{DELTA, 2, 65, 2, 0, 5, 3, 0.5, 64, 0, 1}, 0.1, false, false, false},
    {{SSD, 1, 300, 3, 1, 16, 16, 1, 128, 0, 2}, 0.02, false, false, true},
    {{DELTA, 1, 300, 4, 2, 16, 32, 0, 128, 0, 2}, 0.02, false, false, true},
    {{SSD, 1, 200, 1, 0, 64, 64, 0, 0, 0, 1}, 30, false, false, false},
    {{DELTA, 1, 200, 1, 0, 64, 64, 0, 0, 0, 1}, 30, false, false, false},
    {{SSD, 1, 130, 1, 0, 33, 100, 0, 0, 0, 1}, 0, true, true, false},
    {{DELTA, 1, 130, 1, 0, 100, 33, 0, 0, 0, 1}, 0, true, false, true},
    {{DELTA, 1, 150, 1, 0, 24, 24, 0, 0, 0, 1}, 0, true, true, false},
    {{SSD, 1, 700, 2, 0, 20, 24, 0, 192, 4, 3}, 0.01, false, false, false},
    {{DELTA, 1, 700, 2, 0, 20, 24, 0, 192, 4, 3}, 0.01, false, false, false},
    {{DELTA, 1, 400, 1, 0, 24, 7, 0, 64, 3, 2}, 5, false, false, false},
    {{SSD, 1, 129, 1, 0, 256, 256, 0, 0, 0, 1}, 0.01, false, false, false},
    {{DELTA, 1, 129, 1, 0, 256, 256, 0, 0, 0, 1}, 0.01, false, false, false},
};
enum { N_PROBLEMS = sizeof problems / sizeof *problems };

// Tolerance 1e-5 of the norm, as for the scan; segments and threads are part of the problems.
static void test_against_double_precision(void **state) {
    (void)state;
    for (int i = 0; i < N_PROBLEMS; i++) {
        rig r = rig_create(problems[i]);
        compute_truth(&r);
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            char what[64];
            snprintf(what, sizeof what, "problem %d, %s", i, (*k)->name);
            check_ok(fv_kernels_force((*k)->name, NULL));
            run(&r);
            check_results(&r, what);
        }
        rig_free(&r);
    }
}

static void check_same(const rig *a, const rig *b, int at, const char *what) {
    for (int k = 0; k < N_RESULTS; k++)
        if (memcmp(a->result[k], b->result[k], a->result_size[k] * sizeof(float)) != 0)
            fail_msg("problem %d: %s differs (%s)", at, result_names[k], what);
}

// The same bits for any number of threads and of kept states, and for sets that fuse.
static void test_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < N_PROBLEMS; i++) {
        rig a = rig_create(problems[i]), b = rig_create(problems[i]);
        a.p.config.n_threads = 1;
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            if ((*k)->arithmetic == FV_ARITHMETIC_REFERENCE) continue;
            check_ok(fv_kernels_force((*k)->name, NULL));
            run(&a);
            b.p.config.n_threads = 3;
            b.p.config.checkpoint = problems[i].config.checkpoint == 64 ? 128 : 64;
            run(&b);
            check_same(&a, &b, i, "threads and kept states");
            for (const kernel_set *const *other = k + 1; *other; other++)
                if ((*other)->arithmetic == (*k)->arithmetic) {
                    check_ok(fv_kernels_force((*other)->name, NULL));
                    run(&b);
                    check_same(&a, &b, i, (*other)->name);
                }
        }
        rig_free(&a);
        rig_free(&b);
    }
}

// 1,048,577 positions, states kept every 65,536: both rules, all results.
static void test_a_million(void **state) {
    (void)state;
    for (int rule = SSD; rule <= DELTA; rule++) {
        problem p = {
            {rule, 1, (1 << 20) + 1, 1, 0, 4, 2, 0, 1 << 16, 0, 2}, 1e-3, false, false, false};
        rig r = rig_create(p);
        compute_truth(&r);
        for (const kernel_set *const *k = kernels_available(); *k; k++)
            check_ok(fv_kernels_force((*k)->name, NULL)); // the fastest
        run(&r);
        check_results(&r, rule == SSD ? "SSD" : "gated delta rule");
        rig_free(&r);
    }
}

// A sequence in pieces, the state handed on, is the sequence; so is one read position by position.
static void test_pieces(void **state) {
    (void)state;
    for (int rule = SSD; rule <= DELTA; rule++)
        for (int64_t piece = 1; piece <= 70; piece += 69) {
            rig r = rig_create(
                (problem){{rule, 1, 140, 2, 1, 20, 32, 0, 0, 0, 2}, 0.1, false, false, false});
            const fv_recurrence_config *c = &r.p.config;
            fv_recurrence_config part = *c;
            fv_recurrence *recurrence;
            compute_truth(&r);
            part.n = piece;
            check_ok(fv_recurrence_create(&part, &recurrence, NULL));
            float *last = aligned_alloc(64, (r.result_size[FINAL] * sizeof(float) + 63) / 64 * 64);
            float *carried = piece == 1 ? last : r.result[FINAL];
            memcpy(carried, r.input[INITIAL], r.result_size[FINAL] * sizeof(float));
            for (int64_t t = 0; t < c->n; t += piece) {
                const fv_recurrence_input input = {
                    r.input[Q] + t * 20,        r.input[K] + t * 20,   r.input[V] + t * 64,
                    r.input[LOG_DECAY] + t * 2, r.input[RATE] + t * 2, carried};
                float *y = r.result[Y] + t * 64;
                if (piece == 1)
                    check_ok(fv_recurrence_step(recurrence, &input, carried, y, NULL));
                else
                    check_ok(fv_recurrence_forward(recurrence, &input, y, carried, false, NULL));
            }
            memmove(r.result[FINAL], carried, r.result_size[FINAL] * sizeof(float));
            check_between(error_of(&r, Y), 0, 1e-5);
            check_between(error_of(&r, FINAL), 0, 1e-5);
            free(last);
            fv_recurrence_free(recurrence);
            rig_free(&r);
        }
}

// What a pass adds to the bytes of the object is what recurrence.h says.
static void test_memory(void **state) {
    (void)state;
    const problem p = {{DELTA, 2, 1000, 2, 0, 20, 24, 0, 128, 0, 3}, 0.1, false, false, false};
    rig r = rig_create(p);
    fv_recurrence *recurrence;
    fv_recurrence_input input = input_of(&r);
    fv_recurrence_gradient gradient = gradient_of(&r);
    check_ok(fv_recurrence_create(&p.config, &recurrence, NULL));
    size_t bytes[4] = {fv_recurrence_bytes(recurrence)}, one = sizeof(float) * 32 * (32 + 16);
    check_ok(fv_recurrence_forward(recurrence, &input, r.result[Y], NULL, true, NULL));
    bytes[1] = fv_recurrence_bytes(recurrence);
    for (int pass = 2; pass < 4; pass++) {
        check_ok(fv_recurrence_backward(recurrence, &input, r.input[DY], NULL, &gradient, NULL));
        bytes[pass] = fv_recurrence_bytes(recurrence);
    }
    assert_int_equal(bytes[1] - bytes[0], 4 * 8 * one);
    assert_int_equal(bytes[2] - bytes[1], 3 * 2 * one);
    assert_int_equal(bytes[3], bytes[2]);
    fv_recurrence_free(recurrence);
    // By itself no more than 64 MiB are kept of a long sequence.
    const fv_recurrence_config c = {SSD, 1, 1 << 20, 8, 1, 128, 128, 0, 0, 0, 1};
    check_ok(fv_recurrence_create(&c, &recurrence, NULL));
    bytes[0] = fv_recurrence_bytes(recurrence);
    check_between((double)bytes[0], 0, 64 << 20);
    fv_recurrence_free(recurrence);
    rig_free(&r);
}

// What has died out is 0 and never subnormal: a state of about 2^-110 after 128 positions, and a
// gradient of it before them.
static void test_dies_out(void **state) {
    (void)state;
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        rig r = rig_create((problem){.config = {SSD, 1, 128, 1, 0, 16, 16, 0, 64, 0, 1}});
        for (int i = 0; i < 128; i++) r.input[LOG_DECAY][i] = -0.6f, r.input[RATE][i] = 0;
        memset(r.input[DY], 0, r.input_size[DY] * sizeof(float));
        check_ok(fv_kernels_force((*k)->name, NULL));
        run(&r);
        for (size_t i = 0; i < r.result_size[FINAL]; i++) {
            check_near((double)r.result[FINAL][i], 0, 0);
            check_near((double)r.result[DINITIAL][i], 0, 0);
        }
        rig_free(&r);
    }
}

static void check_refused(fv_recurrence_config config, const char *words) {
    fv_recurrence *recurrence = NULL;
    fv_error error;
    assert_int_equal(fv_recurrence_create(&config, &recurrence, &error), FV_USAGE);
    if (strstr(error.text, words) == NULL) fail_msg("'%s' lacks '%s'", error.text, words);
}

static void test_mistakes(void **state) {
    (void)state;
    fv_recurrence_config c;
    fv_recurrence_config_init(&c);
    fv_error error;
    check_refused((fv_recurrence_config){2, 1, 1, 1, 0, 4, 4, 0, 0, 0, 1}, "rule is 2");
    check_refused((fv_recurrence_config){SSD, 1, 0, 1, 0, 4, 4, 0, 0, 0, 1}, "n is 0");
    check_refused((fv_recurrence_config){SSD, 1, 1, 1, 0, 257, 4, 0, 0, 0, 1}, "d_key is 257");
    check_refused((fv_recurrence_config){SSD, 1, 1, 6, 4, 4, 4, 0, 0, 0, 1}, "n_head is 6");
    check_refused((fv_recurrence_config){SSD, 1, 1, 2, 4, 4, 4, 0, 0, 0, 1}, "n_key_head is 4");
    check_refused((fv_recurrence_config){SSD, 1, 1, 1, 0, 4, 4, 0, 100, 0, 1}, "checkpoint is 100");
    check_refused((fv_recurrence_config){SSD, 1, 1, 1, 0, 4, 4, NAN, 0, 0, 1}, "scale");
    check_refused((fv_recurrence_config){SSD, 1, 1, 1, 0, 4, 4, 1e300, 0, 0, 1}, "finite float");
    check_refused((fv_recurrence_config){SSD, INT32_MAX, INT64_MAX / 4, 9, 0, 4, 4, 0, 0, 0, 1},
                  "too large");
    fv_recurrence *recurrence;
    const float zeros[64 * 64] = {0};
    float out[64 * 64];
    const fv_recurrence_input none = {.q = zeros, .k = zeros};
    const fv_recurrence_input input = {.q = zeros, .k = zeros, .v = zeros};
    const fv_recurrence_gradient gradient = {out, out, out, NULL, NULL, NULL};
    check_ok(fv_recurrence_create(&c, &recurrence, NULL));
    assert_int_equal(fv_recurrence_forward(recurrence, &none, out, NULL, false, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "lacks q, k or v"));
    check_ok(fv_recurrence_forward(recurrence, &input, out, NULL, false, NULL));
    assert_int_equal(fv_recurrence_backward(recurrence, &input, zeros, NULL, &gradient, &error),
                     FV_USAGE);
    assert_non_null(strstr(error.text, "with `keep`"));
    fv_recurrence_free(recurrence);
    fv_recurrence_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_double_precision),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_a_million),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_dies_out),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
