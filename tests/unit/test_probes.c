// Linear algebra of the probes against matrices whose spectra are known, and its invariances.
#include "probes/linalg.h"
#include "probes/token_groups.h"

#include <fovea/config.h>
#include <fovea/probe.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double value, double wanted, double tolerance) {
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%.12g is not within %g of %.12g", value, tolerance, wanted);
}

// Numbers in (-1, 1) from a linear congruence: the tests need no quality of randomness.
static float draw(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*state >> 11) / 4503599627370496.0 - 1);
}

static void fill(float *a, int n, uint64_t seed) {
    for (int i = 0; i < n; i++) a[i] = draw(&seed);
}

static double rank_of(const float *a, int rows, int cols) {
    double rank;
    assert_int_equal(linalg_effective_rank(probe_matrix_of(a, rows, cols), &rank, NULL), FV_OK);
    return rank;
}

static double dimension_of(const float *a, int rows, int cols) {
    double dimension;
    assert_int_equal(linalg_effective_dimension(probe_matrix_of(a, rows, cols), &dimension, NULL),
                     FV_OK);
    return dimension;
}

static void test_effective_number(void **state) {
    (void)state;
    const double equal[] = {3, 3, 3, 3}, one[] = {0, 5, 0}, two[] = {0.5, 0.5, -1e-18},
                 none[] = {0};
    const double bad[] = {1, NAN}, halves[] = {2, 1, 1};
    assert_near(effective_number(equal, 4), 4, 1e-12);
    assert_near(effective_number(one, 3), 1, 1e-12);
    assert_near(effective_number(two, 3), 2, 1e-12);
    assert_near(effective_number(none, 1), 0, 0);
    assert_near(effective_number(halves, 3), pow(2, 1.5), 1e-12);
    assert_true(isnan(effective_number(bad, 2)));
}

static void test_rank_of_known_matrices(void **state) {
    (void)state;
    const float identity[] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    const float outer[] = {1, 2, 3, 2, 4, 6, -1, -2, -3, 0, 0, 0};
    const float diagonal[] = {3, 0, 0, 4};
    const float zero[4] = {0};
    assert_near(rank_of(identity, 3, 3), 3, 1e-12);
    assert_near(rank_of(outer, 4, 3), 1, 1e-6);
    // p = 9/25 and 16/25
    assert_near(rank_of(diagonal, 2, 2), exp(-0.36 * log(0.36) - 0.64 * log(0.64)), 1e-12);
    assert_near(rank_of(zero, 2, 2), 0, 0);
}

static void test_rank_of_not_a_number(void **state) {
    (void)state;
    const float a[] = {1, NAN, 0, 1}, b[] = {1, INFINITY, 0, 1};
    assert_true(isnan(rank_of(a, 2, 2)));
    assert_true(isnan(rank_of(b, 2, 2)));
}

// Householder reflection of the columns: a (1 - 2 u u^T / u^T u) is a rotation up to a sign.
static void reflect(const float *a, int rows, int cols, const float *u, float *out) {
    double uu = 0;
    for (int c = 0; c < cols; c++) uu += u[c] * u[c];
    for (int r = 0; r < rows; r++) {
        double au = 0;
        for (int c = 0; c < cols; c++) au += a[r * cols + c] * u[c];
        for (int c = 0; c < cols; c++)
            out[r * cols + c] = (float)(a[r * cols + c] - 2 * au * u[c] / uu);
    }
}

static void test_invariances(void **state) {
    (void)state;
    enum { ROWS = 9, COLS = 5 };
    float a[ROWS * COLS], u[COLS], turned[ROWS * COLS], scaled[ROWS * COLS], moved[ROWS * COLS];
    fill(a, ROWS * COLS, 1);
    fill(u, COLS, 2);
    reflect(a, ROWS, COLS, u, turned);
    for (int i = 0; i < ROWS * COLS; i++) scaled[i] = -37 * a[i];
    for (int i = 0; i < ROWS * COLS; i++) moved[i] = a[i] + 3 * u[i % COLS];
    assert_near(rank_of(turned, ROWS, COLS), rank_of(a, ROWS, COLS), 1e-5);
    assert_near(rank_of(scaled, ROWS, COLS), rank_of(a, ROWS, COLS), 1e-5);
    assert_near(dimension_of(turned, ROWS, COLS), dimension_of(a, ROWS, COLS), 1e-5);
    assert_near(dimension_of(moved, ROWS, COLS), dimension_of(a, ROWS, COLS), 1e-5);
    assert_true(fabs(rank_of(moved, ROWS, COLS) - rank_of(a, ROWS, COLS)) > 0.1);
}

