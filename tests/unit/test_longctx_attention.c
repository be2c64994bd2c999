// Attention over long sequences against its definition in double precision: random shapes, masks
// and scores, every variant of the kernels, and what must hold without any reference.
#include "longctx.h"

#include "kernels/kernels.h"

static const double TOLERANCE = 5e-6;

enum { N_CASES = 300 };

static void run(const attention_case *a, attention_result *r) {
    fv_error error;
    fv_attention *attention;
    if (fv_attention_create(&a->config, &attention, &error)) fail_msg("%s", error.text);
    assert_int_equal(
        fv_attention_forward(attention, a->q, longctx_k(a), longctx_v(a), r->o, r->log_sum, &error),
        FV_OK);
    assert_int_equal(fv_attention_backward(attention, a->q, longctx_k(a), longctx_v(a), r->o,
                                           r->log_sum, a->d_o, r->dq, r->dk, r->dv, &error),
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
                  {"log_sum", r->log_sum, t->log_sum, rows},
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
        for (const fv_kernels *const *k = fv_kernels_available(); *k; k++) {
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
        for (const fv_kernels *const *k = fv_kernels_available(); *k; k++) {
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition),
                                       cmocka_unit_test(test_decode)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
