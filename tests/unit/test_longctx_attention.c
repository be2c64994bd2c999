// Attention over long sequences against its definition in double precision: random shapes, masks
// and scores, every variant of the kernels, and what must hold without any reference.
#include "longctx.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>

static const double TOLERANCE = 5e-6;

enum { N_CASES = 150 };

static void run(const attention_case *a, attention_result *r) {
    fv_error error;
    fv_attention *attention;
    if (fv_attention_create(&a->config, &attention, &error)) fail_msg("%s", error.text);
    assert_int_equal(fv_attention_forward(attention, a->q, longctx_k(a), longctx_v(a), r->o,
                                          r->logsumexp, &error),
                     FV_OK);
    assert_int_equal(fv_attention_backward(attention, a->q, longctx_k(a), longctx_v(a), r->o,
                                           r->logsumexp, a->d_o, r->dq, r->dk, r->dv, &error),
                     FV_OK);
    fv_attention_free(attention);
}

static const char *describe(const attention_case *a) {
    static char text[400];
    const fv_attention_config *c = &a->config;
    snprintf(text, sizeof text,
             "batch %d heads %d/%d queries %d from %d keys %d d %d score %d layout %d causal %d "
             "window %d sinks %d stride %d x %d globals %d block %d bitmap %d",
             (int)c->n_batch, (int)c->n_head, (int)c->n_kv_head, (int)c->n_query,
             (int)c->first_query, (int)c->n_key, (int)c->d_head, c->score, (int)c->layout,
             c->mask.causal, (int)c->mask.window, (int)c->mask.sinks, (int)c->mask.stride,
             (int)c->mask.stride_window, (int)c->mask.n_globals, (int)c->mask.block,
             c->mask.bitmap != NULL);
    return text;
}

static void compare(const attention_case *a, const attention_result *r, const attention_truth *t,
                    const char *variant, int number) {
    size_t rows = (size_t)(a->config.n_batch * a->config.n_head * a->config.n_query);
    const struct {
        const char *name;
        const float *x;
        const double *y;
        size_t n;
    } arrays[] = {{"o", r->o, t->o, a->n_q},
                  {"logsumexp", r->logsumexp, t->logsumexp, rows},
                  {"dq", r->dq, t->dq, a->n_q},
                  {"dk", r->dk, t->dk, a->n_k},
                  {"dv", r->dv, t->dv, a->n_k}};
    // Gradients of a softmax over one key are differences of equal numbers: held against what is
    // subtracted.
    double scale = 0;
    for (size_t i = 0; i < a->n_k; i++) scale += t->dv[i] * t->dv[i];
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        double error = longctx_error(arrays[i].x, arrays[i].y, arrays[i].n), norm = 0;
        for (size_t j = 0; j < arrays[i].n; j++) norm += arrays[i].y[j] * arrays[i].y[j];
        if (i == 2 || i == 3) {
            double difference = 0;
            for (size_t j = 0; j < arrays[i].n; j++)
                difference += pow(arrays[i].x[j] - arrays[i].y[j], 2);
            error = sqrt(difference / fmax(norm, 1e-2 * scale + 1e-300));
        }
        if (!(error <= TOLERANCE))
            fail_msg("%s, case %d: %s is off by %g (%s)", variant, number, arrays[i].name, error,
                     describe(a));
    }
}

static void test_definition(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        attention_case a;
        longctx_case(&a, i);
        attention_truth t = longctx_truth(&a);
        attention_result r = longctx_result(&a);
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            bool slow = k == kernels_available(); // the reference: it takes every third case
            if (slow && i % 3 != 0) continue;
            assert_int_equal(fv_kernels_force((*k)->name, NULL), FV_OK);
            run(&a, &r);
            compare(&a, &r, &t, (*k)->name, i);
        }
        longctx_result_free(&r);
        longctx_truth_free(&t);
        longctx_case_free(&a);
    }
}

