// Layers over one long sequence, given piece by piece, against their definition: maps in double
// precision around attention over the whole sequence, the block of Mamba position by position in
// double.
#include "longctx.h"

enum { D_MODEL = 48, N_HEAD = 3, N = 2600 };

static float *draw(uint64_t *random, size_t n, double scale) {
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * noise_real(random));
    return x;
}

// y [n][n_out] = x [n][n_in] W
static void map(int64_t n, int n_in, int n_out, const float *x, const float *w, float *y) {
    for (int64_t t = 0; t < n; t++)
        for (int f = 0; f < n_out; f++) {
            double sum = 0;
            for (int k = 0; k < n_in; k++) sum += (double)x[t * n_in + k] * w[k * n_out + f];
            y[t * n_out + f] = (float)sum;
        }
}

static double distance(int64_t n, const float *a, const float *b) {
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return sqrt(difference / norm);
}

// A prompt in two pieces, of which one is longer than what the layer takes at a time; single
// positions; and the rest.
static void run_in_pieces(const fv_mixer_config *config, const float *x, float *y) {
    static const int64_t PIECES[] = {1500, 1, 1, 37, 1};
    fv_error error;
    fv_mixer *mixer;
    assert_int_equal(fv_mixer_create(config, &mixer, &error), FV_OK);
    for (int again = 0; again < 2; again++) { // a second sequence knows nothing of the first
        memset(y, 0, N * D_MODEL * sizeof *y);
        int64_t seen = 0;
        for (size_t i = 0; i <= sizeof PIECES / sizeof *PIECES; i++) {
            int64_t n = i < sizeof PIECES / sizeof *PIECES ? PIECES[i] : N - seen;
            assert_int_equal(
                fv_mixer_forward(mixer, n, x + seen * D_MODEL, y + seen * D_MODEL, &error), FV_OK);
            seen += n;
        }
        assert_int_equal(fv_mixer_forward(mixer, 1, x, y, &error), FV_USAGE);
        assert_int_equal(fv_mixer_rewind(mixer, 0, &error), FV_OK);
    }
    fv_mixer_free(mixer);
}

static void check_attention(const fv_attention_mask *mask) {
    uint64_t random = 5;
    const size_t all = (size_t)N * D_MODEL, square = D_MODEL * D_MODEL;
    float *x = draw(&random, all, 1), *y = malloc(all * sizeof *y), *w[4], *a[5];
    fv_mixer_config config;
    fv_mixer_config_init(&config);
    config.n = N;
    config.d_model = D_MODEL;
    config.n_head = N_HEAD;
    config.mask = *mask;
    for (int i = 0; i < 4; i++)
        config.weights[FV_MIXER_W_Q + i] = w[i] = draw(&random, square, i < 2 ? 0.6 : 0.2);
    for (int i = 0; i < 5; i++) a[i] = malloc(all * sizeof *a[i]);
    run_in_pieces(&config, x, y);

    for (int i = 0; i < 3; i++) map(N, D_MODEL, D_MODEL, x, w[i], a[i]);
    fv_attention_config whole;
    fv_attention_config_init(&whole);
    whole.n_query = whole.n_key = N;
    whole.n_head = whole.n_kv_head = N_HEAD;
    whole.d_head = D_MODEL / N_HEAD;
    whole.layout = FV_POSITIONS_FIRST;
    whole.mask = *mask;
    fv_attention *plan;
    fv_error error;
    assert_int_equal(fv_attention_create(&whole, &plan, &error), FV_OK);
    assert_int_equal(fv_attention_forward(plan, a[0], a[1], a[2], a[3], NULL, &error), FV_OK);
    map(N, D_MODEL, D_MODEL, a[3], w[3], a[4]);
    double far = distance((int64_t)all, y, a[4]);
    if (far > 5e-6) fail_msg("attention in pieces is %g of its norm away", far);
    fv_attention_free(plan);
    for (int i = 0; i < 4; i++) free(w[i]);
    for (int i = 0; i < 5; i++) free(a[i]);
    free(x);
    free(y);
}

static void test_attention(void **state) {
    (void)state;
    static const int64_t GLOBALS[] = {0, 3, 700, 2000};
    const fv_attention_mask masks[] = {
        {.causal = true},
        {.causal = true, .window = 70}, // drops its first keys several times
        {.causal = true, .window = 1},
        {.causal = true, .window = 100, .sinks = 4},
        {.causal = true, .window = 64, .globals = GLOBALS, .n_globals = 4, .random_blocks = 2},
    };
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) check_attention(&masks[i]);
}

enum { E = 2 * D_MODEL, STATE = 5, RANK = 3, WIDTH = 4 };

