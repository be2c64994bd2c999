// Selected blocks: a bitmap for every head of keys gives the bits of that head alone under the same bitmap, and
// what the definition gives in double precision; and what is chosen are the blocks of the largest means.
#include "longctx.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>

static const double TOLERANCE = 5e-6;

enum { N_CASES = 60 };

static int64_t rows_of(const fv_attention_config *c) {
    return (c->first_query + c->n_query + longctx_block(&c->mask) - 1) / longctx_block(&c->mask);
}
static int64_t columns_of(const fv_attention_config *c) {
    return (c->n_key + longctx_block(&c->mask) - 1) / longctx_block(&c->mask);
}

// A random case whose heads lie one after the other, in place of whose bitmap blocks are selected.
static void draw_case(attention_case *a, int i) {
    uint64_t state = 77 + (uint64_t)i;
    noise(&state);
    longctx_case(a, i);
    fv_attention_config *c = &a->config;
    c->layout = FV_HEADS_FIRST;
    c->mask.bitmap = NULL;
    c->mask.bitmap_bytes = 0;
    if (c->mask.block == 0 && i % 3) c->mask.block = 1 + noise_below(&state, 90);
    int64_t span = c->first_query + c->n_query > c->n_key ? c->first_query + c->n_query : c->n_key;
    if (c->mask.block > span) c->mask.block = span;
    c->mask.selected = 1 + noise_below(&state, columns_of(c));
}

static attention_result part(const attention_case *a, const attention_result *r, int64_t shared) {
    const fv_attention_config *c = &a->config;
    int64_t group = c->n_head / c->n_kv_head, rows = shared * group * c->n_query;
    int64_t keys = shared * c->n_key * c->d_head;
    return (attention_result){r->o + rows * c->d_head, r->logsumexp + rows,
                              r->dq + rows * c->d_head, r->dk + keys, r->dv + keys};
}

// The heads that share one head of keys, as a case of their own under one bitmap.
static attention_case alone(const attention_case *a, int64_t shared, uint8_t *bitmap) {
    attention_case b = *a;
    fv_attention_config *c = &b.config;
    int64_t group = c->n_head / c->n_kv_head, rows = shared * group * c->n_query * c->d_head;
    int64_t keys = shared * c->n_key * c->d_head;
    b.q += rows;
    b.d_o += rows;
    b.k += keys;
    b.v += keys;
    c->n_batch = c->n_kv_head = 1;
    c->n_head = group;
    b.n_q = (size_t)(group * c->n_query * c->d_head);
    b.n_k = (size_t)(c->n_key * c->d_head);
    c->mask.selected = 0;
    c->mask.bitmap = bitmap;
    c->mask.bitmap_bytes = (size_t)(rows_of(c) * ((columns_of(c) + 7) / 8));
    c->mask.globals = a->config.mask.globals;
    b.visible = malloc((size_t)(c->n_query * c->n_key));
    for (int64_t i = 0; i < c->n_query; i++)
        for (int64_t j = 0; j < c->n_key; j++)
            b.visible[i * c->n_key + j] = longctx_sees(c, c->first_query + i, j);
    return b;
}

static void pass(fv_attention *plan, const attention_case *a, attention_result *r) {
    assert_int_equal(fv_attention_forward(plan, a->q, a->k, a->v, r->o, r->logsumexp, NULL), FV_OK);
    assert_int_equal(fv_attention_backward(plan, a->q, a->k, a->v, r->o, r->logsumexp, a->d_o,
                                           r->dq, r->dk, r->dv, NULL),
                     FV_OK);
}

static fv_attention *plan_of(const fv_attention_config *c) {
    fv_error error;
    fv_attention *plan;
    if (fv_attention_create(c, &plan, &error)) fail_msg("%s", error.text);
    return plan;
}

static void check_near_truth(const char *name, int i, const float *x, const double *y, size_t n,
                             double scale) {
    double difference = 0, norm = 0;
    for (size_t j = 0; j < n; j++) {
        if (isinf(y[j]) && (double)x[j] == y[j]) continue;
        difference += ((double)x[j] - y[j]) * ((double)x[j] - y[j]);
        norm += y[j] * y[j];
    }
    double error = sqrt(difference / fmax(norm, 1e-2 * scale + 1e-300));
    if (!(error <= TOLERANCE)) fail_msg("case %d: %s is off by %g", i, name, error);
}

