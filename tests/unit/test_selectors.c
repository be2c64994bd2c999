// What a choice of keys promises: nothing reaches a key that is not kept, the control draws what it says,
// and configurations that leave nothing to choose are refused. The choices themselves are held against
// plain loops in tests/double/test_gradients.c (tests/unit/naive.h).
#include "configurations.h"
#include "model/selectors.h"

#include <fovea/decode.h>
#include <fovea/train.h>
#include <math.h>

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
    check_configuration_refused("",
                                "model.selector=topk model.selector_k=4 model.window=2 "
                                "model.sinks=1",
                                "a window of 2 with 1 sinks shows a query 3 keys at most; it "
                                "allows 1 to 3");
    check_configuration_refused("",
                                "model.layers=[attention(selector=block_max selector_block=3 "
                                "selector_k=4 window=3)] task.context_length=20",
                                "shows a query 2 blocks at most; it allows 1 to 2");
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
    check_configuration_refused("", "model.layers=[nsa] model.compress_block=5",
                                "task.context_length 4 allows 1 to 4");
    check_configuration_refused("", "model.layers=[nsa] model.compress_stride=3",
                                "leaves keys between two entries of model.compress_block 2; it "
                                "allows 1 to 2");
    check_configuration_refused("", "model.layers=[nsa] model.nsa_block=5",
                                "task.context_length 4 allows 1 to 4");
    check_configuration_refused(
        "", "model.layers=[nsa] model.nsa_first=2",
        "more than the model.compress_k 2 that it selects; it allows 0 to 1");
    check_configuration_refused("", "model.layers=[compressed_attention] model.nsa_first=1",
                                "is not read by");
    check_configuration_refused("", "model.layers=[nsa] model.compress_k=0",
                                "selects 1 block, the query's own, to all 2");
    check_configuration_refused("", "model.layers=[nsa] model.compress_k=3",
                                "to all 2 that task.context_length 4 has");
    check_configuration_refused("", "model.layers=[compressed_attention] model.compress_k=3",
                                "more than the 2 whole blocks");
    check_configuration_refused("",
                                "model.layers=[compressed_attention] model.n_head=2 "
                                "model.n_kv_head=3",
                                "n_kv_head must divide model.n_head 2");
    check_configuration_refused("", "model.layers=[nsa] model.positions=alibi",
                                "an entry of nsa stands for several");
    check_configuration_refused("", "model.layers=[nsa] task.context_length=5000",
                                "it allows up to 4096");
    check_configuration_refused("", "model.compress_k=3", "is not read by");
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

// --- scores that are far apart -------------------------------------------------------------------

enum { T = 12, V = 7, WIDTH = 4, BLOCK = 2, K = 3, SEQUENCES = 32 };

// A model of one head, its parameters and one sequence.
typedef struct far_model {
    fv_model *model;
    const float *params;
    const int32_t *tokens;
} far_model;

static double feature(const far_model *m, const char *weights, int t, int f) {
    const float *embedding =
        m->params + fv_model_tensor(m->model, "embed.W_E")->offset + m->tokens[t] * WIDTH;
    const float *w = m->params + fv_model_tensor(m->model, weights)->offset;
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += (double)embedding[i] * (double)w[i * WIDTH + f];
    return sum;
}

// The score of query t and the mean of keys [from, end).
static double score_of(const far_model *m, int t, int from, int end) {
    double sum = 0;
    for (int j = from; j < end; j++)
        for (int f = 0; f < WIDTH; f++)
            sum += feature(m, "blocks.0.attn.W_Q", t, f) * feature(m, "blocks.0.attn.W_K", j, f);
    return sum / sqrt(WIDTH) / (end - from);
}

// What a unit of query t's is ranked by.
static double rank_of(const far_model *m, bool means, int t, int unit) {
    int from = unit * BLOCK, end = from + BLOCK;
    double largest = -INFINITY;
    if (means) return score_of(m, t, from, end);
    for (int j = from; j < end; j++) largest = fmax(largest, score_of(m, t, j, j + 1));
    return largest;
}