// The newest query of a growing cache, in the cases whose queries are the sequence itself: equal to
// the row that a forward pass computes.
static void test_decode(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        attention_case a;
        longctx_case(&a, i);
        fv_attention_config *c = &a.config;
        if (c->n_query != c->n_key || i % 2 == 0) {
            longctx_case_free(&a);
            continue;
        }
        attention_truth t = longctx_truth(&a);
        int64_t n = c->n_key, d = c->d_head, heads = c->n_batch * c->n_head;
        float *q = malloc((size_t)(heads * d) * 4), *o = malloc((size_t)(heads * d) * 4);
        double *y = malloc((size_t)(heads * d) * 8);
        for (int64_t h = 0; h < heads; h++) {
            size_t at = longctx_at(c, n, c->n_head, h / c->n_head, h % c->n_head, n - 1);
            memcpy(q + h * d, a.q + at, (size_t)d * 4);
            memcpy(y + h * d, t.o + at, (size_t)d * 8);
        }
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            fv_attention *attention;
            fv_error error;
            assert_int_equal(fv_kernels_force((*k)->name, NULL), FV_OK);
            assert_int_equal(fv_attention_create(c, &attention, &error), FV_OK);
            if (fv_attention_decode(attention, n, q, longctx_k(&a), longctx_v(&a), o, &error))
                fail_msg("%s", error.text);
            double off = longctx_error(o, y, (size_t)(heads * d));
            if (!(off <= TOLERANCE))
                fail_msg("%s, case %d: decode is off by %g (%s)", (*k)->name, i, off, describe(&a));
            fv_attention_free(attention);
        }
        free(q), free(o), free(y);
        longctx_truth_free(&t);
        longctx_case_free(&a);
    }
}

// A result of the same arrays compared number by number.
static bool same_bits(const attention_case *a, const attention_result *x,
                      const attention_result *y) {
    size_t rows = (size_t)(a->config.n_batch * a->config.n_head * a->config.n_query);
    return memcmp(x->o, y->o, a->n_q * 4) == 0 &&
           memcmp(x->logsumexp, y->logsumexp, rows * 4) == 0 &&
           memcmp(x->dq, y->dq, a->n_q * 4) == 0 && memcmp(x->dk, y->dk, a->n_k * 4) == 0 &&
           memcmp(x->dv, y->dv, a->n_k * 4) == 0;
}

// Gradients of a few keys that very many queries see: sums of 262,144 terms, which are off by
// 1e-5 of their norm where they are made in one level, and by 5e-7 in two.
static void test_long_sums(void **state) {
    (void)state;
    const double tolerance = 1e-6;
    uint64_t random = 3;
    attention_case a = {0};
    fv_attention_config_init(&a.config);
    a.config.n_query = 1 << 18;
    a.config.n_key = 4;
    a.config.d_head = 8;
    a.config.n_threads = 1;
    a.config.mask.causal = false;
    longctx_fill(&a, &random, 1);
    attention_truth t = longctx_truth(&a);
    attention_result r = longctx_result(&a);
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        fv_kernels_force((*k)->name, NULL);
        run(&a, &r);
        double dk = longctx_error(r.dk, t.dk, a.n_k), dv = longctx_error(r.dv, t.dv, a.n_k);
        if (!(dk <= tolerance && dv <= tolerance))
            fail_msg("%s: dk is off by %g, dv by %g", (*k)->name, dk, dv);
    }
    longctx_result_free(&r);
    longctx_truth_free(&t);
    longctx_case_free(&a);
}

// Keys that all queries see, as many as there are: they are columns and stand in the band once
// more, in chunks of their own.
static void test_many_columns(void **state) {
    (void)state;
    uint64_t random = 4;
    attention_case a = {0};
    fv_attention_config_init(&a.config);
    a.config.n_query = a.config.n_key = 1024;
    a.config.d_head = 256; // the shortest chunks
    a.config.n_threads = 2;
    a.config.mask.window = 1;
    a.config.mask.sinks = 1024;
    longctx_fill(&a, &random, 1);
    attention_truth t = longctx_truth(&a);
    attention_result r = longctx_result(&a);
    fv_kernels_force(kernels_available()[1]->name, NULL);
    run(&a, &r);
    compare(&a, &r, &t, fv_kernels_name(), 0);
    longctx_result_free(&r);
    longctx_truth_free(&t);
    longctx_case_free(&a);
}

