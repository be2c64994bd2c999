// Every kernel of every variant that this CPU runs: against the reference on hostile shapes, AVX2
// and AVX-512 against each other to the bit, identities that hold without any reference, and the
// accuracy of exp and log against the C library in double precision.
//
// `test_kernels --time` times the same calls instead: kernel, variant, microseconds; `--print fused`
// (or plain) prints a digest of every call's outputs by this CPU's fastest kernels that round so,
// for another CPU's to be held against (`make test-arm`).
#include "operations.h"

#include "fault.h"

static const kernel_set *parts_of; // whose kernels those of parts.h call
#define PART(name) parts_of->name
#include "kernels/parts.h"

// Sizes around vectors, register blocks and chunks of rows.
static const int row_sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,   9,  11,
                                12, 13, 17, 24, 25, 33, 64, 129, 300};
static const int widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 17, 31, 32, 33, 64, 99, 100};

enum {
    N_SHAPES = 150,
    N_ROW_SIZES = sizeof row_sizes / sizeof *row_sizes,
    N_WIDTHS = sizeof widths / sizeof *widths
};

// Shapes 0 .. N_SHAPES - 1, the first of them the smallest; large ones only where they are cheap.
static shape shape_of(int i) {
    uint64_t random = (uint64_t)i * 0x9E3779B97F4A7C15u + 5;
    noise01(&random);
    for (;;) {
        shape s = {.rows = row_sizes[noise_below(&random, N_ROW_SIZES)],
                   .in = widths[noise_below(&random, N_WIDTHS)],
                   .out = widths[noise_below(&random, N_WIDTHS)],
                   .flags = (unsigned)noise_below(&random, ALL_FLAGS + 1)};
        if (i < 8) s = (shape){.rows = 1 + i / 4 % 2, .in = 1 + i / 2 % 2, .out = 1 + i % 2};
        if ((double)s.rows * s.in * s.out <= 4e4 && (double)s.rows * s.rows * s.in <= 3e5) return s;
    }
}

static const char *describe(shape s) {
    static char text[128];
    snprintf(text, sizeof text, "rows %d, in %d, out %d, flags%s%s%s%s%s%s", s.rows, s.in, s.out,
             s.flags & BIAS ? " bias" : "", s.flags & ACCUMULATE ? " accumulate" : "",
             s.flags & TRANSPOSED ? " transposed" : "", s.flags & GAPS ? " gaps" : "",
             s.flags & HOSTILE ? " hostile" : "", s.flags & EQUAL ? " equal" : "");
    return text;
}

static const kernel_set *reference(void) {
    return kernels_available()[0];
}

static const kernel_set *variant(const char *name) {
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        if (strcmp((*k)->name, name) == 0) return *k;
    return NULL;
}

static void test_parity(void **state) {
    (void)state;
    for (int o = 0; o < N_OPERATIONS; o++)
        for (int i = 0; i < N_SHAPES; i++) {
            call truth = make_call(&operations[o], reference(), shape_of(i));
            for (const kernel_set *const *k = kernels_available(); *k; k++) {
                const char *worst = "";
                call c = make_call(&operations[o], *k, shape_of(i));
                double error = call_error(&truth, &c, &worst);
                if (!(error <= operations[o].tolerance))
                    fail_msg("%s %s: %s is off by %g (%s)", (*k)->name, operations[o].name, worst,
                             error, describe(shape_of(i)));
                call_free(&c);
            }
            call_free(&truth);
        }
}

static void test_same_bits(void **state) {
    (void)state;
    const kernel_set *avx2 = variant("avx2"), *avx512 = variant("avx512");
    if (avx2 == NULL || avx512 == NULL) skip();
    for (int o = 0; o < N_OPERATIONS; o++)
        for (int i = 0; i < N_SHAPES; i++) {
            call a = make_call(&operations[o], avx2, shape_of(i));
            call b = make_call(&operations[o], avx512, shape_of(i));
            if (!call_same_bits(&a, &b))
                fail_msg("%s differs between avx2 and avx512 (%s)", operations[o].name,
                         describe(shape_of(i)));
            call_free(&a);
            call_free(&b);
        }
}

static const operation *operation_of(const char *name) {
    for (int o = 0; o < N_OPERATIONS; o++)
        if (strcmp(operations[o].name, name) == 0) return &operations[o];
    fail_msg("no operation %s", name);
    return NULL;
}