// The small side may be the rows or the columns: a matrix and its transpose have one spectrum.
static void test_wide_and_tall_agree(void **state) {
    (void)state;
    enum { ROWS = 3, COLS = 7 };
    float a[ROWS * COLS];
    fill(a, ROWS * COLS, 3);
    probe_matrix wide = probe_matrix_of(a, ROWS, COLS);
    double of_wide[ROWS], of_tall[ROWS];
    assert_int_equal(probe_spectrum(wide, false, of_wide, NULL), FV_OK);
    assert_int_equal(probe_spectrum(matrix_transposed(wide), false, of_tall, NULL), FV_OK);
    for (int i = 0; i < ROWS; i++) assert_near(of_wide[i], of_tall[i], 1e-12);
    // Centring is of columns: the same cloud with columns of zeros added is tall and alike.
    float square[COLS * COLS] = {0};
    double cloud[COLS], padded[COLS];
    for (int i = 0; i < ROWS * COLS; i++) square[i] = a[i];
    for (int r = ROWS; r < COLS; r++) // rows at the mean add nothing
        for (int c = 0; c < COLS; c++)
            square[r * COLS + c] = (a[c] + a[COLS + c] + a[2 * COLS + c]) / 3;
    assert_int_equal(probe_spectrum(wide, true, cloud, NULL), FV_OK);
    assert_int_equal(probe_spectrum(probe_matrix_of(square, COLS, COLS), true, padded, NULL),
                     FV_OK);
    for (int i = 0; i < ROWS; i++) assert_near(cloud[i], padded[i], 1e-5);
    assert_near(cloud[ROWS - 1], 0, 1e-9);
}

static void test_product_without_forming_it(void **state) {
    (void)state;
    enum { M = 6, N = 5, K = 3 };
    float a[M * K], b[N * K], product[M * N];
    fill(a, M * K, 4);
    fill(b, N * K, 5);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < K; k++) sum += a[i * K + k] * b[j * K + k];
            product[i * N + j] = (float)sum;
        }
    double rank;
    assert_int_equal(
        effective_rank_product(probe_matrix_of(a, M, K), probe_matrix_of(b, N, K), &rank, NULL),
        FV_OK);
    assert_near(rank, rank_of(product, M, N), 1e-5);
}

static void test_dimension_of_line_and_circle(void **state) {
    (void)state;
    float line[10 * 3], circle[12 * 2];
    for (int i = 0; i < 10; i++)
        for (int c = 0; c < 3; c++) line[i * 3 + c] = (float)(5 + i * (c + 1));
    for (int i = 0; i < 12; i++) {
        circle[2 * i] = (float)cos(i * acos(-1) / 6);
        circle[2 * i + 1] = (float)sin(i * acos(-1) / 6);
    }
    assert_near(dimension_of(line, 10, 3), 1, 1e-5);
    assert_near(dimension_of(circle, 12, 2), 2, 1e-6);
}

static void check_pca(int rows, int cols) {
    float points[64];
    fill(points, rows * cols, 6);
    probe_pca pca;
    probe_matrix view = probe_matrix_of(points, rows, cols);
    assert_int_equal(pca_fit(view, &pca, NULL), FV_OK);
    double coordinates[64], sum = 0;
    pca_project(&pca, view, pca.n, coordinates);
    for (int k = 0; k < pca.n; k++) sum += pca.explained[k];
    assert_near(sum, 1, 1e-9);
    for (int k = 1; k < pca.n; k++) assert_true(pca.explained[k] <= pca.explained[k - 1]);
    for (int r = 0; r < rows; r++) // the coordinates give the points back
        for (int c = 0; c < cols; c++) {
            double value = pca.mean[c];
            for (int k = 0; k < pca.n; k++)
                value += coordinates[r * pca.n + k] * pca.axes[k * cols + c];
            assert_near(value, points[r * cols + c], 1e-6);
        }
    pca_free(&pca);
}

static void test_pca(void **state) {
    (void)state;
    check_pca(10, 4);
    check_pca(4, 9);
    check_pca(5, 5);
    check_pca(2, 1);
}

static double groups_of(const double *confusion, int V) {
    double groups;
    assert_int_equal(token_grouping(confusion, V, &groups, NULL), FV_OK);
    return groups;
}

