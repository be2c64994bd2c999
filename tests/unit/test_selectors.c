// What a choice of keys promises: nothing reaches a key that is not kept, the control draws what it says,
// and configurations that leave nothing to choose are refused. The choices themselves are held against
// plain loops in tests/double/test_gradients.c (tests/unit/naive.h).
#include "configurations.h"
#include "model/selectors.h"

#include <fovea/train.h>

enum { L = FV_LANES, N = 6, D = 2 };

// One query over N keys; kept keys as bits of every lane. dk and dv of all keys.
typedef struct pass {
    _Alignas(64) float q[D * L], k[N * D * L], v[N * D * L], z[D * L], p[N * L];
    _Alignas(64) float dz[D * L], dq[D * L], dk[N * D * L], dv[N * D * L], scratch[N * L];
} pass;

static void go(const kernel_set *kernels, pass *a, const uint16_t *kept) {
    static const int n_keys[] = {N};
    uint64_t random = 5;
    for (int i = 0; i < N * D * L; i++) {
        a->k[i] = (float)noise(&random);
        a->v[i] = (float)noise(&random);
    }
    for (int i = 0; i < D * L; i++) a->q[i] = a->dz[i] = (float)noise(&random);
    kernel_attend_gradient job = {.forward = {.n_groups = 1,
                                              .n_queries = 1,
                                              .n_rows_keys = N,
                                              .d_key = D,
                                              .d_value = D,
                                              .n_keys = n_keys,
                                              .score = FV_KERNEL_DOT,
                                              .scale = 1,
                                              .kept = kept,
                                              .q = {a->q, D * L, 0},
                                              .k = {a->k, D * L, 0},
                                              .v = {a->v, D * L, 0},
                                              .z = {a->z, D * L, 0},
                                              .p = {a->p, N * L, 0}},
                                  .dz = {a->dz, D * L, 0},
                                  .dq = {a->dq, D * L, 0},
                                  .dk = {a->dk, D * L, 0},
                                  .dv = {a->dv, D * L, 0},
                                  .overwrite = true,
                                  .scratch = a->scratch};
    kernels->attend(&job.forward);
    kernels->attend_gradient(&job);
}

// A hard gate in front of the score hands nothing back: not little, nothing.
static void test_nothing_reaches_what_is_not_kept(void **state) {
    (void)state;
    static pass a;
    uint16_t kept[N] = {0x00ff, 0xffff, 0, 0x0f0f, 0xffff, 0xf000};
    for (const kernel_set *const *kernels = kernels_available(); *kernels; kernels++) {
        go(*kernels, &a, kept);
        for (int j = 0; j < N; j++)
            for (int f = 0; f < D; f++)
                for (int l = 0; l < L; l++) {
                    bool keeps = kept[j] >> l & 1;
                    int i = (j * D + f) * L + l;
                    assert_true((a.dk[i] != 0) == keeps && (a.dv[i] != 0) == keeps);
                    assert_true((a.p[j * L + l] != 0) == keeps);
                }
        go(*kernels, &a, NULL);
        for (int i = 0; i < N * D * L; i++) assert_true(a.dk[i] != 0);
    }
}

static void test_control_draws_by_place(void **state) {
    (void)state;
    enum { UNITS = 9 };
    real first[UNITS], again[UNITS], other[UNITS];
    selector_noise(3, 1, 2, 0, 0, 40, UNITS, first, 1);
    selector_noise(3, 1, 2, 0, 0, 40, UNITS, again, 1);
    assert_memory_equal(first, again, sizeof first);
    const struct {
        uint64_t seed;
        int layer, head;
        uint32_t step, sample;
        int query;
    } others[] = {{4, 1, 2, 0, 0, 40}, {3, 0, 2, 0, 0, 40}, {3, 1, 1, 0, 0, 40},
                  {3, 1, 2, 1, 0, 40}, {3, 1, 2, 0, 1, 40}, {3, 1, 2, 0, 0, 41}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        selector_noise(others[i].seed, others[i].layer, others[i].head, others[i].step,
                       others[i].sample, others[i].query, UNITS, other, 1);
        for (int u = 0; u < UNITS; u++) assert_true(first[u] != other[u]);
    }
    // A longer context leaves the first units as they were.
    real longer[2 * UNITS];
    selector_noise(3, 1, 2, 0, 0, 40, 2 * UNITS, longer, 1);
    assert_memory_equal(first, longer, sizeof first);
}

