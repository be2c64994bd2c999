// Head scores, losses by token and position, and swaps, on models planted by hand whose answers are
// known.
#include "subject.h"

static void run_probe(subject *s, const char *probe, int step) {
    fv_error error;
    if (fv_probe_measure(fv_probe_find(probe), s->model, s->params, step, &s->record, &error) !=
        FV_OK)
        fail_msg("%s: %s", probe, error.text);
}

// The last value of a series; NAN where there is none.
static double value(const subject *s, const char *series) {
    const fv_series *found = fv_record_find(&s->record, series);
    return found != NULL && found->n > 0 ? found->values[found->n - 1] : NAN;
}

// Element (row, column) of a tensor.
static float *at(const subject *s, const char *name, int row, int column) {
    const fv_tensor *t = fv_model_tensor(s->model, name);
    assert_non_null(t);
    assert_true(row < t->shape[0] && column < t->shape[1]);
    return s->params + t->offset + (size_t)row * (size_t)t->shape[1] + (size_t)column;
}

static void measure_heads(subject *s) {
    fv_record_free(&s->record);
    run_probe(s, "current_token", 0);
    run_probe(s, "previous_token", 0);
    run_probe(s, "first_token", 0);
    run_probe(s, "duplicate_token", 0);
    run_probe(s, "induction", 0);
}

enum { SHARP = 60 }; // scores of 60 * 60 / sqrt(d): all attention at one key

// Position t is direction `first` + t of the stream; in columns [column, column + T) of W_Q each
// turns into the one before it, which W_K finds: attention to t - 1.
static void plant_previous(const subject *s, const char *block, int first, int column) {
    char q[32], k[32];
    int T = s->config.task.context_length;
    snprintf(q, sizeof q, "%s.W_Q", block);
    snprintf(k, sizeof k, "%s.W_K", block);
    for (int t = 0; t < T; t++) {
        *at(s, "pos_embed.W_pos", t, first + t) = 1;
        *at(s, k, first + t, column + t) = SHARP;
        if (t > 0) *at(s, q, first + t, column + t - 1) = SHARP;
    }
}

static void test_previous_token_head(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.loss=all task.context_length=6 task.vocab_size=40 "
                     "model.n_embd=6 model.positions=learned");
    plant_previous(&s, "blocks.0.attn", 0, 0);
    measure_heads(&s);
    check_near(value(&s, "previous_token.0"), 1, 1e-6);
    check_near(value(&s, "first_token.0"), 1.0 / 5, 1e-6); // of the second position alone
    // The first position sees itself alone, where the loss asks for it at all.
    int n_loss, first = fv_model_loss_positions(s.model, &n_loss)[0];
    check_near(value(&s, "current_token.0"), first == 0 ? 1.0 / 6 : 0, 1e-6);
    subject_close(&s);
}

// The second of two heads is planted; the first attends uniformly.
static void test_heads_have_names(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.context_length=5 model.n_embd=10 model.n_head=2 "
                     "model.positions=learned");
    plant_previous(&s, "blocks.0.attn", 0, 5);
    measure_heads(&s);
    check_near(value(&s, "previous_token.0.h0"), 0.2, 1e-6);
    check_near(value(&s, "previous_token.0.h1"), 1, 1e-6);
    check_near(value(&s, "current_token.0.h0"), 0.2, 1e-6);
    check_near(value(&s, "current_token.0.h1"), 0, 1e-6);
    assert_null(fv_record_find(&s.record, "previous_token.0"));
    subject_close(&s);
}

// Stream: token [V], token before [V], position [T]. Layer 0 copies the token before; layer 1 looks
// for it. Position 0 has no token before and must not be found.
static void plant_induction(const subject *s) {
    int V = s->config.task.vocab_size, T = s->config.task.context_length;
    for (int v = 0; v < V; v++) {
        *at(s, "embed.W_E", v, v) = 1;
        *at(s, "blocks.0.attn.W_V", v, v) = 1;
        *at(s, "blocks.0.attn.W_O", v, V + v) = 1;
        *at(s, "blocks.1.attn.W_Q", v, v) = SHARP;
        *at(s, "blocks.1.attn.W_K", V + v, v) = SHARP;
        *at(s, "blocks.1.attn.W_K", 2 * V, v) = -2 * SHARP;
    }
    plant_previous(s, "blocks.0.attn", 2 * V, 0);
    assert_true(2 * V + T == s->config.model.n_embd);
}

