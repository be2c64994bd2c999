// Times whole training steps (fresh data, forward, backward, Adam) on one thread.
//
// Each case is held against this core's own limits, measured just before and after it: the useful
// operations over the peak of fused multiply-adds plus the exponentials over the peak of our own
// exp. "Useful" counts the textbook arrangement, computing only the positions that the loss reads;
// where attention is rearranged to need fewer operations (src/model/attention.c) the fraction can
// pass 1, and `fraction_executed` says how the operations really done compare.
#include "bench/bench.h"
#include "bench/train_cases.h"
#include "table.h"
#include "tool.h"

#include <fovea/fovea.h>
#include <string.h>

static void one_step(void *trainer) {
    fv_trainer_step(trainer, NULL);
}

typedef struct result {
    fv_config config;
    bench_time time;
    fv_limits limits;
    fv_step_cost cost;
    double limit, executed_limit; // seconds
} result;

// The limits are the best of what was seen before and after, as the clock drifts.
static fv_limits better(fv_limits a, fv_limits b) {
    if (b.fma_flops > a.fma_flops) a.fma_flops = b.fma_flops;
    if (b.exps > a.exps) a.exps = b.exps;
    return a;
}

static fv_status measure(const train_case *c, double seconds, result *r, fv_error *error) {
    fv_trainer *trainer;
    fv_limits after;
    r->config = train_case_config(c);
    fv_status status = fv_trainer_create(&r->config, 1, &trainer, error);
    if (status != FV_OK) return status;
    double share = seconds / 5 < 0.2 ? seconds / 5 : 0.2;
    fv_machine_core_limits(share, &r->limits);
    r->time = bench_measure(one_step, trainer, seconds);
    fv_machine_core_limits(share, &after);
    r->limits = better(r->limits, after);
    r->cost = fv_trainer_cost(trainer);
    double exps = r->cost.exps / r->limits.exps;
    r->limit = r->cost.flops / r->limits.fma_flops + exps;
    r->executed_limit = r->cost.executed_flops / r->limits.fma_flops + exps;
    fv_trainer_free(trainer);
    return FV_OK;
}

static int print_json(const train_case *c, const result *r) {
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s}",
        "name", c->name, "config", tool_config_json(&r->config), "median", 1e6 * r->time.median,
        "best", 1e6 * r->time.best, "slices", r->time.n, "unit", "us", "limit", 1e6 * r->limit,
        "fraction_of_limit", r->limit / r->time.median, "executed_limit", 1e6 * r->executed_limit,
        "fraction_executed", r->executed_limit / r->time.median, "flops", r->cost.flops,
        "executed_flops", r->cost.executed_flops, "exps", r->cost.exps, "peak_flops",
        r->limits.fma_flops, "peak_exps", r->limits.exps, "kernels", fv_kernels_name(), "cpu",
        fv_machine_cpu()));
}

static void add_row(table *t, const train_case *c, const result *r) {
    table_add(t, "%s", c->name);
    table_add(t, "%.2f", 1e6 * r->time.median);
    table_add(t, "%.2f", 1e6 * r->time.best);
    table_add(t, "%.2f", 1e6 * r->limit);
    table_add(t, "%.2f", r->limit / r->time.median);
    table_add(t, "%.2f", r->executed_limit / r->time.median);
    table_add(t, "%.1f", r->cost.executed_flops / r->time.median / 1e9);
}

int bench_train(const bench_options *options) {
    static const char *const HEADERS[] = {"case",     "median us", "best us", "limit us",
                                          "of limit", "executed",  "GF/s",    NULL};
    table t;
    result r;
    fv_error error;
    int n_found = 0;
    table_init(&t, 7);
    table_add_texts(&t, HEADERS);
    for (size_t i = 0; i < n_train_cases; i++) {
        if (options->only && strcmp(options->only, train_cases[i].name) != 0) continue;
        n_found++;
        bench_announce(options, train_cases[i].name);
        fv_status status = measure(&train_cases[i], options->seconds, &r, &error);
        int code = status != FV_OK ? tool_fail(&error) : 0;
        if (code == 0 && options->json) code = print_json(&train_cases[i], &r);
        if (code != 0) return table_free(&t), code;
        add_row(&t, &train_cases[i], &r);
    }
    if (n_found == 0)
        return table_free(&t),
               bench_no_case(options->only, train_cases, sizeof *train_cases, n_train_cases);
    if (!options->json) {
        bench_announce(options, NULL);
        printf("%s, %s kernels, one thread: %.1f GF/s multiply-add, %.2f G exp/s\n",
               fv_machine_cpu(), fv_kernels_name(), r.limits.fma_flops / 1e9, r.limits.exps / 1e9);
        return table_show(&t);
    }
    table_free(&t);
    return EXIT_DONE;
}
