// What a choice of keys promises: nothing reaches a key that is not kept, the control draws what it says,
// and configurations that leave nothing to choose are refused. The choices themselves are held against
// plain loops in tests/double/test_gradients.c (tests/unit/naive.h).
#include "configurations.h"
#include "model/selectors.h"

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
    configure("model.layers=[attention(selector=topk selector_k=2),attention]");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_reaches_what_is_not_kept),
                                       cmocka_unit_test(test_control_draws_by_place),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