static void test_induction_head(void **state) {
    (void)state;
    subject s;
    // 3 pairs: 7 tokens, all of the vocabulary of 8 distinct but the query.
    subject_open(&s, "task.name=recall task.pool=split task.n_pairs=3 task.context_length=7 "
                     "task.vocab_size=8 model.n_embd=23 model.positions=learned "
                     "model.residual=true model.layers=[attention,attention]");
    plant_induction(&s);
    measure_heads(&s);
    check_near(value(&s, "induction.1"), 1, 1e-5);
    check_near(value(&s, "duplicate_token.1"), 0, 1e-5);
    check_near(value(&s, "previous_token.0"), 1, 1e-5);
    assert_null(fv_record_find(&s.record, "induction.repeated.1")); // the task repeats its query
    // Without the look behind it is a duplicate-token head: it looks for the token, not at itself.
    for (int v = 0; v < 8; v++) {
        *at(&s, "blocks.1.attn.W_K", 8 + v, v) = 0;
        *at(&s, "blocks.1.attn.W_K", v, v) = SHARP;
        *at(&s, "blocks.1.attn.W_K", 16, v) = 0;
        *at(&s, "blocks.1.attn.W_K", 16 + 6, v) = -SHARP;
    }
    measure_heads(&s);
    check_near(value(&s, "duplicate_token.1"), 1, 1e-5);
    check_near(value(&s, "induction.1"), 0, 1e-5);
    subject_close(&s);
}

// A task whose sequences repeat nothing for sure is measured on repeated random tokens.
static void test_induction_on_repeated_tokens(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.name=copy task.context_length=8 task.vocab_size=8 model.n_embd=24 "
                     "task.loss=last model.positions=learned model.residual=true "
                     "model.layers=[attention,attention]");
    plant_induction(&s);
    measure_heads(&s);
    check_near(value(&s, "induction.repeated.1"), 1, 1e-5);
    assert_null(fv_record_find(&s.record, "induction.1"));
    subject_close(&s);
    subject_open(&s, "task.name=copy task.context_length=3");
    measure_heads(&s);
    assert_null(fv_record_find(&s.record, "induction.repeated.0")); // nothing can repeat
    subject_close(&s);
}

// The earlier head writes direction 1 into direction 0; the later one has queries of direction 2, keys of
// direction 0 and values of direction 0: all of what it reads by keys and values, and nothing by queries.
static void test_composition_of_planted_heads(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.context_length=5 model.n_embd=6 model.residual=true "
                     "model.layers=[attention,attention]");
    *at(&s, "blocks.0.attn.W_V", 1, 0) = 3;
    *at(&s, "blocks.0.attn.W_O", 0, 0) = 2;
    *at(&s, "blocks.1.attn.W_Q", 2, 0) = 5;
    *at(&s, "blocks.1.attn.W_K", 0, 0) = 7;
    *at(&s, "blocks.1.attn.W_V", 0, 3) = 1;
    *at(&s, "blocks.1.attn.W_O", 3, 4) = 1;
    run_probe(&s, "composition", 0);
    double chance = -value(&s, "composition.Q.0.1");
    check_near(value(&s, "composition.K.0.1"), 1 - chance, 1e-6);
    check_near(value(&s, "composition.V.0.1"), 1 - chance, 1e-6);
    assert_true(chance > 0.2 && chance < 0.8);
    subject_close(&s);
}

// Heads as they are drawn compose by chance: 0 in the mean over 2 x 2 heads and three letters.
static void test_composition_by_chance(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.context_length=5 model.n_embd=32 model.n_head=2 "
                     "model.residual=true model.layers=[attention,mlp,attention]");
    fv_model_init_params(s.model, 3, s.params);
    run_probe(&s, "composition", 0);
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "composition.%c.0.h%d.1.h%d", "QKV"[i / 4], i / 2 % 2, i % 2);
        sum += value(&s, name) / 12;
    }
    check_near(sum, 0, 0.01);
    subject_close(&s);
}

// Of two heads the second alone carries the answer: without it nothing is known, and without the first nothing
// is lost. The token before is to be said, one of 4 directions in 4.
static void test_ablation_of_planted_heads(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.context_length=4 task.vocab_size=4 model.n_embd=8 "
                     "model.n_head=2 model.positions=learned model.residual=false");
    plant_previous(&s, "blocks.0.attn", 4, 4);
    for (int v = 0; v < 4; v++) {
        *at(&s, "embed.W_E", v, v) = 1;
        *at(&s, "blocks.0.attn.W_V", v, 4 + v) = 1; // of the second head
        *at(&s, "blocks.0.attn.W_O", 4 + v, v) = 1;
        *at(&s, "unembed.W_U", v, v) = SHARP;
    }
    run_probe(&s, "ablation", 0);
    check_near(value(&s, "ablation.0.h0"), 0, 1e-6);
    assert_true(value(&s, "ablation.0.h1") > 1);
    subject_close(&s);
}