// Readouts and chains have the bits of their parts, at every width.
static void test_jobs_of_parts(void **state) {
    static const char *const names[] = {"chain", "chain_gradient", "readout"};
    (void)state;
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        for (int i = 0; i < 3 * N_SHAPES; i++) {
            const operation *o = operation_of(names[i % 3]);
            kernel_set in_parts = **k;
            parts_of = *k;
            in_parts.chain = chain_by_parts;
            in_parts.chain_gradient = chain_gradient_by_parts;
            in_parts.readout = readout_by_parts;
            call a = make_call(o, *k, shape_of(i / 3)),
                 b = make_call(o, &in_parts, shape_of(i / 3));
            if (!call_same_bits(&a, &b))
                fail_msg("%s: a %s differs from its parts (%s)", (*k)->name, o->name,
                         describe(shape_of(i / 3)));
            call_free(&a);
            call_free(&b);
        }
}

// A fault of a kernel, or of its results, does not pass: a tenth of the shapes shows it.
static void test_parity_catches_faulty_kernels(void **state) {
    enum { ENOUGH = N_SHAPES / 10 };
    (void)state;
    fault faults[N_FAULTS];
    faults_plant(reference(), faults);
    for (int f = 0; f < N_FAULTS; f++)
        for (int o = 0; o < N_OPERATIONS; o++) {
            if (strcmp(operations[o].name, faults[f].kernel) != 0) continue;
            int n_caught = 0;
            for (int i = 0; i < N_SHAPES && n_caught < ENOUGH; i++) {
                const char *worst;
                call truth = make_call(&operations[o], reference(), shape_of(i));
                call c = make_call(&operations[o], &faults[f].kernels, shape_of(i));
                n_caught += call_error(&truth, &c, &worst) > operations[o].tolerance;
                call_free(&truth);
                call_free(&c);
            }
            if (n_caught < ENOUGH)
                fail_msg("%s with a fault (%s) passes on %d of %d shapes", faults[f].kernel,
                         faults[f].name, N_SHAPES - n_caught, N_SHAPES);
        }
}

// The entry of a call's outputs that is largest, to be damaged.
static float *largest_output(const call *c, int *array_index) {
    for (int i = c->n_arrays - 1; i >= 0; i--) {
        const array *a = &c->arrays[i];
        if (!a->is_output) continue;
        *array_index = i;
        float *largest = a->data;
        for (size_t k = 0; k < a->n; k++)
            if (is_used(a, k) && fabsf(a->data[k]) > fabsf(*largest)) largest = a->data + k;
        return largest;
    }
    fail_msg("no output");
    return NULL;
}

static void test_parity_catches_faulty_results(void **state) {
    (void)state;
    const shape s = {.rows = 5, .in = 7, .out = 9, .flags = BIAS | ACCUMULATE | GAPS};
    for (int o = 0; o < N_OPERATIONS; o++) {
        const double tolerance = operations[o].tolerance;
        const char *worst;
        int index;
        call truth = make_call(&operations[o], reference(), s);
        call c = make_call(&operations[o], reference(), s);
        assert_true(call_error(&truth, &c, &worst) == 0 && call_same_bits(&truth, &c));
        float *entry = largest_output(&c, &index), kept = *entry;
        const array *a = &c.arrays[index];
        *entry = nextafterf(kept, INFINITY);
        assert_false(call_same_bits(&truth, &c));
        *entry = a->is_exact ? kept : kept + 1e-3f * fmaxf(fabsf(kept), (float)a->floor);
        assert_true(a->is_exact || call_error(&truth, &c, &worst) > tolerance);
        *entry = NAN;
        assert_true(call_error(&truth, &c, &worst) > tolerance);
        *entry = kept;
        assert_true(call_error(&truth, &c, &worst) == 0);
        a->data[a->n + 1] = 0; // a write just past the end
        assert_true(call_error(&truth, &c, &worst) > tolerance);
        call_free(&truth);
        call_free(&c);
    }
}

static const array *array_of(const call *c, const char *name) {
    for (int i = 0; i < c->n_arrays; i++)
        if (strcmp(c->arrays[i].name, name) == 0) return &c->arrays[i];
    fail_msg("no array %s", name);
    return NULL;
}

// Identities, each with how far it is from holding. They need no reference.

static bool has_array(const call *c, const char *name) {
    for (int i = 0; i < c->n_arrays; i++)
        if (strcmp(c->arrays[i].name, name) == 0) return true;
    return false;
}