// A few chunks of keys, so that threads have turns to wait for.
static void long_case(attention_case *a, int i) {
    uint64_t state = 77 + (uint64_t)i;
    *a = (attention_case){0};
    fv_attention_config *c = &a->config;
    fv_attention_config_init(c);
    c->n_threads = 1;
    c->n_kv_head = 1;
    c->n_head = 1 + i % 2;
    c->d_head = i % 2 ? 24 : 128;
    c->n_query = c->n_key = 700;
    if (i > 0) longctx_mask(a, &state);
    longctx_fill(a, &state, 1);
}

static void test_threads(void **state) {
    (void)state;
    fv_kernels_force(kernels_available()[1]->name, NULL);
    for (int i = 0; i < 8; i++) {
        attention_case a;
        long_case(&a, i);
        attention_result one = longctx_result(&a), many = longctx_result(&a);
        run(&a, &one);
        for (int n = 2; n <= 5; n++) {
            a.config.n_threads = n;
            run(&a, &many);
            if (!same_bits(&a, &one, &many))
                fail_msg("%d threads give other bits (%s)", n, describe(&a));
        }
        longctx_result_free(&one);
        longctx_result_free(&many);
        longctx_case_free(&a);
    }
}

static void test_instruction_sets(void **state) {
    (void)state;
    if (fv_kernels_force("avx512", NULL) != FV_OK) skip();
    for (int i = 0; i < 60; i++) {
        attention_case a;
        longctx_case(&a, i);
        attention_result x = longctx_result(&a), y = longctx_result(&a);
        fv_kernels_force("avx512", NULL);
        run(&a, &x);
        fv_kernels_force("avx2", NULL);
        run(&a, &y);
        if (!same_bits(&a, &x, &y))
            fail_msg("case %d: AVX2 gives other bits (%s)", i, describe(&a));
        longctx_result_free(&x);
        longctx_result_free(&y);
        longctx_case_free(&a);
    }
}

// Scores of +-1e4: weights are still finite and sum to one. With v = 1 the output is their sum.
static void test_large_scores(void **state) {
    (void)state;
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        fv_kernels_force((*k)->name, NULL);
        uint64_t random = 5;
        attention_case a = {0};
        fv_attention_config_init(&a.config);
        a.config.n_query = a.config.n_key = 200;
        a.config.d_head = 16;
        a.config.scale = 1;
        a.config.n_threads = 1;
        longctx_fill(&a, &random, 30); // |q.k| up to 16 x 51^2
        for (size_t i = 0; i < a.n_k; i++) a.v[i] = 1;
        attention_result r = longctx_result(&a);
        run(&a, &r);
        for (size_t i = 0; i < a.n_q; i++) {
            assert_true(fabs(r.o[i] - 1.0) < 1e-5);
            assert_true(isfinite(r.dq[i]) && isfinite(r.dk[i]) && isfinite(r.dv[i]));
        }
        longctx_result_free(&r);
        longctx_case_free(&a);
    }
}

// bfloat16 keys and values give what their numbers give as floats, to the bit.
static void test_bfloat16(void **state) {
    (void)state;
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        for (int d = 24; d <= 32; d += 8) {
            fv_kernels_force((*k)->name, NULL);
            uint64_t random = 9;
            attention_case a = {0};
            fv_attention_config_init(&a.config);
            a.config.n_query = a.config.n_key = 150;
            a.config.d_head = d;
            a.config.n_threads = 1;
            a.config.kv_type = FV_BFLOAT16;
            longctx_fill(&a, &random, 1);
            attention_result half = longctx_result(&a), single = longctx_result(&a);
            run(&a, &half);
            a.config.kv_type = FV_FLOAT32; // k and v hold the rounded numbers
            run(&a, &single);
            assert_true(same_bits(&a, &half, &single));
            longctx_result_free(&half);
            longctx_result_free(&single);
            longctx_case_free(&a);
        }
}

