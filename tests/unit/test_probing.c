// Probes that are measured together: readings of the same sequences get them from one pass, which
// keeps what any of them asks for and no more; and the numbers are those of each probe alone.
#include "subject.h"

#include "probes/probes.h"

// --- readings that watch what they are given
// ------------------------------------------------------

typedef struct watch {
    probe_reads reads;
    int n_pieces, n_sequences, n_kept;
    const fv_activations *activations;
    int32_t last_token; // of the last sequence
} watch;

static watch watches[3];

#define WATCH(i)                                                                                   \
    static fv_status plan_##i(const fv_model *model, probe_reads *reads, fv_error *error) {        \
        (void)model, (void)error;                                                                  \
        *reads = watches[i].reads;                                                                 \
        return FV_OK;                                                                              \
    }                                                                                              \
    static fv_status create_##i(const fv_model *model, const probe_reads *reads, void **state,     \
                                fv_error *error) {                                                 \
        (void)model, (void)reads, (void)error;                                                     \
        *state = &watches[i];                                                                      \
        return FV_OK;                                                                              \
    }                                                                                              \
    static const fv_reading reading_##i = {plan_##i, create_##i, leave, begin, take};              \
    static const fv_probe probe_##i = {"watch", "", NULL, &reading_##i, NULL, measure, false};

static void leave(void *state) {
    (void)state;
}
static void begin(void *state) {
    watch *w = state;
    w->n_pieces = w->n_sequences = 0;
}
static void take(void *state, const probe_piece *piece) {
    watch *w = state;
    w->n_pieces++;
    w->n_sequences += piece->n;
    w->n_kept = fv_activations_n(piece->activations);
    w->activations = piece->activations;
    w->last_token = piece->tokens[(piece->n - 1) * 6]; // the context is 6
}
static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    (void)record, (void)error;
    assert_non_null(view->read);
    return FV_OK;
}
WATCH(0)
WATCH(1)
WATCH(2)

static const char *words = "task.vocab_size=9 task.context_length=6 task.loss=all task.offset=1 "
                           "model.n_embd=4 model.layers=[attention*2]";

// Measures the three at two steps.
static void measure_watches(subject *s) {
    const fv_probe *probes[] = {&probe_0, &probe_1, &probe_2, &probe_0};
    fv_probing *probing;
    check_ok(fv_probing_create(s->model, probes, 4, &probing, NULL));
    for (int step = 0; step < 2; step++)
        check_ok(fv_probing_measure(probing, s->params, step, &s->record, NULL));
    fv_probing_free(probing);
}

static int32_t first_token_of(const subject *s, int sequence) {
    int32_t tokens[6], targets[6];
    uint64_t seed = (uint64_t)s->config.train.seed;
    check_ok(fv_model_test_data(s->model, seed, (uint64_t)sequence, 1, tokens, targets));
    return tokens[0];
}

static void test_one_pass_over_the_same_sequences(void **state) {
    (void)state;
    subject s;
    subject_open(&s, words);
    probe_reads reads = {FV_SEQUENCES_TEST, FV_KEEP_ALL_POSITIONS, "blocks.*.attn.hook_pattern", 40,
                         0};
    watches[0].reads = watches[1].reads = watches[2].reads = reads;
    watches[1].reads.names = "hook_embed";
    watches[1].reads.n = 20; // the first half
    watches[2].reads.sequences = FV_SEQUENCES_REPEATED;
    measure_watches(&s);
    assert_ptr_equal(watches[0].activations, watches[1].activations);
    assert_ptr_not_equal(watches[0].activations, watches[2].activations);
    assert_int_equal(watches[0].n_kept, 3); // two patterns and the embeddings
    assert_int_equal(watches[2].n_kept, 2);
    assert_int_equal(watches[0].n_pieces, 1);
    assert_int_equal(watches[0].n_sequences, 40);
    assert_int_equal(watches[1].n_sequences, 20);
    assert_int_equal(watches[0].last_token, first_token_of(&s, 39));
    assert_int_equal(watches[1].last_token, first_token_of(&s, 19));
    subject_close(&s);
}