// Where the vocabulary leaves room for few sequences their mean is still no sequence.
static void test_ablation_of_a_large_vocabulary(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=0 task.context_length=64 task.vocab_size=50000 model.n_embd=4 "
                     "model.layers=[attention]");
    fv_model_init_params(s.model, 3, s.params);
    for (int i = 0; i < 4; i++) *at(&s, "blocks.0.attn.W_O", i, i) += 5;
    run_probe(&s, "ablation", 0);
    assert_true(fabs(value(&s, "ablation.0")) > 1e-6);
    subject_close(&s);
}

// Uniform attention: each score is a mean of 1 / (t + 1) over the queries that are read.
static void test_uniform_attention(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.name=recall task.pool=split task.n_pairs=4 task.context_length=9 "
                     "task.vocab_size=16 model.layers=[attention,attention] model.residual=true");
    measure_heads(&s);
    double current = 0, previous = 0;
    for (int t = 0; t < 9; t++) current += 1.0 / (t + 1) / 9;
    for (int t = 1; t < 9; t++) previous += 1.0 / (t + 1) / 8;
    check_near(value(&s, "current_token.0"), current, 1e-6);
    check_near(value(&s, "previous_token.0"), previous, 1e-6);
    check_near(value(&s, "first_token.0"), previous, 1e-6);
    // The upper layer is asked at the last position only; the query occurs once before.
    check_near(value(&s, "current_token.1"), 1.0 / 9, 1e-6);
    check_near(value(&s, "previous_token.1"), 1.0 / 9, 1e-6);
    check_near(value(&s, "first_token.1"), 1.0 / 9, 1e-6);
    check_near(value(&s, "duplicate_token.1"), 1.0 / 9, 1e-6);
    check_near(value(&s, "induction.1"), 1.0 / 9, 1e-6);
    subject_close(&s);
    // Hardly any token out of 100000 comes twice by chance.
    subject_open(&s, "task.name=copy task.context_length=10 task.vocab_size=100000");
    measure_heads(&s);
    check_near(value(&s, "induction.repeated.0"), 0.1, 1e-3);
    assert_true(isnan(value(&s, "duplicate_token.0")));
    subject_close(&s);
}

// --- losses ------------------------------------------------------------------------------------

typedef struct losses {
    double by_token[8], by_position[8];
    int n_token[8], n_position[8];
} losses;

// What the probe must find, the long way round: every sequence by itself.
static losses losses_of(const subject *s, int n_sequences) {
    losses sums = {0};
    int V = s->config.task.vocab_size, n_loss;
    const int *positions = fv_model_loss_positions(s->model, &n_loss);
    int32_t tokens[8], targets[8];
    float logits[64];
    for (int i = 0; i < n_sequences; i++) {
        check_ok(fv_model_test_data(s->model, (uint64_t)s->config.train.seed, (uint64_t)i, 1,
                                    tokens, targets));
        check_ok(fv_model_logits(s->model, s->params, tokens, 1, logits, NULL));
        for (int p = 0; p < n_loss; p++) {
            if (targets[p] < 0) continue;
            double total = 0;
            for (int v = 0; v < V; v++) total += exp(logits[p * V + v]);
            double loss = log(total) - logits[p * V + targets[p]];
            sums.by_token[targets[p]] += loss;
            sums.n_token[targets[p]]++;
            sums.by_position[positions[p]] += loss;
            sums.n_position[positions[p]]++;
        }
    }
    return sums;
}

static void test_losses_by_token_and_position(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.name=copy task.offset=1 task.loss=all task.context_length=5 "
                     "task.vocab_size=6 model.n_embd=4 train.seed=3");
    run_probe(&s, "token_loss", 0);
    run_probe(&s, "position_loss", 0);
    for (int v = 0; v < 6; v++) {
        char name[32];
        snprintf(name, sizeof name, "token_loss[%d]", v);
        check_near(value(&s, name), log(6), 1e-6); // without parameters all tokens are alike
    }
    check_near(value(&s, "position_loss[4]"), log(6), 1e-6);
    fv_model_init_params(s.model, 3, s.params);
    run_probe(&s, "token_loss", 10);
    run_probe(&s, "position_loss", 10);
    losses wanted = losses_of(&s, 256);
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "token_loss[%d]", i);
        check_near(value(&s, name), wanted.by_token[i] / wanted.n_token[i], 1e-5);
        snprintf(name, sizeof name, "position_loss[%d]", i);
        if (i < 5 && wanted.n_position[i] > 0)
            check_near(value(&s, name), wanted.by_position[i] / wanted.n_position[i], 1e-5);
        else
            assert_true(isnan(value(&s, name)));
    }
    subject_close(&s);
}