static void test_token_groups(void **state) {
    (void)state;
    const double alike[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const double pairs[] = {5, 5, 0, 0, 5, 5, 0, 0, 0, 0, 5, 5, 0, 0, 5, 5};
    const double known[] = {9, 1, 0, 0, 0, 9, 1, 0, 0, 0, 9, 1, 1, 0, 0, 9};
    const double three[] = {9, 0, 0, 0, 0, 3, 3, 3, 0, 3, 3, 3, 0, 3, 3, 3};
    const double unseen[] = {9, 0, 0, 0, 9, 0, 0, 0, 0};
    assert_near(groups_of(alike, 4), 1, 1e-12);
    assert_near(groups_of(pairs, 4), 2, 1e-12);
    assert_near(groups_of(known, 4), 4, 1e-12);
    assert_near(groups_of(three, 4), exp(-0.25 * log(0.25) - 0.75 * log(0.75)), 1e-12);
    assert_near(groups_of(unseen, 3), 2, 1e-12);
}

// --- probes of a model made by hand ------------------------------------------------------------

typedef struct made {
    fv_model *model;
    float *params;
    fv_record record;
} made;

// Four tokens in four dimensions; every square matrix is `scale` times the identity, as is W_U.
static void make_model(made *m, int n_head) {
    fv_config config;
    fv_config_init(&config);
    config.task.vocab_size = 4;
    config.task.context_length = 7;
    config.model.n_embd = 4;
    config.model.n_head = n_head;
    fv_error error = {0};
    if (fv_model_create(&config, &m->model, &error) != FV_OK) fail_msg("%s", error.text);
    m->params = calloc(fv_model_n_params(m->model), sizeof *m->params);
    int n;
    const fv_tensor *tensors = fv_model_tensors(m->model, &n);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < 4; d++) m->params[tensors[i].offset + (size_t)(5 * d)] = 6;
    fv_record_init(&m->record);
}

static void free_model(made *m) {
    fv_model_free(m->model);
    free(m->params);
    fv_record_free(&m->record);
}

static void measure(made *m, const char *probe) {
    fv_error error = {0};
    if (fv_probe_measure(fv_probe_find(probe), m->model, m->params, 30, &m->record, &error) !=
        FV_OK)
        fail_msg("%s: %s", probe, error.text);
}

static double value_of(const made *m, const char *series) {
    const fv_series *s = fv_record_find(&m->record, series);
    if (s == NULL) fail_msg("there is no series %s", series);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->steps[0], 30);
    return s->values[0];
}

static void test_rank_probes_of_a_model(void **state) {
    (void)state;
    made m;
    make_model(&m, 1);
    measure(&m, "effective_rank");
    measure(&m, "effective_dimension");
    measure(&m, "embedding_norm");
    static const char *const full[] = {"W_Q", "W_K", "W_V", "W_O", "QK", "OV"};
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "effective_rank.blocks.0.attn.%s", full[i]);
        assert_near(value_of(&m, name), 4, 1e-6);
    }
    assert_near(value_of(&m, "effective_dimension.embed.W_E"), 3, 1e-6); // less the centring
    assert_near(value_of(&m, "embedding_norm.embed.W_E"), 6, 1e-6);
    assert_null(fv_record_find(&m.record, "effective_dimension.pos_embed.W_pos"));
    free_model(&m);
}

static void test_rank_probes_of_heads(void **state) {
    (void)state;
    made m;
    make_model(&m, 2);
    const fv_tensor *q = fv_model_tensor(m.model, "blocks.0.attn.W_Q");
    m.params[q->offset + 15] = 0; // the second head's query sees one direction
    measure(&m, "effective_rank");
    assert_near(value_of(&m, "effective_rank.blocks.0.attn.W_Q"), 3, 1e-6);
    assert_near(value_of(&m, "effective_rank.blocks.0.attn.QK.h0"), 2, 1e-6);
    assert_near(value_of(&m, "effective_rank.blocks.0.attn.QK.h1"), 1, 1e-6);
    assert_near(value_of(&m, "effective_rank.blocks.0.attn.OV.h1"), 2, 1e-6);
    free_model(&m);
}

static double form_of(const made *m, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "circuit_form.blocks.0.attn.%s", what);
    return value_of(m, name);
}

static void set_matrix(made *m, const char *name, const float values[16]) {
    memcpy(m->params + fv_model_tensor(m->model, name)->offset, values, 16 * sizeof *values);
}

// QK is 36 I. W_O mirrors one direction and turns two others by a quarter: the eigenvalues of OV are
// -36, +-36 i and 36.
static void test_form_of_circuits(void **state) {
    (void)state;
    made m;
    make_model(&m, 1);
    set_matrix(&m, "blocks.0.attn.W_O",
               (const float[]){-6, 0, 0, 0, 0, 0, -6, 0, 0, 6, 0, 0, 0, 0, 0, 6});
    measure(&m, "circuit_form");
    assert_near(form_of(&m, "QK.scale"), 36, 1e-5);
    assert_near(form_of(&m, "QK.residual"), 0, 1e-6);
    assert_near(form_of(&m, "QK.negative"), 0, 0);
    assert_near(form_of(&m, "QK.lowest"), 36, 1e-5);
    assert_near(form_of(&m, "OV.scale"), 0, 1e-5);
    assert_near(form_of(&m, "OV.residual"), 1, 1e-6);
    assert_near(form_of(&m, "OV.negative"), 1, 0);
    assert_near(form_of(&m, "OV.lowest"), -36, 1e-5);
    assert_near(form_of(&m, "OV.highest"), 36, 1e-5);
    free_model(&m);
}