// In the smallest pieces that one asks for; one that wants fewer sequences leaves the rest.
static void test_pieces(void **state) {
    (void)state;
    subject s;
    subject_open(&s, words);
    probe_reads reads = {FV_SEQUENCES_TEST, FV_KEEP_LOSS_POSITIONS, "logits", 70, 32};
    watches[0].reads = watches[1].reads = watches[2].reads = reads;
    watches[1].reads.n = 33;
    watches[2].reads.n = 10;
    watches[2].reads.most_at_once = 50;
    measure_watches(&s);
    static const int n_pieces[] = {3, 2, 1}, n_sequences[] = {70, 33, 10};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(watches[i].n_pieces, n_pieces[i]);
        assert_int_equal(watches[i].n_sequences, n_sequences[i]);
        assert_int_equal(watches[i].n_kept, 1);
        assert_int_equal(watches[i].last_token, first_token_of(&s, n_sequences[i] - 1));
    }
    // One that wants all of its own at once gets them at once.
    watches[2].reads.n = 40;
    watches[2].reads.most_at_once = 0;
    measure_watches(&s);
    assert_int_equal(watches[2].n_pieces, 1);
    assert_int_equal(watches[0].n_pieces, 2);
    subject_close(&s);
}

// --- the probes there are ----------------------------------------------------------------------

static void check_together(const char *configuration) {
    subject s;
    subject_open(&s, configuration);
    fv_model_init_params(s.model, 3, s.params);
    int n, n_taken = 0;
    const fv_probe *const *all = fv_probes(&n);
    const fv_probe *taken[64];
    fv_record alone;
    fv_record_init(&alone);
    for (int i = 0; i < n; i++)
        if (!all[i]->at_end && fv_probe_check(all[i], s.model, NULL) == FV_OK)
            taken[n_taken++] = all[i];
    fv_probing *probing;
    check_ok(fv_probing_create(s.model, taken, n_taken, &probing, NULL));
    for (int step = 0; step < 2; step++) {
        check_ok(fv_probing_measure(probing, s.params, step, &s.record, NULL));
        for (int i = 0; i < n_taken; i++)
            check_ok(fv_probe_measure(taken[i], s.model, s.params, step, &alone, NULL));
    }
    fv_probing_free(probing);
    assert_int_equal(s.record.n_series, alone.n_series);
    for (int i = 0; i < alone.n_series; i++) {
        const fv_series *a = &alone.series[i], *b = &s.record.series[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n, b->n);
        assert_memory_equal(a->values, b->values, (size_t)a->n * sizeof *a->values);
    }
    fv_record_free(&alone);
    subject_close(&s);
}

static void test_together_as_alone(void **state) {
    (void)state;
    check_together("task.vocab_size=12 task.context_length=8 model.n_embd=2 task.loss=all "
                   "model.positions=learned model.layers=[attention*2,mlp] model.n_head=2");
    check_together("task.name=recall task.n_pairs=3 task.vocab_size=14 task.context_length=7 "
                   "model.n_embd=4 model.layers=[mamba,attention] model.residual=true");
    check_together("task.vocab_size=12 task.context_length=8 model.n_embd=4 model.layers=[mlp]");
}

static void test_refused_models(void **state) {
    (void)state;
    subject s;
    fv_error error;
    fv_probing *probing;
    subject_open(&s, "task.vocab_size=300 model.n_embd=2");
    const fv_probe *probes[] = {fv_probe_find("token_loss"), fv_probe_find("token_groups")};
    check_ok(fv_probe_check(probes[0], s.model, NULL));
    assert_int_equal(fv_probing_create(s.model, probes, 2, &probing, &error), FV_USAGE);
    assert_string_equal(error.text,
                        "probe token_groups: task.vocab_size is 300; the probe compares all pairs "
                        "of tokens and takes at most 256");
    subject_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_pass_over_the_same_sequences),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_together_as_alone),
        cmocka_unit_test(test_refused_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