static void test_refusals(void **state) {
    (void)state;
    check_configuration_refused("", "model.selector_k=3", "is not read by model.selector none");
    check_configuration_refused("", "model.selector=topk model.selector_k=5",
                                "task.context_length 4 has 4 keys; it allows 1 to 4");
    check_configuration_refused("",
                                "model.selector=block_topk model.selector_block=2 "
                                "model.selector_k=3",
                                "has 2 blocks; it allows 1 to 2");
    check_configuration_refused("",
                                "model.selector=block_max model.selector_block=5 "
                                "model.selector_k=1",
                                "task.context_length 4 allows 1 to 4");
    check_configuration_refused("", "model.selector=topk model.window=2",
                                "leave one of the two out");
    check_configuration_refused("", "model.selector=topk model.selector_block=2",
                                "model.selector_block 2 is not read by");
    check_configuration_refused("",
                                "model.selector=block_topk model.selector_block=2 "
                                "model.selector_k=2 model.exclude_self=true",
                                "keeps the query's own block");
    check_configuration_refused("", "model.selector=random_topk task.context_length=5000",
                                "it allows up to 4096");
    check_configuration_refused("",
                                "model.layers=[attention(selector_k=2),attention(selector=topk)]",
                                "attention(selector_k=N) needs a selector that reads it, as in "
                                "attention(selector=topk selector_k=N), and has none");
    check_configuration_refused(
        "", "model.layers=[attention(selector=topk selector_block=2)]",
        "as in attention(selector=block_topk selector_block=N), and has topk");
    check_configuration_refused("", "model.selector=indexer train.indexer_weight=0",
                                "takes the loss from model.selector indexer");
    check_configuration_refused("",
                                "model.layers=[attention(selector=group_indexer)] "
                                "train.indexer_weight=0",
                                "takes the loss from model.selector group_indexer");
    check_configuration_refused("",
                                "model.selector=indexer model.positions=rope "
                                "model.n_embd=4 model.indexer_width=3",
                                "it must be even");
    check_configuration_refused("", "train.indexer_warmup=5", "is not read by model.selector none");
    check_configuration_refused("", "model.selector=group_indexer model.indexer_heads=3",
                                "is not read by model.selector group_indexer");
    configure("model.selector=indexer train.indexer_weight=0 train.indexer_frozen=true");
    configure("model.layers=[attention(selector=topk selector_k=2),attention]");
}

// The parameters of a run's selectors, or all others, before and after so many steps.
static double moved(const char *words, int steps, bool apart, double *loss) {
    fv_config config = configure(words);
    fv_trainer *trainer;
    check_ok(fv_trainer_create(&config, 1, &trainer, NULL));
    const fv_model *model = fv_trainer_model(trainer);
    size_t n = fv_model_n_params(model);
    float *before = malloc(n * sizeof *before);
    memcpy(before, fv_trainer_params(trainer), n * sizeof *before);
    for (int i = 0; i < steps; i++) *loss = fv_trainer_step(trainer, NULL);
    double most = 0;
    for (int i = 0; i < model->n_tensors; i++) {
        const fv_tensor *t = &model->tensors[i];
        for (size_t k = t->offset; k < t->offset + t->size && model->params[i].apart == apart; k++)
            most = fmax(most, fabs((double)fv_trainer_params(trainer)[k] - (double)before[k]));
    }
    free(before);
    fv_trainer_free(trainer);
    return most;
}

#define LEARNS                                                                                     \
    "task.vocab_size=7 task.context_length=16 task.loss=all train.batch_size=24 model.n_embd=8 "   \
    "model.n_head=2 model.layers=[attention,attention] model.residual=true model.selector_k=2 "    \
    "model.positions=learned "

// What an index learns comes from its own loss; frozen, it stays where it was. Nothing of that loss reaches
// the rest of the model, which trains the same either way while attention keeps every key.
static void test_losses_of_their_own(void **state) {
    (void)state;
    static const char *const selectors[] = {"indexer", "group_indexer"};
    for (int i = 0; i < 2; i++) {
        char words[512], frozen[640], strong[640], sparse[512];
        double loss, other, chosen;
        snprintf(words, sizeof words, LEARNS "model.selector=%s train.indexer_warmup=9",
                 selectors[i]);
        snprintf(frozen, sizeof frozen, "%s train.indexer_frozen=true", words);
        snprintf(strong, sizeof strong, "%s train.indexer_weight=7", words);
        snprintf(sparse, sizeof sparse, LEARNS "model.selector=%s", selectors[i]);
        assert_true(moved(words, 5, true, &loss) > 1e-4);
        assert_true(moved(frozen, 5, true, &other) == 0);
        assert_true(other == loss);
        assert_true(moved(strong, 5, false, &other) > 1e-4 && other == loss);
        assert_true(moved(sparse, 5, true, &chosen) > 1e-4 && chosen != loss);
    }
}

// A run keeps what its selectors learn from, layer by layer and all together.
static void test_series(void **state) {
    (void)state;
    fv_config config = configure(LEARNS "model.layers=[attention(selector=topk),"
                                        "attention(selector=indexer)] train.steps=30");
    fv_record record;
    fv_record_init(&record);
    check_ok(fv_run(&config, &(fv_run_options){.n_threads = 2}, &record, NULL));
    const fv_series *one = fv_record_find(&record, "selector_loss.1");
    const fv_series *all = fv_record_find(&record, "selector_loss");
    assert_null(fv_record_find(&record, "selector_loss.0"));
    assert_int_equal(one->n, all->n);
    for (int i = 0; i < one->n; i++)
        assert_true(one->values[i] == all->values[i] && one->values[i] > 0);
    fv_record_free(&record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_reaches_what_is_not_kept),
        cmocka_unit_test(test_control_draws_by_place), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_losses_of_their_own), cmocka_unit_test(test_series)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
