// Operations of a step with a selection, against a count of every query's keys by itself.
#include "configurations.h"

#include <fovea/train.h>

enum { T = 37, D = 24, BATCH = 32 };

static fv_step_cost cost_of(const char *selector) {
    char words[256];
    fv_step_cost cost;
    double tokens;
    snprintf(
        words, sizeof words,
        "task.context_length=37 model.n_embd=24 model.n_head=3 task.vocab_size=7 task.loss=all "
        "task.name=copy model.norm=rms train.batch_size=32 %s",
        selector);
    fv_config config = configure(words);
    check_ok(fv_step_cost_of(&config, &cost, &tokens, NULL));
    return cost;
}

// Multiply-adds, forward, of one sequence that `selector` leaves out or adds.
static void check_case(const char *selector, int k, int block, bool scored, bool means) {
    double pairs = 0, kept = 0, units = 0, dense = 0;
    for (int t = 0; t < T; t++)
        for (int j = 0; j <= t; j++) {
            bool own = j / block == t / block;
            pairs++;
            units += j % block == 0;
            // Which blocks a query keeps does not matter for how many keys: the first will do.
            kept += block == 1 ? j < k : own || j / block < k - 1;
        }
    fv_step_cost all = cost_of(""), cost = cost_of(selector);
    double per = 2 * 3 * (double)BATCH * D; // forward and backward
    dense = pairs - kept;
    check_near(all.flops - cost.flops, per * (dense * (scored ? 1 : 2) - (means ? units : 0)),
               1e-6 * all.flops);
    check_near(cost.executed_flops - all.executed_flops,
               per * (scored  ? pairs
                      : means ? units
                              : 0),
               1e-6 * all.flops);
    check_near(all.exps - cost.exps, scored ? 0 : (double)BATCH * 3 * dense, 1e-6 * all.exps);
}

static void test_counts(void **state) {
    (void)state;
    check_case("model.selector=topk model.selector_k=5", 5, 1, true, false);
    check_case("model.selector=random_topk model.selector_k=9", 9, 1, false, false);
    check_case("model.selector=block_topk model.selector_k=3 model.selector_block=5", 3, 5, false,
               true);
    check_case("model.selector=block_max model.selector_k=2 model.selector_block=8", 2, 8, true,
               false);
    check_case("model.selector=oracle_topk model.selector_k=4 model.selector_block=4", 4, 4, true,
               false);
    check_case("model.selector=random_topk model.selector_k=1 model.selector_block=6", 1, 6, false,
               false);
}

// Behind a window and sinks, which cut single keys evenly.
static void test_counts_behind_a_window(void **state) {
    (void)state;
    enum { K = 6, WINDOW = 9, SINKS = 3 };
    double pairs = 0, kept = 0;
    for (int t = 0; t < T; t++) {
        int seen = 0;
        for (int j = 0; j <= t; j++) seen += j > t - WINDOW || j < SINKS;
        pairs += seen;
        kept += seen < K ? seen : K;
    }
    fv_step_cost all = cost_of("model.window=9 model.sinks=3");
    fv_step_cost cost = cost_of("model.window=9 model.sinks=3 model.selector=topk "
                                "model.selector_k=6");
    double per = 2 * 3 * (double)BATCH * D;
    check_near(all.flops - cost.flops, per * (pairs - kept), 1e-6 * all.flops);
    check_near(cost.executed_flops - all.executed_flops, per * pairs, 1e-6 * all.flops);
    // Queries that see eleven blocks of one key and more have as many means.
    cost = cost_of("model.window=9 model.sinks=3 model.selector=block_topk model.selector_k=6");
    check_near(all.flops - cost.flops, per * (2 * (pairs - kept) - pairs), 1e-6 * all.flops);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts),
                                       cmocka_unit_test(test_counts_behind_a_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
