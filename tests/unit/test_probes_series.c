// Probes and measures of the later posts, on embeddings whose answers are known.
#include "subject.h"

static float *tensor(const subject *s, const char *name) {
    const fv_tensor *found = fv_model_tensor(s->model, name);
    assert_non_null(found);
    return s->params + found->offset;
}

static double probe(subject *s, const char *name, const char *series) {
    const fv_probe *found = fv_probe_find(name);
    assert_non_null(found);
    if (fv_record_find(&s->record, series) == NULL)
        check_ok(fv_probe_measure(found, s->model, s->params, 0, &s->record, NULL));
    const fv_series *values = fv_record_find(&s->record, series);
    return values ? values->values[values->n - 1] : NAN;
}

static double neighbours_of(const char *words, const float *x) {
    subject s;
    subject_open(&s, words);
    memcpy(tensor(&s, "embed.W_E"), x,
           (size_t)s.config.task.vocab_size * (size_t)s.config.model.n_embd * sizeof *x);
    double value = probe(&s, "neighbours", "neighbours.embed.W_E");
    subject_close(&s);
    return value;
}

// Four points on a line, in order and not: steps 1 1 1 against pairs 1 1 1 2 2 3, and 2 1 3... .
static void test_neighbours(void **state) {
    (void)state;
    const float line[] = {0, 0, 1, 1, 2, 2, 3, 3}, mixed[] = {0, 0, 2, 2, 1, 1, 3, 3};
    const char *words = "task.vocab_size=4 model.n_embd=2";
    double pairs = (1 + 1 + 1 + 4 + 4 + 9) / 6.0;
    check_near(neighbours_of(words, line), sqrt(1 / pairs), 1e-6);
    check_near(neighbours_of(words, mixed), sqrt((4 + 1 + 4) / 3.0 / pairs), 1e-6);
    // Dimensions beyond the plane do not count: here a third one with less variance.
    const float deep[] = {0, 0, 0.1f, 10, 0, -0.1f, 0, 5, 0.1f, 10, 5, -0.1f};
    const float flat[] = {0, 0, 0, 10, 0, 0, 0, 5, 0, 10, 5, 0};
    const char *wide = "task.vocab_size=4 model.n_embd=3";
    check_near(neighbours_of(wide, deep), neighbours_of(wide, flat), 1e-3);
    const float same[8] = {0};
    assert_true(isnan(neighbours_of(words, same)));
}

// Powers start from the field, and follow their parameter.
static void test_score_power(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "model.n_embd=4 model.n_head=2 model.layers=[attention,mlp,attention] "
                     "model.score=harmonic model.score_power=3 model.score_power_learned=true");
    fv_model_init_params(s.model, 1, s.params);
    tensor(&s, "blocks.1.attn.log_power")[1] = -1;
    check_near(probe(&s, "score_power", "score_power.0.h0"), 3, 1e-6);
    check_near(probe(&s, "score_power", "score_power.1.h0"), 3, 1e-6);
    check_near(probe(&s, "score_power", "score_power.1.h1"), exp(-1), 1e-6);
    subject_close(&s);
    subject_open(&s, "model.score=harmonic");
    assert_true(isnan(probe(&s, "score_power", "score_power.0")));
    subject_close(&s);
}

// p(-1) = (-1, -1) and the others at (1, 1): s is (1, 1) / sqrt 2.
static void test_separation(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.context_length=4 model.n_embd=2 model.positions=learned");
    float *p = tensor(&s, "pos_embed.W_pos");
    for (int i = 0; i < 8; i++) p[i] = i / 2 == 2 ? -1 : 1;
    const float q[] = {-0.41f, 1.35f, 0.19f, -2.25f}; // the post's circuit, with W_K the identity
    memcpy(tensor(&s, "blocks.0.attn.W_Q"), q, sizeof q);
    float *k = tensor(&s, "blocks.0.attn.W_K");
    k[0] = k[3] = 1;
    check_near(probe(&s, "separation", "separation.target"), -sqrt(2), 1e-6);
    check_near(probe(&s, "separation", "separation.others"), sqrt(2), 1e-6);
    check_near(2 * probe(&s, "separation", "separation.circuit"), -1.12, 1e-5); // -1.1 published
    subject_close(&s);
    subject_open(&s, "task.offset=1 task.context_length=4 model.n_embd=2");
    assert_true(isnan(probe(&s, "separation", "separation.target"))); // no positions, no series
    subject_close(&s);
}

static void add_circle(subject *s, int step, const int *order, int n, double radius) {
    subject_circle(tensor(s, "embed.W_E"), order, n, radius);
    check_ok(fv_record_add_snapshot(&s->record, step, s->params));
}

static void test_circles(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.vocab_size=6 model.n_embd=2");
    s.record.n_params = fv_model_n_params(s.model);
    static const int plain[] = {0, 1, 2, 3, 4, 5}, turned[] = {2, 3, 4, 5, 0, 1},
                     swapped[] = {0, 2, 1, 3, 4, 5};
    add_circle(&s, 0, plain, 6, 2);
    add_circle(&s, 10, turned, 6, 7);
    add_circle(&s, 20, swapped, 6, 7);
    check_near(subject_measure(&s, "reordered('embed.W_E', 0, 10)"), 0, 0); // a turn is no swap
    check_near(subject_measure(&s, "reordered('embed.W_E', 0, 20)"), 0.5,
               1e-9); // 0 2 1 3: three successors
    check_near(subject_measure(&s, "roundness('embed.W_E', 10)"), 0, 1e-6);
    // Outwards from 2 to 7: opposite ones apart, neighbours 60 degrees from each other.
    check_near(subject_measure(&s, "motion_cosine('embed.W_E', 0, 3, 0, 20)"), -1, 1e-6);
    check_near(subject_measure(&s, "motion_cosine('embed.W_E', 0, 5, 0, 20)"), 0.5, 1e-6);
    assert_true(isnan(subject_measure(&s, "motion_cosine('embed.W_E', 0, 5, 20, 20)")));
    static const float line[12] = {0, 0, 0, 0, 0, 0, -6, 0, 0, 0, 6, 0};
    memcpy(tensor(&s, "embed.W_E"), line, sizeof line);
    check_ok(fv_record_add_snapshot(&s.record, 30, s.params));
    // Distances 0 0 0 6 0 6: mean 2, deviation sqrt 8.
    check_near(subject_measure(&s, "roundness('embed.W_E', 30)"), sqrt(8) / 2, 1e-6);
    subject_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_score_power),
        cmocka_unit_test(test_separation),
        cmocka_unit_test(test_circles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