// Attention probabilities of a query and of its sink add up to 1, but where each key stands for
// itself.
static double attend_identity(const kernel_set *kernels, shape s) {
    call c = make_call(operation_of("attend"), kernels, s);
    const array *p = array_of(&c, "p");
    const float *sink = has_array(&c, "sink_p") ? array_of(&c, "sink_p")->data : NULL;
    double error = 0;
    for (size_t row = 0; row < p->n; row += p->stride)
        for (size_t l = 0; l < L; l++) {
            double sum = sink ? (double)sink[row / p->stride * L + l] : 0;
            for (size_t j = l; j < p->width; j += L) {
                sum += (double)p->data[row + j];
                if (!(p->data[row + j] >= 0)) error = INFINITY;
            }
            bool alone = normaliser_rule_of(choose_normaliser(s)) == FV_RULE_ALONE;
            if (!alone) error = fmax(error, fabs(sum - 1));
        }
    call_free(&c);
    return error;
}

// The gradient of a cross-entropy adds up to 0 over the classes, and the loss is log V where all
// logits are equal.
static double cross_entropy_identity(const kernel_set *kernels, shape s) {
    s.flags |= ACCUMULATE | EQUAL;
    int classes = s.in + 1;
    call c = make_call(operation_of("cross_entropy"), kernels, s);
    const array *logits = array_of(&c, "logits"), *losses = array_of(&c, "losses");
    const int32_t *targets = (const int32_t *)(const void *)array_of(&c, "targets")->data;
    double error = 0;
    for (size_t i = 0; i < losses->n; i++) {
        double sum = 0, loss = targets[i] < 0 ? 0 : log(classes);
        for (int n = 0; n < classes; n++)
            sum += (double)logits->data[i / L * L * (size_t)classes + (size_t)n * L + i % L];
        error = fmax(error, fmax(fabs(sum) / 0.01, fabs((double)losses->data[i] - loss)));
    }
    call_free(&c);
    return error;
}

static double dot(const array *a, const array *b) {
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        if (is_used(a, i)) sum += (double)a->data[i] * (double)b->data[i];
    return sum;
}

// <dY, X W> = <dW, W> where dW = X^T dY: a map and its weight gradient are adjoint.
static double map_identity(const kernel_set *kernels, shape s) {
    s.flags &= GAPS | TRANSPOSED;
    call forward = make_call(operation_of("map"), kernels, s); // draws the same x first
    call backward = make_call(operation_of("map_gradient"), kernels, s);
    const array *dw = array_of(&backward, "dw");
    // What was in dw before: the same call, not made.
    call before = {.kernels = kernels, .shape = s, .random = 19, .repeats = 0};
    op_map_gradient(&before);
    double left = dot(array_of(&forward, "y"), array_of(&backward, "dy"));
    double right =
        dot(dw, array_of(&forward, "w")) - dot(array_of(&before, "dw"), array_of(&forward, "w"));
    call_free(&forward);
    call_free(&backward);
    call_free(&before);
    return fabs(left - right) / sqrt((double)s.rows * s.in * s.out * L);
}

// Normalised rows have mean 0 and mean square 1 (less the 1e-5 in the root), for weights 1 and bias
// 0.
static double norm_identity(const kernel_set *kernels, shape s) {
    enum { N = 13 };
    static _Alignas(64) float x[N * L], y[N * L], mean[L], rstd[L], w[N], b[N];
    (void)s;
    uint64_t random = 23;
    for (int i = 0; i < N * L; i++) x[i] = (float)(5 + 3 * noise(&random));
    for (int i = 0; i < N; i++) w[i] = 1, b[i] = 0;
    kernels->norm(&(kernel_norm){.n_rows = 1,
                                 .n_features = N,
                                 .center = true,
                                 .w = w,
                                 .b = b,
                                 .x = {x, N * L},
                                 .y = {y, N * L},
                                 .mean = mean,
                                 .rstd = rstd});
    double error = 0;
    for (int l = 0; l < L; l++) {
        double sum = 0, square = 0;
        for (int f = 0; f < N; f++) {
            sum += (double)y[f * L + l] / N;
            square += (double)y[f * L + l] * (double)y[f * L + l] / N;
        }
        error = fmax(error, fmax(fabs(sum), fabs(square - 1) - 1e-5));
    }
    return error;
}

