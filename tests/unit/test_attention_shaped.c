// Caps and slopes of the public attention, forward, backward and decoding, against plain loops in
// double precision.
#include "engine.h"

#include <fovea/attention.h>

enum { N = 300, H = 4, KV = 2, D = 10, QUERIES = N * H * D, KEYS = N * KV * D };

static const double SLOPES[H] = {0.5, 0.03, 0, 0.7};

typedef struct shaped_case {
    double soft_cap;
    const double *slopes;
    int64_t window, sinks;
    int score;
} shaped_case;

static const shaped_case CASES[] = {
    {0.8, NULL, 0, 0, FV_SCORE_DOT},
    {0, SLOPES, 0, 0, FV_SCORE_DOT},
    {0.5, SLOPES, 40, 3, FV_SCORE_DOT},
    {0, SLOPES, 100, 0, FV_SCORE_EUCLIDEAN},
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

static float q[QUERIES], k[KEYS], v[KEYS], o[QUERIES], logsumexp[N * H], d_o[QUERIES];
static float dq[QUERIES], dk[KEYS], dv[KEYS];
static double true_o[QUERIES], true_dq[QUERIES], true_dk[KEYS], true_dv[KEYS];

static fv_attention_config describe(const shaped_case *c) {
    fv_attention_config config;
    fv_attention_config_init(&config);
    config.n_head = H;
    config.n_kv_head = KV;
    config.n_query = config.n_key = N;
    config.d_head = D;
    config.score = c->score;
    config.soft_cap = c->soft_cap;
    config.slopes = c->slopes;
    config.mask = (fv_attention_mask){.causal = true, .window = c->window, .sinks = c->sinks};
    config.n_threads = 2;
    return config;
}

static bool sees(const shaped_case *c, int i, int j) {
    return j <= i && (c->window == 0 || i - j < c->window || j < c->sinks);
}

// The score, and its slope over the product, or over half the squared distance.
static double score(const shaped_case *c, int h, int i, int j, double *slope) {
    const float *query = q + (h * N + i) * D, *key = k + (h * KV / H * N + j) * D;
    double product = 0, distance = 0, scale = 1 / sqrt(D);
    for (int f = 0; f < D; f++) {
        product += (double)query[f] * (double)key[f];
        distance += pow((double)query[f] - (double)key[f], 2);
    }
    double s = c->score == FV_SCORE_DOT ? scale * product : -distance;
    *slope = c->score == FV_SCORE_DOT ? scale : 2;
    if (c->soft_cap > 0) {
        *slope *= 1 - pow(tanh(s / c->soft_cap), 2);
        s = c->soft_cap * tanh(s / c->soft_cap);
    }
    return c->slopes ? s - c->slopes[h] * (i - j) : s;
}

static void true_query(const shaped_case *c, int h, int i) {
    double p[N], slope[N], dp[N], sum = 0, largest = -INFINITY, mean = 0;
    int at = (h * N + i) * D, shared = h * KV / H * N * D;
    for (int j = 0; j <= i; j++) {
        p[j] = sees(c, i, j) ? score(c, h, i, j, &slope[j]) : -INFINITY;
        largest = fmax(largest, p[j]);
    }
    for (int j = 0; j <= i; j++) sum += p[j] = exp(p[j] - largest);
    for (int j = 0; j <= i; j++) {
        p[j] /= sum;
        dp[j] = 0;
        for (int f = 0; f < D; f++) {
            true_o[at + f] += p[j] * (double)v[shared + j * D + f];
            true_dv[shared + j * D + f] += p[j] * (double)d_o[at + f];
            dp[j] += (double)d_o[at + f] * (double)v[shared + j * D + f];
        }
        mean += p[j] * dp[j];
    }
    for (int j = 0; j <= i; j++)
        for (int f = 0; f < D && p[j] > 0; f++) {
            double ds = p[j] * (dp[j] - mean) * slope[j];
            double x = (double)q[at + f], y = (double)k[shared + j * D + f];
            bool dot = c->score == FV_SCORE_DOT;
            true_dq[at + f] += ds * (dot ? y : y - x);
            true_dk[shared + j * D + f] += ds * (dot ? x : x - y);
        }
}

static void compare(const char *what, int i, const float *ours, const double *theirs, int n) {
    double worst = 0, largest = 0;
    for (int f = 0; f < n; f++) {
        worst = fmax(worst, fabs((double)ours[f] - theirs[f]));
        largest = fmax(largest, fabs(theirs[f]));
    }
    if (!(worst <= 3e-5 * largest))
        fail_msg("case %d: %s is off by %g of %g", i, what, worst, largest);
}

static void equals_plain_loops(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int i = 0; i < QUERIES; i++) q[i] = (float)noise(&random);
    for (int i = 0; i < QUERIES; i++) d_o[i] = (float)noise(&random);
    for (int i = 0; i < KEYS; i++) k[i] = (float)noise(&random);
    for (int i = 0; i < KEYS; i++) v[i] = (float)noise(&random);
    for (int c = 0; c < N_CASES; c++) {
        fv_attention_config config = describe(&CASES[c]);
        fv_attention *plan;
        check_ok(fv_attention_create(&config, &plan, NULL));
        check_ok(fv_attention_forward(plan, q, k, v, o, logsumexp, NULL));
        check_ok(fv_attention_backward(plan, q, k, v, o, logsumexp, d_o, dq, dk, dv, NULL));
        memset(true_o, 0, sizeof true_o);
        memset(true_dq, 0, sizeof true_dq);
        memset(true_dk, 0, sizeof true_dk);
        memset(true_dv, 0, sizeof true_dv);
        for (int h = 0; h < H; h++)
            for (int i = 0; i < N; i++) true_query(&CASES[c], h, i);
        compare("o", c, o, true_o, QUERIES);
        compare("dq", c, dq, true_dq, QUERIES);
        compare("dk", c, dk, true_dk, KEYS);
        compare("dv", c, dv, true_dv, KEYS);
        float last[H * D], query[H * D];
        double truth[H * D];
        for (int h = 0; h < H; h++)
            for (int f = 0; f < D; f++) {
                query[h * D + f] = q[(h * N + N - 1) * D + f];
                truth[h * D + f] = true_o[(h * N + N - 1) * D + f];
            }
        check_ok(fv_attention_decode(plan, N, query, k, v, last, NULL));
        compare("the decoded query", c, last, truth, H * D);
        fv_attention_free(plan);
    }
}

static void refuses_what_makes_no_sense(void **state) {
    (void)state;
    static const double ENDLESS[H] = {0, INFINITY, 0, 0};
    fv_attention *plan;
    fv_error error;
    fv_attention_config config = describe(&(shaped_case){5, NULL, 0, 0, FV_SCORE_EUCLIDEAN});
    assert_int_equal(fv_attention_create(&config, &plan, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "soft_cap 5 bounds products"));
    config = describe(&(shaped_case){-1, NULL, 0, 0, FV_SCORE_DOT});
    assert_int_equal(fv_attention_create(&config, &plan, &error), FV_USAGE);
    config = describe(&(shaped_case){0, ENDLESS, 0, 0, FV_SCORE_DOT});
    assert_int_equal(fv_attention_create(&config, &plan, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "the slope of head 1 is inf"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_plain_loops),
        cmocka_unit_test(refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
