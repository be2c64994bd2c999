// One sequence on several ranks (train.context_ranks), which are threads here: losses and gradients are those of
// one process. Tolerance: 1e-5 of the largest number of the gradient, stated before the first run.
#include "configurations.h"

#include <fovea/train.h>
#include <pthread.h>

static const double TOLERANCE = 1e-5;

enum { MOST_RANKS = 5, STEPS = 3 };

typedef struct member {
    pthread_t thread;
    const fv_config *config;
    fv_ring_local *local;
    int rank;
    fv_status status;
    fv_error error;
    double loss[STEPS], accuracy[STEPS];
    double test_loss, test_accuracy;
    float *gradient, *params; // of the first step, after the last
    fv_ranks_report report;
} member;

static void train(fv_trainer *t, member *m) {
    size_t n = fv_model_n_params(fv_trainer_model(t));
    m->gradient = malloc(n * sizeof *m->gradient);
    m->params = malloc(n * sizeof *m->params);
    for (int i = 0; i < STEPS; i++) {
        m->loss[i] = fv_trainer_step(t, &m->accuracy[i]);
        if (i == 0) memcpy(m->gradient, fv_trainer_gradient(t), n * sizeof *m->gradient);
    }
    memcpy(m->params, fv_trainer_params(t), n * sizeof *m->params);
    if (m->config->task.n_test > 0) fv_trainer_test(t, &m->test_loss, &m->test_accuracy);
    m->report = fv_trainer_ranks(t);
}

static void *run_member(void *context) {
    member *m = context;
    fv_ring_transport transport = fv_ring_local_transport(m->local, m->rank);
    fv_trainer *t = NULL;
    m->status = fv_trainer_create_rank(m->config, &transport, &t, &m->error);
    if (m->status == FV_OK)
        train(t, m);
    else
        fv_ring_local_abort(m->local);
    fv_trainer_free(t);
    return NULL;
}

static void run_ranks(const fv_config *config, int n, member *members) {
    fv_ring_local *local;
    check_ok(fv_ring_local_create(n, &local, NULL));
    for (int r = 0; r < n; r++) members[r] = (member){.config = config, .local = local, .rank = r};
    for (int r = 0; r < n; r++)
        assert_int_equal(pthread_create(&members[r].thread, NULL, run_member, &members[r]), 0);
    for (int r = 0; r < n; r++) pthread_join(members[r].thread, NULL);
    fv_ring_local_free(local);
}

static void free_member(member *m) {
    free(m->gradient);
    free(m->params);
}

// The largest difference, of the largest number.
static double apart(const float *x, const float *y, size_t n) {
    double difference = 0, largest = 1e-30;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - (double)y[i]);
        if (!(d <= difference)) difference = d; // also what is not a number
        largest = fmax(largest, fabs((double)y[i]));
    }
    return difference / largest;
}

static void check_case(const char *words, int n) {
    fv_config config = configure(words), shared = config;
    member one = {.config = &config}, members[MOST_RANKS];
    fv_trainer *t;
    check_ok(fv_trainer_create(&config, 1, &t, NULL));
    size_t n_params = fv_model_n_params(fv_trainer_model(t));
    train(t, &one);
    fv_trainer_free(t);
    shared.train.context_ranks = n;
    run_ranks(&shared, n, members);
    for (int r = 0; r < n; r++) {
        member *m = &members[r];
        if (m->status != FV_OK) fail_msg("%s, %d ranks: %s", words, n, m->error.text);
        double far = apart(m->gradient, one.gradient, n_params);
        if (!(far <= TOLERANCE))
            fail_msg("%s, rank %d of %d: the gradient is off by %g", words, r, n, far);
        for (int i = 0; i < STEPS; i++) {
            check_near(m->loss[i], one.loss[i], 1e-5 * fmax(1, fabs(one.loss[i])));
            check_near(m->accuracy[i], one.accuracy[i], 0.01);
        }
        check_near(m->test_loss, one.test_loss, 1e-5 * fmax(1, fabs(one.test_loss)));
        // All ranks took the same steps.
        assert_memory_equal(m->gradient, members[0].gradient, n_params * sizeof(float));
        assert_memory_equal(m->params, members[0].params, n_params * sizeof(float));
        assert_true(m->report.n_ranks == n && m->report.bytes_sent > 0);
        if (r > 0) free_member(m);
    }
    free_member(&members[0]);
    free_member(&one);
}

#define MODEL "model.layers=[attention,mlp,attention,mlp] model.n_embd=16 model.n_head=4 "
#define TASK  "task.name=needle task.vocab_size=16 task.context_length=37 train.batch_size=20 "