static const struct {
    const char *kernels[2]; // whose faults it must notice
    double (*error)(const kernel_set *, shape);
} identities[] = {
    {{"", "attend"}, attend_identity},
    {{"", "cross_entropy"}, cross_entropy_identity},
    {{"map", "map_gradient"}, map_identity},
    {{"norm", ""}, norm_identity},
};
enum { N_IDENTITIES = sizeof identities / sizeof *identities };

static const double identity_tolerance = 2e-6;

static void test_identities(void **state) {
    (void)state;
    for (int k = 0; kernels_available()[k]; k++)
        for (int n = 0; n < N_IDENTITIES; n++)
            for (int i = 0; i < N_SHAPES; i++) {
                double error = identities[n].error(kernels_available()[k], shape_of(i));
                if (!(error <= identity_tolerance))
                    fail_msg("%s: the identity of %s%s fails by %g (%s)",
                             kernels_available()[k]->name, identities[n].kernels[0],
                             identities[n].kernels[1], error, describe(shape_of(i)));
            }
}

// What the identities must notice: a probability and a gradient that do not add up.
static void leaking_attend(const kernel_attend *a) {
    fault_sound->attend(a);
    a->p.data[3] *= 1 + 1e-3f;
}

static void leaking_cross_entropy(const kernel_cross_entropy *a) {
    fault_sound->cross_entropy(a);
    if (a->inverse) a->logits[5] += 1e-3f;
    a->losses[5] += 1e-3f;
}

static void test_identities_catch_faults(void **state) {
    (void)state;
    fault faults[N_FAULTS];
    faults_plant(reference(), faults);
    const shape s = {.rows = 6, .in = 5, .out = 4};
    kernel_set leaking = *reference();
    leaking.attend = leaking_attend;
    leaking.cross_entropy = leaking_cross_entropy;
    assert_true(attend_identity(&leaking, s) > identity_tolerance);
    assert_true(cross_entropy_identity(&leaking, s) > identity_tolerance);
    int n_caught = 0;
    for (int f = 0; f < N_FAULTS; f++) {
        if (strcmp(faults[f].name, "last row forgotten") == 0 &&
            strcmp(faults[f].kernel, "map_gradient") == 0)
            n_caught += map_identity(&faults[f].kernels, s) > identity_tolerance;
        if (strcmp(faults[f].kernel, "norm") == 0)
            n_caught += !(norm_identity(&faults[f].kernels, s) <= identity_tolerance);
    }
    assert_int_equal(n_caught, 2);
}

