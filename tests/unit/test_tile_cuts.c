// Tiles of attention that their masks cut in every way, against the reference: how many strips of
// sixteen queries share a run of keys, and how many keys and features there are, decides which
// register blocks do the work. AVX2 and AVX-512 agree to the bit.
#include "kernels/kernels.h"

#include "engine.h"

enum { Q = FV_TILE_QUERIES, KEYS = FV_TILE_KEYS, MOST_D = 144, SHAPES = 240 };

typedef struct tile_case {
    int d, padded, n_keys;
    tile_score score;
    bool masked;
    uint64_t seen[KEYS];
} tile_case;

// What a kernel reads and leaves.
typedef struct tile_arrays {
    _Alignas(64) float qt[MOST_D * Q], gt[MOST_D * Q], q[Q * MOST_D], g[Q * MOST_D];
    _Alignas(64) float k[KEYS * MOST_D], v[KEYS * MOST_D], p[KEYS * Q], ds[KEYS * Q];
    _Alignas(64) float logsumexp[Q], delta[Q], largest[Q], sum[Q];
    _Alignas(64) float ot[MOST_D * Q], dq[Q * MOST_D], dk[KEYS * MOST_D], dv[KEYS * MOST_D];
} tile_arrays;

// Every query sees a run of keys; runs slide, grow, or lie anywhere, and some have holes.
static void draw_mask(tile_case *c, uint64_t *random) {
    int kind = noise_below(random, 5), base = noise_below(random, c->n_keys);
    if (c->n_keys == 0) kind = 0;
    int reach = 1 + noise_below(random, c->n_keys);
    int low = 0, high = 0;
    c->masked = kind > 0;
    memset(c->seen, 0, sizeof c->seen);
    for (int q = 0; q < Q; q++) {
        if (kind == 1) low = 0, high = base + q;                // a diagonal
        if (kind == 2) low = base + q - reach, high = base + q; // a window
        if (kind == 3) low = q - base, high = q - base + reach; // keys behind
        if (kind == 4 && q % 16 == 0) low = noise_below(random, KEYS), high = low + reach;
        for (int j = 0; j < c->n_keys; j++)
            if (kind == 0 || (j >= low && j < high && (kind != 4 || noise01(random) < 0.9)))
                c->seen[j] |= (uint64_t)1 << q;
    }
}

static tile_case case_of(int i) {
    uint64_t random = (uint64_t)i * 0x9E3779B97F4A7C15u + 3;
    noise01(&random);
    tile_case c = {.d = 1 + noise_below(&random, MOST_D), .n_keys = 1 + noise_below(&random, KEYS)};
    if (i % 3 == 0) c.d = 16 * (1 + noise_below(&random, MOST_D / 16));
    if (i % 5 == 0) c.n_keys = KEYS;
    if (i % 40 == 7) c.n_keys = 0;
    c.padded = (c.d + 15) / 16 * 16;
    c.score = (tile_score){
        .kind = (kernel_score)(i % FV_N_SCORES), .factor = 0.5f, .floor = 0.25f, .slope = 0.7f};
    draw_mask(&c, &random);
    return c;
}

// Columns are rows turned around; what lies behind d is 0.
static void fill_rows(const tile_case *c, int n, uint64_t *random, float *rows, float *columns) {
    for (int i = 0; i < n; i++)
        for (int f = 0; f < c->padded; f++) {
            float x = f < c->d ? (float)noise(random) * 0.5f : 0;
            rows[i * c->padded + f] = x;
            if (columns) columns[f * Q + i] = x;
        }
}

static void fill(const tile_case *c, tile_arrays *a) {
    uint64_t random = 77;
    memset(a, 0, sizeof *a);
    fill_rows(c, Q, &random, a->q, a->qt);
    fill_rows(c, Q, &random, a->g, a->gt);
    fill_rows(c, c->n_keys, &random, a->k, NULL);
    fill_rows(c, c->n_keys, &random, a->v, NULL);
    for (int i = 0; i < KEYS * Q; i++) a->p[i] = a->ds[i] = NAN;
    for (int i = 0; i < Q; i++) {
        a->logsumexp[i] = 6 + (float)noise01(&random);
        a->delta[i] = (float)noise(&random);
        a->largest[i] = i % 2 ? FV_NO_SCORE : (float)noise(&random);
        a->sum[i] = i % 2 ? 0 : 1;
        for (int f = 0; f < c->d && i % 2 == 0; f++) a->ot[f * Q + i] = (float)noise(&random);
    }
}