// The weights of query t: softmax, or sigmoid, among the keys of its own block and of the K - 1 best before.
static void weigh_far(const far_model *m, bool means, bool alone, int t, double *p) {
    int own = t / BLOCK;
    double sum = 0, largest = -INFINITY;
    for (int j = 0; j <= t; j++) {
        int before = 0, unit = j / BLOCK;
        double rank = unit < own ? rank_of(m, means, t, unit) : 0;
        for (int u = 0; u < own && unit < own; u++) {
            double other = rank_of(m, means, t, u);
            before += other > rank || (other == rank && u < unit);
        }
        p[j] = unit == own || before < K - 1 ? score_of(m, t, j, j + 1) : -INFINITY;
        largest = fmax(largest, p[j]);
    }
    for (int j = 0; j <= t; j++) {
        p[j] = alone ? 1 / (1 + exp(log(t + 1) - p[j])) : exp(p[j] - largest);
        sum += p[j];
    }
    for (int j = 0; j <= t && !alone; j++) p[j] /= sum;
}

static void check_far_decoder(const far_model *m, const float *params,
                              const int32_t tokens[SEQUENCES][T]) {
    static float whole[SEQUENCES][T][V];
    int64_t places[T];
    float logits[T][V];
    check_ok(fv_model_logits(m->model, params, tokens[0], SEQUENCES, whole[0][0], NULL));
    for (int t = 0; t < T; t++) places[t] = t;
    for (int s = 0; s < SEQUENCES; s++) {
        fv_decoder *decoder;
        check_ok(fv_decoder_create(m->model, params, NULL, &decoder, NULL));
        check_ok(fv_decoder_read(decoder, T, tokens[s], T, places, logits[0], NULL));
        fv_decoder_free(decoder);
        for (int t = 0; t < T; t++)
            for (int v = 0; v < V; v++) {
                double want = (double)whole[s][t][v];
                check_near((double)logits[t][v], want, 1e-3 * (1 + fabs(want)));
            }
    }
}

// With scores that lie hundreds apart the best of those blocks are kept that a softmax gives nothing, too: the
// own block's mean may be far above all others, and a sigmoid weighs each key for itself. So does a decoder.
static void test_far_scores(void **state) {
    (void)state;
    static const char *const selectors[] = {"block_topk", "block_max"}, *const normalisers[] = {
                                                                            "softmax", "sigmoid"};
    for (int i = 0; i < 4; i++) {
        bool means = i % 2 == 0, alone = i / 2 == 1;
        char words[512];
        snprintf(words, sizeof words,
                 "task.context_length=%d task.vocab_size=%d task.name=copy task.loss=all "
                 "model.n_embd=%d "
                 "model.init=normal model.init_sigma=4 model.selector=%s model.selector_block=%d "
                 "model.selector_k=%d model.normaliser=%s",
                 T, V, WIDTH, selectors[i % 2], BLOCK, K, normalisers[i / 2]);
        fv_config config = configure(words);
        far_model m;
        check_ok(fv_model_create(&config, &m.model, NULL));
        float *params = malloc(fv_model_n_params(m.model) * sizeof *params);
        fv_model_init_params(m.model, 3, params);
        static int32_t tokens[SEQUENCES][T];
        static float patterns[SEQUENCES][T][T];
        uint64_t random = 11;
        for (int s = 0; s < SEQUENCES; s++)
            for (int t = 0; t < T; t++) tokens[s][t] = (int32_t)((noise(&random) + 1) / 2 * V) % V;
        check_ok(fv_model_patterns(m.model, params, tokens[0], SEQUENCES, patterns[0][0], NULL));
        m.params = params;
        for (int s = 0; s < SEQUENCES; s++)
            for (int t = 0; t < T; t++) {
                double p[T];
                m.tokens = tokens[s];
                weigh_far(&m, means, alone, t, p);
                for (int j = 0; j <= t; j++) check_near((double)patterns[s][t][j], p[j], 1e-3);
            }
        check_far_decoder(&m, params, tokens);
        free(params);
        fv_model_free(m.model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_reaches_what_is_not_kept),
                                       cmocka_unit_test(test_control_draws_by_place),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_losses_of_their_own),
                                       cmocka_unit_test(test_series),
                                       cmocka_unit_test(test_far_scores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