// Arrays at odd addresses give the same bits.
static float *shifted(const float *x, size_t n) {
    char *copy = malloc(n * 4 + 1);
    memcpy(copy + 1, x, n * 4);
    return (float *)(void *)(copy + 1);
}

static void test_unaligned(void **state) {
    (void)state;
    fv_kernels_force(kernels_available()[1]->name, NULL);
    attention_case a;
    long_case(&a, 1);
    attention_result plain = longctx_result(&a);
    run(&a, &plain);
    size_t rows = (size_t)(a.config.n_head * a.config.n_query);
    attention_case b = a;
    b.q = shifted(a.q, a.n_q), b.k = shifted(a.k, a.n_k), b.v = shifted(a.v, a.n_k);
    b.d_o = shifted(a.d_o, a.n_q);
    attention_result odd = {shifted(plain.o, a.n_q), shifted(plain.logsumexp, rows),
                            shifted(plain.dq, a.n_q), shifted(plain.dk, a.n_k),
                            shifted(plain.dv, a.n_k)};
    run(&b, &odd);
    assert_true(same_bits(&a, &plain, &odd));
    float *const made[] = {b.q, b.k, b.v, b.d_o, odd.o, odd.logsumexp, odd.dq, odd.dk, odd.dv};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) free((char *)made[i] - 1);
    longctx_result_free(&plain);
    longctx_case_free(&a);
}

// Queries low .. high - 1.
typedef struct query_range {
    int64_t low, high;
} query_range;

// One head of 600 positions with a window of 100.
static void window_case(attention_case *a, int score) {
    uint64_t random = 31;
    *a = (attention_case){0};
    fv_attention_config_init(&a->config);
    a->config.n_query = a->config.n_key = 600;
    a->config.d_head = 16;
    a->config.n_threads = 1;
    a->config.score = score;
    a->config.mask.window = 100;
    longctx_fill(a, &random, 1);
}

// That rows of x are not finite where they must be, and are those of `clean` where they may not
// change.
static void check_reach(const char *what, const float *x, const float *clean, int64_t d,
                        query_range must, query_range may) {
    for (int64_t i = 0; i < 600; i++) {
        bool finite = true;
        for (int64_t f = 0; f < d; f++) finite &= isfinite(x[i * d + f]) != 0;
        if (finite && i >= must.low && i < must.high)
            fail_msg("%s: row %d is finite", what, (int)i);
        if ((i < may.low || i >= may.high) &&
            memcmp(x + i * d, clean + i * d, (size_t)d * sizeof *x) != 0)
            fail_msg("%s: row %d changed", what, (int)i);
    }
}

// Decoding reads what its query sees and nothing else: the last query that meets row 300 (which is
// itself, of q) gives no number, the next one does.
static void check_decode(const char *what, const attention_case *a, bool of_query) {
    fv_attention *attention;
    float o[16];
    assert_int_equal(fv_attention_create(&a->config, &attention, NULL), FV_OK);
    for (int64_t i = of_query ? 300 : 399; i <= (of_query ? 301 : 400); i++) {
        bool finite = true, reached = i == 300 || i == 399;
        assert_int_equal(fv_attention_decode(attention, i + 1, a->q + i * 16, a->k, a->v, o, NULL),
                         FV_OK);
        for (int f = 0; f < 16; f++) finite &= isfinite(o[f]) != 0;
        if (finite == reached) fail_msg("%s: query %d decodes to %g", what, (int)i, (double)o[0]);
    }
    fv_attention_free(attention);
}