static void run(const kernel_set *kernels, const tile_case *c, tile_arrays *a) {
    const uint64_t *seen = c->masked ? c->seen : NULL;
    fill(c, a);
    kernels->tile(&(tile_job){.d = c->d,
                              .n_keys = c->n_keys,
                              .score = c->score,
                              .qt = a->qt,
                              .k = a->k,
                              .v = a->v,
                              .k_stride = c->padded,
                              .v_stride = c->padded,
                              .seen = seen,
                              .p = a->p,
                              .ot = a->ot,
                              .largest = a->largest,
                              .sum = a->sum});
    for (int i = 0; i < KEYS * Q; i++) a->p[i] = NAN;
    kernels->tile_gradient(&(kernel_tile_gradient){.d = c->d,
                                                   .d_padded = c->padded,
                                                   .n_keys = c->n_keys,
                                                   .score = c->score,
                                                   .qt = a->qt,
                                                   .gt = a->gt,
                                                   .q = a->q,
                                                   .g = a->g,
                                                   .logsumexp = a->logsumexp,
                                                   .delta = a->delta,
                                                   .k = a->k,
                                                   .v = a->v,
                                                   .seen = seen,
                                                   .p = a->p,
                                                   .ds = a->ds,
                                                   .dq = a->dq,
                                                   .dk = a->dk,
                                                   .dv = a->dv});
}

// Relative to the largest number of the array.
static double difference(const float *x, const float *truth, int n) {
    double largest = 1e-3, most = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(x[i]) != isnan(truth[i])) return INFINITY;
        largest = fmax(largest, fabs((double)truth[i]));
        most = fmax(most, fabs((double)x[i] - (double)truth[i]));
    }
    return most / largest;
}

static double error_of(const tile_case *c, const tile_arrays *a, const tile_arrays *truth,
                       const char **name) {
    const int d = c->d, padded = c->padded;
    const struct {
        const char *name;
        const float *x, *truth;
        int n;
    } outputs[] = {{"largest", a->largest, truth->largest, Q},
                   {"sum", a->sum, truth->sum, Q},
                   {"ot", a->ot, truth->ot, d * Q},
                   {"dq", a->dq, truth->dq, Q * padded},
                   {"dk", a->dk, truth->dk, KEYS * padded},
                   {"dv", a->dv, truth->dv, KEYS * padded}};
    double most = 0;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        double error = difference(outputs[i].x, outputs[i].truth, outputs[i].n);
        if (error > most) *name = outputs[i].name;
        most = fmax(most, error);
    }
    return most;
}

static tile_arrays *arrays(void) {
    tile_arrays *a = aligned_alloc(64, sizeof *a);
    assert_non_null(a);
    return a;
}

static const double TOLERANCE = 2e-5;

static void test_parity(void **state) {
    (void)state;
    tile_arrays *truth = arrays(), *a = arrays();
    for (int i = 0; i < SHAPES; i++) {
        tile_case c = case_of(i);
        run(kernels_named("reference"), &c, truth);
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            const char *name = "";
            run(*k, &c, a);
            double error = error_of(&c, a, truth, &name);
            if (!(error < TOLERANCE))
                fail_msg("%s: %s of case %d (d %d, %d keys, score %d) is off by %g", (*k)->name,
                         name, i, c.d, c.n_keys, (int)c.score.kind, error);
        }
    }
    free(truth);
    free(a);
}

static void test_same_bits(void **state) {
    (void)state;
    const kernel_set *avx2 = NULL, *avx512 = NULL;
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        if (strcmp((*k)->name, "avx2") == 0) avx2 = *k;
        if (strcmp((*k)->name, "avx512") == 0) avx512 = *k;
    }
    if (avx2 == NULL || avx512 == NULL) skip();
    tile_arrays *a = arrays(), *b = arrays();
    for (int i = 0; i < SHAPES; i++) {
        tile_case c = case_of(i);
        run(avx2, &c, a);
        run(avx512, &c, b);
        bool same =
            memcmp(a->ot, b->ot, sizeof a->ot) == 0 && memcmp(a->sum, b->sum, sizeof a->sum) == 0 &&
            memcmp(a->dq, b->dq, sizeof a->dq) == 0 && memcmp(a->dk, b->dk, sizeof a->dk) == 0 &&
            memcmp(a->dv, b->dv, sizeof a->dv) == 0;
        if (!same) fail_msg("case %d (d %d, %d keys) differs", i, c.d, c.n_keys);
    }
    free(a);
    free(b);
}

// One pair that is shown or hidden by mistake is seen.
static void test_catches_a_wrong_pair(void **state) {
    (void)state;
    tile_arrays *truth = arrays(), *a = arrays();
    int n_caught = 0, n = 0;
    for (int i = 0; i < SHAPES; i += 8) {
        tile_case c = case_of(i), wrong = c;
        const char *name;
        wrong.seen[c.n_keys / 2] ^= (uint64_t)1 << (i % Q);
        if (!c.masked) wrong.masked = true;
        run(kernels_named("reference"), &c, truth);
        run(kernels_get(), &wrong, a);
        n_caught += error_of(&c, a, truth, &name) > TOLERANCE;
        n++;
    }
    assert_true(n_caught > n * 9 / 10);
    free(truth);
    free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_catches_a_wrong_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