// Units in the last place of the float nearest to `truth`.
static double ulps(float value, double truth) {
    int exponent;
    frexp(truth, &exponent);
    return fabs((double)value - truth) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

typedef void (*elementary)(size_t, const float *, float *);

// The largest error in units of the last place over x [n], n any number up to the block's.
enum { BLOCK = 4096 };
typedef struct grid {
    _Alignas(64) float x[BLOCK], y[BLOCK];
    size_t n;
    double worst;
} grid;

static void flush(grid *g, elementary f, double (*truth)(double)) {
    for (size_t i = g->n; i < BLOCK; i++) g->x[i] = g->x[0];
    f(BLOCK, g->x, g->y);
    for (size_t i = 0; i < g->n; i++)
        g->worst = fmax(g->worst, ulps(g->y[i], truth((double)g->x[i])));
    g->n = 0;
}

static void visit(grid *g, float x, elementary f, double (*truth)(double)) {
    g->x[g->n++] = x;
    if (g->n == BLOCK) flush(g, f, truth);
}

// exp on [-87, 88]: a dense grid, and every float down to -2^-20.
static double exp_error(const kernel_set *kernels) {
    static grid g;
    g.n = 0, g.worst = 0;
    for (int i = 0; i <= 3000000; i++)
        visit(&g, 175.0f * (float)i / 3000000.0f - 87, kernels->exp_array, exp);
    for (float x = -0x1p-20f; x < 0; x *= 0.999f) {
        visit(&g, x, kernels->exp_array, exp);
        if (x > -1e-30f) break;
    }
    if (g.n > 0) flush(&g, kernels->exp_array, exp);
    return g.worst;
}

// log over all normal floats in steps of 1021 of them, and every float close to 1.
static double log_error(const kernel_set *kernels) {
    static grid g;
    g.n = 0, g.worst = 0;
    for (uint32_t bits = 0x00800000u; bits < 0x7f800000u; bits += 1021) {
        float x;
        memcpy(&x, &bits, sizeof x);
        visit(&g, x, kernels->log_array, log);
    }
    for (float x = 0.98f; x < 1.02f; x = nextafterf(x, 2)) visit(&g, x, kernels->log_array, log);
    if (g.n > 0) flush(&g, kernels->log_array, log);
    return g.worst;
}

static void test_exp_and_log(void **state) {
    (void)state;
    for (int k = 0; kernels_available()[k]; k++) {
        const kernel_set *kernels = kernels_available()[k];
        double exp_ulps = exp_error(kernels), log_ulps = log_error(kernels);
        print_message("%s: exp within %.2f ulp, log within %.2f ulp\n", kernels->name, exp_ulps,
                      log_ulps);
        check_between(exp_ulps, 0, 2);
        check_between(log_ulps, 0, 2);
        _Alignas(64) float x[L] = {0, -1e4f, -88, -INFINITY, -87.3f}, y[L];
        kernels->exp_array(L, x, y);
        assert_true(y[0] == 1);
        for (int i = 1; i < 4; i++) assert_true(y[i] == 0);
        check_between((double)y[4], 1.2e-38, 1.3e-38);
    }
}

static void test_accuracy_catches_faults(void **state) {
    (void)state;
    fault faults[N_FAULTS];
    faults_plant(reference(), faults);
    int n_caught = 0;
    for (int f = 0; f < N_FAULTS; f++) {
        if (strcmp(faults[f].kernel, "exp_array") == 0)
            n_caught += exp_error(&faults[f].kernels) > 2;
        if (strcmp(faults[f].kernel, "log_array") == 0)
            n_caught += log_error(&faults[f].kernels) > 2;
    }
    assert_int_equal(n_caught, 2);
}

static void test_table_is_whole(void **state) {
    (void)state;
    assert_string_equal(reference()->name, "reference");
    for (int k = 0; kernels_available()[k]; k++) {
        const kernel_set *kernels = kernels_available()[k];
        double flops = 0, exps = 0;
        assert_true(isfinite(kernels->peak_fma(10, &flops)));
        assert_true(isfinite(kernels->peak_exp(10, &exps)));
        assert_true(flops > 0 && exps > 0);
    }
}

static int print_times(void) {
    const shape s = {.rows = 64, .in = 32, .out = 32, .flags = BIAS};
    for (int o = 0; o < N_OPERATIONS; o++)
        for (int k = 0; kernels_available()[k]; k++) {
            double best = INFINITY;
            for (int attempt = 0; attempt < 20; attempt++) {
                call c = {
                    .kernels = kernels_available()[k], .shape = s, .random = 19, .repeats = 5};
                operations[o].run(&c);
                best = fmin(best, c.seconds);
                call_free(&c);
            }
            printf("%-18s %-10s %10.2f\n", operations[o].name, kernels_available()[k]->name,
                   1e6 * best);
        }
    return 0;
}

// What a NaN's bits are is the processor's.
static uint64_t digest_of(const call *c) {
    uint64_t digest = 0xcbf29ce484222325u; // 64-bit FNV-1a over words
    for (int i = 0; i < c->n_arrays; i++)
        for (size_t k = 0; k < c->arrays[i].n; k++) {
            const float *x = c->arrays[i].data + k;
            uint32_t bits = 0x7fc00000u;
            if (!isnan(*x)) memcpy(&bits, x, sizeof bits);
            digest = (digest ^ bits) * 0x100000001b3u;
        }
    return digest;
}

static int print_digests(const char *arithmetic) {
    const kernel_set *kernels = NULL;
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        if (strcmp(fv_arithmetic_text((*k)->arithmetic), arithmetic) == 0) kernels = *k;
    for (int o = 0; kernels && o < N_OPERATIONS; o++)
        for (int i = 0; i < N_SHAPES; i++) {
            call c = make_call(&operations[o], kernels, shape_of(i));
            printf("%016llx %s: %s\n", (unsigned long long)digest_of(&c), operations[o].name,
                   describe(shape_of(i)));
            call_free(&c);
        }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--time") == 0) return print_times();
    if (argc == 3 && strcmp(argv[1], "--print") == 0) return print_digests(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_jobs_of_parts),
        cmocka_unit_test(test_parity_catches_faulty_kernels),
        cmocka_unit_test(test_parity_catches_faulty_results),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_identities_catch_faults),
        cmocka_unit_test(test_exp_and_log),
        cmocka_unit_test(test_accuracy_catches_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