// A number that is not finite in row 300 of q, k or v is seen in the output and the gradient of
// every query that meets it, 300 .. 399 for keys and values, and reaches no query that is not
// computed together with one of these: 63 rows further at most.
static void test_not_finite(void **state) {
    (void)state;
    enum { Q_, K_, V_, N_WHERE, ROW = 300, FEATURE = 3 };
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        for (int score = 0; score < FV_SCORE_COUNT; score++) {
            fv_kernels_force((*k)->name, NULL);
            attention_case a;
            window_case(&a, score);
            int64_t d = a.config.d_head;
            attention_result clean = longctx_result(&a), r = longctx_result(&a);
            run(&a, &clean);
            for (int i = 0; i < N_WHERE * 3; i++) {
                // A key at infinity has the weight 0 where the score is its product or distance.
                int where = i / 3;
                if (where != V_ && i % 3 > 0 && !score_bends((kernel_score)score)) continue;
                float *x = (where == Q_ ? a.q : where == K_ ? a.k : a.v) + ROW * d + FEATURE;
                float was = *x;
                char what[80];
                *x = values[i % 3];
                snprintf(what, sizeof what, "%s, score %d, %c is %g", (*k)->name, score,
                         "qkv"[where], (double)*x);
                run(&a, &r);
                query_range must = {ROW, where == Q_ ? ROW + 1 : ROW + 100};
                query_range may = {must.low - 63, must.high + 63};
                if (where == Q_) may = must;
                check_reach(what, r.o, clean.o, d, must, may);
                check_reach(what, r.dq, clean.dq, d, must, may);
                check_decode(what, &a, where == Q_);
                *x = was;
            }
            longctx_result_free(&clean);
            longctx_result_free(&r);
            longctx_case_free(&a);
        }
}

// Random blocks: v shows which keys a query saw. Each block row has as many different blocks as
// asked for, whole ones, not behind it with causal, and the same ones for the same seed.
static void test_random_blocks(void **state) {
    (void)state;
    enum { N = 256, BLOCK = 16, BLOCKS = N / BLOCK, ASKED = 3 };
    static float v[N * N], o[N * N];
    fv_attention_config c;
    fv_attention_config_init(&c);
    c.n_query = c.n_key = c.d_head = N;
    c.n_threads = 1;
    c.mask = (fv_attention_mask){.causal = true, .block = BLOCK, .random_blocks = ASKED};
    float *q = calloc(N * N, 4);
    for (int i = 0; i < N; i++) v[i * N + i] = 1;
    fv_attention *attention;
    assert_int_equal(fv_attention_create(&c, &attention, NULL), FV_OK);
    assert_int_equal(fv_attention_forward(attention, q, q, v, o, NULL, NULL), FV_OK);
    double pairs = 0;
    bool differ = false;
    for (int i = 0; i < N; i++) {
        int whole = 0;
        for (int b = 0; b < BLOCKS; b++) {
            int seen = 0, reachable = 0;
            for (int j = b * BLOCK; j < (b + 1) * BLOCK; j++) {
                seen += o[i * N + j] > 0;
                reachable += j <= i;
            }
            assert_true(seen == 0 || seen == reachable);
            whole += seen > 0;
            pairs += seen;
            if (i / BLOCK == BLOCKS - 1 && b > 0) differ |= (seen > 0) != (o[i * N] > 0);
        }
        int row = i / BLOCK, most = row + 1 < ASKED ? row + 1 : ASKED;
        assert_int_equal(whole, most);
    }
    assert_true(differ);
    assert_true(fv_attention_pairs(attention) == pairs);
    fv_attention_free(attention);
    free(q);
}