static void test_gradients(void **state) {
    (void)state;
    static const char *const CASES[] = {
        TASK MODEL "model.residual=true model.norm=rms model.positions=rope task.data=fixed "
                   "task.n_train=64 task.n_test=24 model.bias=true",
        TASK MODEL "model.positions=learned model.norm=layer model.n_kv_head=2 "
                   "model.qk_norm=head model.gate=head",
        TASK "model.layers=[attention(window=9 sinks=2),rms_norm,attention] model.n_embd=12 "
             "model.positions=alibi model.soft_cap=3 model.n_head=2 model.sink_logit=learned",
        "task.name=copy task.context_length=29 task.vocab_size=7 train.batch_size=16 "
        "model.layers=[attention*2] model.n_embd=16 model.score=euclidean model.score_beta=0.3",
        "task.name=position task.context_length=16 task.vocab_size=9 train.batch_size=33 "
        "model.layers=[attention,mlp] model.n_embd=8 model.norm=layer model.norm_place=sandwich "
        "model.tied=true train.clip_norm=0.5 train.optimizer=adamw train.weight_decay=0.1"};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int n = 2; n <= 4; n += 2) check_case(CASES[i], n);
    check_case(CASES[0], 5);
}

// Every value of every field that says what a model is made of: carried, with the gradient of one process,
// or refused by its name.
static void test_every_part(void **state) {
    (void)state;
    static const char *const FIELDS[] = {"model.layers",      "model.activation", "model.score",
                                         "model.normaliser",  "model.selector",   "model.positions",
                                         "model.norm_place",  "model.readout",    "model.qk_norm",
                                         "model.gate",        "model.sink_logit", "model.embedding",
                                         "model.rope_scaling"};
    int n_carried = 0, n_refused = 0;
    for (size_t f = 0; f < sizeof FIELDS / sizeof *FIELDS; f++)
        for (const char *const *c = fv_field_find(FIELDS[f])->choices; *c != NULL; c++) {
            char words[512];
            bool layer = f == 0;
            if (strcmp(*c, "direct") == 0) continue; // of reals, which ranks refuse with their task
            snprintf(
                words, sizeof words,
                TASK
                "model.n_embd=16 model.n_head=4 model.residual=true model.norm=rms %s%s%s=%s%s",
                layer ? "" : "model.layers=[attention,mlp,attention] ",
                strcmp(FIELDS[f], "model.rope_scaling") == 0 ? "model.positions=rope " : "",
                FIELDS[f], layer ? "[attention,mlp," : "", *c);
            if (layer) strncat(words, "]", sizeof words - strlen(words) - 1);
            fv_config config = configure(words);
            member members[MOST_RANKS];
            config.train.context_ranks = 2;
            run_ranks(&config, 2, members);
            bool carried = members[0].status == FV_OK;
            for (int r = 0; r < 2; r++) {
                const char *text = members[r].error.text;
                assert_int_equal(members[r].status, carried ? FV_OK : FV_USAGE);
                if (!carried && (strstr(text, *c) == NULL ||
                                 strstr(text, "train.context_ranks 2 does not go with") == NULL))
                    fail_msg("%s: '%s' does not name %s", words, text, *c);
                if (carried) free_member(&members[r]);
            }
            if (carried) check_case(words, 2);
            n_carried += carried;
            n_refused += !carried;
        }
    // Were nothing refused, or all, this would have tried nothing.
    assert_true(n_carried >= 30 && n_refused >= 15);
}

static void check_refused(const char *words, int n, const char *fragment) {
    fv_config config = configure(words);
    member members[MOST_RANKS];
    config.train.context_ranks = n;
    run_ranks(&config, n, members);
    for (int r = 0; r < n; r++) {
        assert_int_equal(members[r].status, FV_USAGE);
        if (strstr(members[r].error.text, fragment) == NULL)
            fail_msg("%s: '%s' does not say '%s'", words, members[r].error.text, fragment);
    }
}

static void test_refusals(void **state) {
    (void)state;
    check_refused(TASK "model.layers=[attention,mamba]", 2,
                  "train.context_ranks 2 does not go with layers of the kind mamba: they hand a "
                  "state");
    check_refused(TASK "model.selector=topk model.selector_k=3", 2, "model.selector topk: queries");
    check_refused(TASK "model.layers=[nsa]", 2, "layers of the kind nsa: blocks of keys");
    check_refused(TASK "model.normaliser=sparsemax", 2, "model.normaliser sparsemax: the ring");
    check_refused(TASK "model.exclude_self=true", 2, "model.exclude_self: in the ring");
    check_refused(TASK "model.score=harmonic model.score_power_learned=true", 2,
                  "model.score_power_learned");
    check_refused("task.name=needle task.context_length=24 task.length_min=8 task.length_step=4", 2,
                  "lengths that are drawn");
    check_refused("task.context_length=3", 2, "task.context_length must be 4 or more");
    // By name where there are no ranks, or others.
    fv_trainer *t;
    fv_error error;
    fv_config config = configure(TASK "train.context_ranks=4");
    assert_int_equal(fv_trainer_create(&config, 1, &t, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "'mpirun -n 4 fovea run FILE' starts them"));
    fv_ring_local *local;
    check_ok(fv_ring_local_create(2, &local, NULL));
    fv_ring_transport transport = fv_ring_local_transport(local, 0);
    assert_int_equal(fv_trainer_create_rank(&config, &transport, &t, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "train.context_ranks is 4 and 2 processes were started"));
    fv_ring_local_free(local);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_every_part),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