// The block in double precision, from its equations.
static void mamba_truth(const float *x, const float *const *w, float *y) {
    static double past[WIDTH][E], h[E][STATE], gated[E], u[E], z[E];
    memset(past, 0, sizeof past);
    memset(h, 0, sizeof h);
#define W(name, row, columns, column) ((double)w[FV_MIXER_##name][(row) * (columns) + (column)])
    for (int64_t t = 0; t < N; t++, x += D_MODEL, y += D_MODEL) {
        double step[RANK] = {0}, b[STATE] = {0}, c[STATE] = {0};
        memmove(past[0], past[1], (WIDTH - 1) * sizeof past[0]);
        for (int e = 0; e < E; e++) {
            past[WIDTH - 1][e] = z[e] = 0;
            for (int k = 0; k < D_MODEL; k++) {
                past[WIDTH - 1][e] += x[k] * W(IN_U, k, E, e);
                z[e] += x[k] * W(IN_Z, k, E, e);
            }
            double sum = W(CONV_BIAS, 0, E, e);
            for (int k = 0; k < WIDTH; k++) sum += W(CONV, e, WIDTH, k) * past[k][e];
            u[e] = sum / (1 + exp(-sum));
            for (int r = 0; r < RANK; r++) step[r] += u[e] * W(TO_STEP, e, RANK, r);
            for (int s = 0; s < STATE; s++) {
                b[s] += u[e] * W(TO_B, e, STATE, s);
                c[s] += u[e] * W(TO_C, e, STATE, s);
            }
        }
        for (int e = 0; e < E; e++) {
            double raw = W(STEP_BIAS, 0, E, e), sum = W(D, 0, E, e) * u[e];
            for (int r = 0; r < RANK; r++) raw += step[r] * W(STEP, r, E, e);
            double delta = log1p(exp(raw));
            for (int s = 0; s < STATE; s++) {
                h[e][s] = exp(delta * W(A, e, STATE, s)) * h[e][s] + delta * u[e] * b[s];
                sum += h[e][s] * c[s];
            }
            gated[e] = sum * z[e] / (1 + exp(-z[e]));
        }
        for (int f = 0; f < D_MODEL; f++) {
            double sum = 0;
            for (int e = 0; e < E; e++) sum += gated[e] * W(OUT, e, D_MODEL, f);
            y[f] = (float)sum;
        }
    }
#undef W
}

static void test_mamba(void **state) {
    (void)state;
    uint64_t random = 11;
    const size_t all = (size_t)N * D_MODEL;
    float *x = draw(&random, all, 1), *y = malloc(all * sizeof *y);
    float *truth = malloc(all * sizeof *truth), *w[FV_MIXER_N_WEIGHTS] = {0};
    fv_mixer_config config;
    fv_mixer_config_init(&config);
    config.kind = FV_MIXER_MAMBA;
    config.n = N;
    config.d_model = D_MODEL;
    config.n_state = STATE;
    config.dt_rank = RANK;
    for (int i = FV_MIXER_IN_U; i < FV_MIXER_N_WEIGHTS; i++) {
        w[i] = draw(&random, (size_t)E * E, 0.3);
        config.weights[i] = w[i];
    }
    for (size_t i = 0; i < (size_t)E * STATE; i++) // decays from slow to fast
        w[FV_MIXER_A][i] = -(0.02f + 3 * fabsf(w[FV_MIXER_A][i]));
    run_in_pieces(&config, x, y);
    mamba_truth(x, (const float *const *)w, truth);
    double far = distance((int64_t)all, y, truth);
    if (far > 1e-5) fail_msg("Mamba in pieces is %g of its norm away", far);
    for (int i = 0; i < FV_MIXER_N_WEIGHTS; i++) free(w[i]);
    free(x);
    free(y);
    free(truth);
}

// Another token again after going back gives the same bits; memory is what the kind keeps.
static void test_rewind_and_memory(void **state) {
    (void)state;
    uint64_t random = 3;
    const size_t n = 3000, d = 64;
    float *x = draw(&random, n * d, 1), *y = malloc(n * d * sizeof *y), first[64];
    fv_error error;
    for (int kind = 0; kind < 3; kind++) {
        fv_mixer_config config;
        fv_mixer_config_init(&config);
        config.kind = kind == 2 ? FV_MIXER_MAMBA : FV_MIXER_ATTENTION;
        config.n = (int64_t)n;
        config.n_head = 2;
        config.mask.window = kind == 1 ? 100 : 0;
        fv_mixer *m;
        assert_int_equal(fv_mixer_create(&config, &m, &error), FV_OK);
        assert_int_equal(fv_mixer_forward(m, (int64_t)n - 1, x, y, &error), FV_OK);
        assert_int_equal(fv_mixer_forward(m, 1, x, first, &error), FV_OK);
        if (kind == 2) {
            assert_int_equal(fv_mixer_rewind(m, (int64_t)n - 1, &error), FV_USAGE);
        } else {
            assert_int_equal(fv_mixer_rewind(m, (int64_t)n - 1, &error), FV_OK);
            assert_int_equal(fv_mixer_forward(m, 1, x, y, &error), FV_OK);
            assert_memory_equal(first, y, sizeof first);
        }
        if (kind == 1) assert_int_equal(fv_mixer_rewind(m, 500, &error), FV_USAGE);
        assert_int_equal(fv_mixer_rewind(m, (int64_t)n + 1, &error), FV_USAGE);
        static const size_t KEPT[] = {2 * 3000 * 64 * 4, 2 * (99 + 1024) * 64 * 4,
                                      (16 + 3) * 128 * 4};
        assert_int_equal(fv_mixer_bytes(m).kept, KEPT[kind]);
        fv_mixer_free(m);
    }
    free(x);
    free(y);
}

static void test_mistakes(void **state) {
    (void)state;
    fv_mixer_config good;
    fv_mixer_config_init(&good);
    fv_mixer_config bad[7];
    for (int i = 0; i < 7; i++) bad[i] = good;
    bad[0].n = 0;
    bad[1].n_head = 3;
    bad[2].mask.causal = false;
    bad[3].mask.window = -1;
    bad[4].n_state = 257;
    bad[5].d_model = -64;
    bad[6].n = INT64_MAX;
    for (int i = 0; i < 7; i++) {
        fv_mixer *m;
        fv_error error = {0};
        assert_int_equal(fv_mixer_create(&bad[i], &m, &error), FV_USAGE);
        assert_null(m);
        assert_true(strlen(error.text) > 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_mamba),
        cmocka_unit_test(test_rewind_and_memory),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