// What must be refused, each with the word that its message must hold.
static void test_bad_input(void **state) {
    (void)state;
    static const int64_t outside[] = {99}, twice[] = {3, 3};
    static const uint8_t bitmap[8];
    fv_attention_config good;
    fv_attention_config_init(&good);
    good.n_query = good.n_key = 64;
#define WITH(word)                                                                                 \
    { good, word }
    struct {
        fv_attention_config config;
        const char *word;
    } cases[] = {WITH("n_key"),
                 WITH("n_query"),
                 WITH("divide"),
                 WITH("d_head"),
                 WITH("window"),
                 WITH("bitmap"),
                 WITH("more than memory"),
                 WITH("outside"),
                 WITH("ascend"),
                 WITH("scale"),
                 WITH("score"),
                 WITH("n_threads"),
                 WITH("first_query"),
                 WITH("stride"),
                 WITH("globals is NULL"),
                 WITH("bitmap is NULL"),
                 WITH("harmonic score needs a power"),
                 WITH("harmonic score needs a floor")};
#undef WITH
    cases[0].config.n_key = 0;
    cases[1].config.n_query = -5;
    cases[2].config.n_head = 3, cases[2].config.n_kv_head = 2;
    cases[3].config.d_head = 1 << 20;
    cases[4].config.mask.window = -1;
    cases[5].config.mask.bitmap = bitmap, cases[5].config.mask.bitmap_bytes = 8;
    cases[6].config.n_key = INT64_MAX / 64;
    cases[7].config.mask.globals = outside, cases[7].config.mask.n_globals = 1;
    cases[8].config.mask.globals = twice, cases[8].config.mask.n_globals = 2;
    cases[9].config.scale = NAN;
    cases[10].config.score = 17;
    cases[11].config.n_threads = -1;
    cases[12].config.first_query = -1;
    cases[13].config.mask.stride_window = 4;
    cases[14].config.mask.n_globals = 2;
    cases[15].config.mask.bitmap_bytes = 8;
    cases[16].config.score = FV_SCORE_HARMONIC, cases[16].config.power = 0;
    cases[17].config.score = FV_SCORE_HARMONIC, cases[17].config.floor = 1e-31;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_attention *attention;
        fv_error error = {0};
        assert_int_equal(fv_attention_create(&cases[i].config, &attention, &error), FV_USAGE);
        assert_null(attention);
        if (strstr(error.text, cases[i].word) == NULL)
            fail_msg("'%s' says nothing about %s", error.text, cases[i].word);
    }
    fv_attention *attention;
    fv_error error;
    float x[64] = {0};
    assert_int_equal(fv_attention_create(&good, &attention, &error), FV_OK);
    assert_int_equal(fv_attention_decode(attention, 65, x, x, x, x, &error), FV_USAGE);
    assert_int_equal(fv_attention_decode(attention, 0, x, x, x, x, &error), FV_USAGE);
    fv_attention_free(attention);
    fv_attention_free(NULL);
}

// The oracle can say no: a wrong mask, scale or array is far outside the tolerance.
static void test_planted_faults(void **state) {
    (void)state;
    attention_case a;
    long_case(&a, 0);
    attention_truth t = longctx_truth(&a);
    attention_result r = longctx_result(&a);
    fv_attention_config right = a.config;
    for (int fault = 0; fault < 4; fault++) {
        a.config = right;
        if (fault == 1) a.config.scale = 1.0001 / sqrt((double)right.d_head);
        if (fault == 2) a.config.mask.window = 699; // the first key of the last query
        if (fault == 3) a.config.mask.causal = false;
        run(&a, &r);
        double error = longctx_error(r.o, t.o, a.n_q) + longctx_error(r.dq, t.dq, a.n_q) +
                       longctx_error(r.dk, t.dk, a.n_k) + longctx_error(r.dv, t.dv, a.n_k);
        assert_true(fault == 0 ? error <= 4 * TOLERANCE : error > 8 * TOLERANCE);
    }
    longctx_result_free(&r);
    longctx_truth_free(&t);
    longctx_case_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),    cmocka_unit_test(test_decode),
        cmocka_unit_test(test_long_sums),     cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_large_scores),  cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_unaligned),     cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_random_blocks), cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_planted_faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