// A head of half the width: 36 I there and 0 elsewhere, half of whose norm is 18 I. A head that a NaN is in
// has no form.
static void test_form_of_heads(void **state) {
    (void)state;
    made m;
    make_model(&m, 2);
    m.params[fv_model_tensor(m.model, "blocks.0.attn.W_K")->offset + 15] = NAN;
    m.params[fv_model_tensor(m.model, "blocks.0.attn.W_V")->offset + 5] = -3;
    measure(&m, "circuit_form");
    assert_near(form_of(&m, "QK.h0.scale"), 18, 1e-5);
    assert_near(form_of(&m, "QK.h0.residual"), sqrt(0.5), 1e-6);
    assert_near(form_of(&m, "QK.h0.highest"), 36, 1e-5);
    assert_near(form_of(&m, "OV.h0.negative"), 1, 0);
    assert_near(form_of(&m, "OV.h0.lowest"), -18, 1e-5);
    assert_true(isnan(form_of(&m, "QK.h1.residual")) && isnan(form_of(&m, "QK.h1.negative")));
    free_model(&m);
}

// The query attends to its own token alone, which is the last and by chance others.
static void test_attention_mass_of_a_model(void **state) {
    (void)state;
    made m;
    make_model(&m, 1);
    measure(&m, "attention_mass");
    double total = value_of(&m, "attention_mass.0.rest");
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "attention_mass.0[%d]", i);
        total += value_of(&m, name);
    }
    assert_near(total, 1, 1e-5);
    // E[1 / (1 + Binomial(6, 1/4))] = (1 - (3/4)^7) / (7/4)
    assert_near(value_of(&m, "attention_mass.0[0]"), (1 - pow(0.75, 7)) / 1.75, 0.05);
    const fv_tensor *q = fv_model_tensor(m.model, "blocks.0.attn.W_Q");
    for (int d = 0; d < 4; d++) m.params[q->offset + (size_t)(5 * d)] = 0;
    fv_record_free(&m.record);
    measure(&m, "attention_mass");
    assert_near(value_of(&m, "attention_mass.0[2]"), 1.0 / 7, 1e-6);
    assert_near(value_of(&m, "attention_mass.0.rest"), 2.0 / 7, 1e-6);
    free_model(&m);
}

static void test_token_groups_of_a_model(void **state) {
    (void)state;
    made m;
    make_model(&m, 1);
    measure(&m, "token_groups");
    assert_near(value_of(&m, "token_groups"), 4, 1e-6);
    const fv_tensor *e = fv_model_tensor(m.model, "embed.W_E");
    float *w = m.params + e->offset; // tokens 0 and 1 share an embedding, and so do 2 and 3
    for (int d = 0; d < 4; d++) {
        w[4 + d] = w[d];
        w[12 + d] = w[8 + d];
    }
    fv_record_free(&m.record);
    measure(&m, "token_groups");
    // Both tokens of a pair are taken for its first, which does not tell them apart either.
    assert_near(value_of(&m, "token_groups"), 2, 1e-6);
    free_model(&m);
}

static void test_list(void **state) {
    (void)state;
    int n;
    const fv_probe *const *probes = fv_probes(&n);
    assert_true(n >= 5);
    for (int i = 0; i < n; i++) assert_ptr_equal(fv_probe_find(probes[i]->name), probes[i]);
    assert_null(fv_probe_find("embedding_effective_dimension"));
    assert_string_equal(fv_probe_nearest("efective_rank"), "effective_rank");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_effective_number),
        cmocka_unit_test(test_rank_of_known_matrices),
        cmocka_unit_test(test_rank_of_not_a_number),
        cmocka_unit_test(test_invariances),
        cmocka_unit_test(test_wide_and_tall_agree),
        cmocka_unit_test(test_product_without_forming_it),
        cmocka_unit_test(test_dimension_of_line_and_circle),
        cmocka_unit_test(test_pca),
        cmocka_unit_test(test_token_groups),
        cmocka_unit_test(test_rank_probes_of_a_model),
        cmocka_unit_test(test_rank_probes_of_heads),
        cmocka_unit_test(test_form_of_circuits),
        cmocka_unit_test(test_form_of_heads),
        cmocka_unit_test(test_attention_mass_of_a_model),
        cmocka_unit_test(test_token_groups_of_a_model),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