// --- swaps -------------------------------------------------------------------------------------

static void test_swaps(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.vocab_size=6 model.n_embd=2");
    static const int plain[] = {0, 1, 2, 3, 4, 5}, turned[] = {2, 3, 4, 5, 0, 1},
                     swapped[] = {0, 2, 1, 3, 4, 5};
    const struct {
        const int *order;
        int step;
        double changed;
    } path[] = {{plain, 0, 0},    {turned, 10, 0}, {swapped, 20, 3},
                {swapped, 30, 0}, {plain, 40, 3},  {plain, 50, 0}};
    for (int i = 0; i < 6; i++) {
        subject_circle(at(&s, "embed.W_E", 0, 0), path[i].order, 6, 2 + i);
        run_probe(&s, "swaps", path[i].step);
        check_near(value(&s, "swaps"), path[i].changed, 0);
    }
    // 0 1 2 3 -> 0 2 1 3: the successors of 0, 1 and 2 are others, twice; that of 4 never is.
    const fv_series *next = fv_record_find(&s.record, "swaps.next[1]");
    assert_int_equal(next->n, 3);
    assert_int_equal(next->steps[1], 20);
    check_near(next->values[1], 3, 0);
    assert_int_equal(fv_record_find(&s.record, "swaps.next[4]")->n, 1);
    check_near(subject_measure(&s, "count_above(swaps, 0)"), 2, 0);
    check_near(subject_measure(&s, "count_above(swaps, 0, 25, 50)"), 1, 0);
    check_near(subject_measure(&s, "last_above(swaps, 0)"), 40, 0);
    assert_true(isnan(subject_measure(&s, "last_above(swaps, 5)")));
    subject_close(&s);
    subject_open(&s, "task.vocab_size=6 model.n_embd=3");
    run_probe(&s, "swaps", 0);
    assert_null(fv_record_find(&s.record, "swaps")); // no circle, no order
    subject_close(&s);
}

// --- separation --------------------------------------------------------------------------------

// Along a given direction: the post's circuit and s = (1, 1), and how heads add up.
static void test_forms(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "task.offset=1 task.context_length=3 model.n_embd=2 model.n_head=2 "
                     "model.positions=learned");
    const float q[] = {-0.41f, 1.35f, 0.19f, -2.25f};
    for (int i = 0; i < 4; i++) *at(&s, "blocks.0.attn.W_Q", i / 2, i % 2) = q[i];
    for (int i = 0; i < 2; i++) *at(&s, "blocks.0.attn.W_K", i, i) = 1;
    const double ones[] = {1, 1}, other[] = {2, -1};
    check_near(fv_qk_form(s.model, s.params, 0, -1, ones), -1.12, 1e-6); // -1.1 published
    check_near(fv_qk_form(s.model, s.params, 0, 0, ones), -0.41 + 0.19, 1e-6);
    check_near(fv_qk_form(s.model, s.params, 0, 1, ones), 1.35 - 2.25, 1e-6);
    check_near(fv_qk_form(s.model, s.params, 0, -1, other), 4 * -0.41 - 2 * 1.35 - 2 * 0.19 + -2.25,
               1e-5);
    assert_true(isnan(fv_qk_form(s.model, s.params, 1, -1, ones)));
    double direction[2];
    assert_false(fv_separation_fit(s.model, s.params, direction)); // all positions coincide
    *at(&s, "pos_embed.W_pos", 1, 0) = -3;                         // the one to attend to
    assert_true(fv_separation_fit(s.model, s.params, direction));
    check_near(direction[0], 1, 1e-9);
    run_probe(&s, "separation", 0);
    check_near(value(&s, "separation[1]"), -3, 1e-6);
    check_near(value(&s, "separation[2]"), 0, 1e-6);
    check_near(value(&s, "separation.circuit.h0"), -0.41, 1e-6);
    check_near(value(&s, "separation.circuit.h1"), 0, 1e-6);
    check_near(value(&s, "separation.circuit"), -0.41, 1e-6);
    subject_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_previous_token_head),
        cmocka_unit_test(test_composition_of_planted_heads),
        cmocka_unit_test(test_composition_by_chance),
        cmocka_unit_test(test_ablation_of_planted_heads),
        cmocka_unit_test(test_ablation_of_a_large_vocabulary),
        cmocka_unit_test(test_heads_have_names),
        cmocka_unit_test(test_induction_head),
        cmocka_unit_test(test_induction_on_repeated_tokens),
        cmocka_unit_test(test_uniform_attention),
        cmocka_unit_test(test_losses_by_token_and_position),
        cmocka_unit_test(test_swaps),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