// One head of keys against itself alone, and against the definition.
static void check_part(const attention_case *a, const attention_result *all, int64_t shared,
                       uint8_t *bitmap, int i, bool defined) {
    attention_case b = alone(a, shared, bitmap);
    attention_result own = longctx_result(&b), its = part(a, all, shared);
    fv_attention *plan = plan_of(&b.config);
    pass(plan, &b, &own);
    size_t rows = b.n_q / (size_t)b.config.d_head;
    assert_memory_equal(own.o, its.o, b.n_q * 4);
    assert_memory_equal(own.logsumexp, its.logsumexp, rows * 4);
    assert_memory_equal(own.dq, its.dq, b.n_q * 4);
    assert_memory_equal(own.dk, its.dk, b.n_k * 4);
    assert_memory_equal(own.dv, its.dv, b.n_k * 4);
    if (defined) {
        attention_truth t = longctx_truth(&b);
        double scale = 0;
        for (size_t j = 0; j < b.n_k; j++) scale += t.dv[j] * t.dv[j];
        check_near_truth("o", i, its.o, t.o, b.n_q, 0);
        check_near_truth("logsumexp", i, its.logsumexp, t.logsumexp, rows, 0);
        check_near_truth("dv", i, its.dv, t.dv, b.n_k, 0);
        check_near_truth("dq", i, its.dq, t.dq, b.n_q, scale);
        check_near_truth("dk", i, its.dk, t.dk, b.n_k, scale);
        longctx_truth_free(&t);
    }
    fv_attention_free(plan);
    longctx_result_free(&own);
    free(b.visible);
}

static void test_each_head_has_its_own(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        attention_case a;
        uint64_t random = 5 + (uint64_t)i;
        draw_case(&a, i);
        const fv_attention_config *c = &a.config;
        size_t one = (size_t)(rows_of(c) * ((columns_of(c) + 7) / 8)), bytes;
        int64_t heads = c->n_batch * c->n_kv_head;
        uint8_t *bitmaps = malloc(one * (size_t)heads);
        for (size_t j = 0; j < one * (size_t)heads; j++)
            bitmaps[j] = (uint8_t)(noise(&random) >> 30 & noise(&random) >> 40);
        attention_result r = longctx_result(&a);
        for (const kernel_set *const *k = kernels_available() + 1; *k; k++) {
            assert_int_equal(fv_kernels_force((*k)->name, NULL), FV_OK);
            a.config.n_threads = 1 + i % 2;
            fv_attention *plan = plan_of(c);
            assert_int_equal(fv_attention_set_selection(plan, bitmaps, one * (size_t)heads, NULL),
                             FV_OK);
            assert_memory_equal(fv_attention_selection(plan, &bytes), bitmaps, one * (size_t)heads);
            pass(plan, &a, &r);
            double pairs = fv_attention_pairs(plan) * (double)heads, seen = 0;
            for (int64_t h = 0; h < heads; h++) {
                check_part(&a, &r, h, bitmaps + (size_t)h * one, i, k[1] == NULL);
                attention_case b = alone(&a, h, bitmaps + (size_t)h * one);
                for (int64_t p = 0; p < c->n_query * c->n_key; p++) seen += b.visible[p];
                free(b.visible);
            }
            assert_true(fabs(pairs - seen) < 1e-6 * (seen + 1));
            fv_attention_free(plan);
        }
        longctx_result_free(&r);
        longctx_case_free(&a);
        free(bitmaps);
    }
}

// --- what is chosen ------------------------------------------------------------------------------

static void add_mean(const attention_case *a, bool keys, int64_t shared, int64_t block,
                     double *mean) {
    const fv_attention_config *c = &a->config;
    int64_t group = keys ? 1 : c->n_head / c->n_kv_head, n = keys ? c->n_key : c->n_query,
            count = 0;
    int64_t first = block * longctx_block(&c->mask) - (keys ? 0 : c->first_query);
    memset(mean, 0, (size_t)c->d_head * sizeof *mean);
    for (int64_t h = shared * group; h < (shared + 1) * group; h++)
        for (int64_t i = first < 0 ? 0 : first; i < n && i < first + longctx_block(&c->mask);
             i++, count++)
            for (int64_t f = 0; f < c->d_head; f++)
                mean[f] += (double)(keys ? a->k : a->q)[(h * n + i) * c->d_head + f];
    for (int64_t f = 0; f < c->d_head; f++) mean[f] /= (double)count;
}

static void check_row(const attention_case *a, int64_t shared, int64_t row, const uint8_t *bits) {
    const fv_attention_config *c = &a->config;
    int64_t columns = columns_of(c), n = c->mask.causal && row + 1 < columns ? row + 1 : columns;
    double q[128], k[128], lowest = INFINITY, highest = -INFINITY;
    int64_t chosen = 0, most = c->mask.selected < n ? c->mask.selected : n;
    add_mean(a, false, shared, row, q);
    for (int64_t u = 0; u < columns; u++) {
        bool kept = bits[u / 8] >> (u % 8) & 1;
        double score = 0;
        add_mean(a, true, shared, u, k);
        for (int64_t f = 0; f < c->d_head; f++)
            score += score_is_metric((kernel_score)c->score) ? -(q[f] - k[f]) * (q[f] - k[f])
                                                             : q[f] * k[f];
        chosen += kept;
        if (kept && u >= n) fail_msg("block %d of row %d lies behind it", (int)u, (int)row);
        if (u == row) {
            assert_true(kept);
            continue;
        }
        if (kept && score < lowest) lowest = score;
        if (!kept && u < n && score > highest) highest = score;
    }
    // A row without a column of its own keeps one more of the others.
    assert_int_equal(chosen, most);
    if (highest > lowest + 1e-4)
        fail_msg("row %d keeps a block of %g, and not one of %g", (int)row, lowest, highest);
}

// Keys of half the size, and the numbers that are left of them.
static void halve_keys(attention_case *a) {
    a->config.kv_type = FV_BFLOAT16;
    for (size_t i = 0; i < a->n_k; i++) {
        uint32_t bits;
        memcpy(&bits, &a->k[i], sizeof bits);
        a->k_half[i] = (uint16_t)(bits >> 16);
        bits &= 0xffff0000u;
        memcpy(&a->k[i], &bits, sizeof bits);
    }
}

static void test_choice(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        attention_case a;
        draw_case(&a, i);
        const fv_attention_config *c = &a.config;
        if (i % 4 == 0) halve_keys(&a);
        fv_attention *plan = plan_of(c);
        size_t bytes, row_bytes = (size_t)((columns_of(c) + 7) / 8);
        assert_int_equal(fv_attention_select(plan, a.q, longctx_k(&a), NULL), FV_OK);
        const uint8_t *bits = fv_attention_selection(plan, &bytes);
        int64_t rows = rows_of(c);
        assert_int_equal(bytes, (size_t)(c->n_batch * c->n_kv_head * rows) * row_bytes);
        for (int64_t h = 0; h < c->n_batch * c->n_kv_head; h++)
            for (int64_t row = c->first_query / longctx_block(&c->mask); row < rows; row++)
                check_row(&a, h, row, bits + (size_t)(h * rows + row) * row_bytes);
        fv_attention_free(plan);
        longctx_case_free(&a);
    }
}

// --- mistakes ------------------------------------------------------------------------------------

static void check_refused(fv_status status, const fv_error *error, const char *fragment) {
    assert_int_equal(status, FV_USAGE);
    if (strstr(error->text, fragment) == NULL)
        fail_msg("'%s' does not say '%s'", error->text, fragment);
}

static void test_mistakes(void **state) {
    (void)state;
    fv_attention_config c;
    fv_attention *plan;
    fv_error error;
    float numbers[64] = {0};
    uint8_t bits[4] = {0};
    size_t bytes;
    fv_attention_config_init(&c);
    c.n_query = c.n_key = 4;
    c.d_head = 2;
    plan = plan_of(&c);
    check_refused(fv_attention_select(plan, numbers, numbers, &error), &error,
                  "the mask selects nothing");
    check_refused(fv_attention_set_selection(plan, bits, 4, &error), &error,
                  "the mask selects nothing");
    assert_null(fv_attention_selection(plan, &bytes));
    fv_attention_free(plan);
    c.mask.selected = -1;
    check_refused(fv_attention_create(&c, &plan, &error), &error, "selected is -1");
    c.mask.selected = 3;
    c.mask.block = 2;
    check_refused(fv_attention_create(&c, &plan, &error), &error, "4 keys have 2 blocks of 2");
    c.mask.selected = 1;
    c.mask.bitmap = bits;
    check_refused(fv_attention_create(&c, &plan, &error), &error, "leave one of the two out");
    c.mask.bitmap = NULL;
    plan = plan_of(&c);
    check_refused(fv_attention_set_selection(plan, bits, 3, &error), &error,
                  "the selection has 3 bytes");
    check_refused(fv_attention_decode(plan, 1, numbers, numbers, numbers, numbers, &error), &error,
                  "the selection is of whole sequences");
    // Nothing was selected yet: no query sees a key.
    float o[8], logsumexp[4];
    assert_int_equal(fv_attention_forward(plan, numbers, numbers, numbers, o, logsumexp, NULL),
                     FV_OK);
    for (int i = 0; i < 4; i++) assert_true(isinf(logsumexp[i]) && o[2 * i] == 0);
    fv_attention_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_head_has_its_own),
                                       cmocka_unit_test(test_choice),
                                       cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
