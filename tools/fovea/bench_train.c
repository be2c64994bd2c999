// Times whole training steps (fresh data, forward, backward, Adam) on one thread.
//
// Each case is held against this core's own limits, measured just before and after it: the useful
// operations over the peak of fused multiply-adds plus the exponentials over the peak of our own
// exp. "Useful" counts the textbook arrangement, computing only the positions that the loss reads;
// where attention is rearranged to need fewer operations (src/model/attention.c) the fraction can
// pass 1, and `fraction_executed` says how the operations really done compare.
#include "bench.h"
#include "table.h"
#include "tool.h"

#include <fovea/fovea.h>
#include <string.h>

typedef struct train_case {
    const char *name;
    int vocab_size, n_embd, context_length, n_layers, batch_size;
    bool all_positions; // loss at every position, learned positions
    bool residual;      // with learned positions
} train_case;

static const train_case CASES[] = {
    {"last V4 d2 C4 B256", 4, 2, 4, 1, 256, false, false},
    {"last V10 d2 C4 B256", 10, 2, 4, 1, 256, false, false},
    {"last V100 d2 C4 B256", 100, 2, 4, 1, 256, false, false},
    {"last V100 d2 C4 B1024", 100, 2, 4, 1, 1024, false, false},
    {"last V100 d10 C4 B256", 100, 10, 4, 1, 256, false, false},
    {"last V100 d10 C100 B256", 100, 10, 100, 1, 256, false, false},
    {"last V1000 d2 C3 B256", 1000, 2, 3, 1, 256, false, false},
    {"all V4 d2 C4 L1", 4, 2, 4, 1, 128, true, false},
    {"all V8 d8 C8 L1", 8, 8, 8, 1, 128, true, false},
    {"all V16 d16 C16 L2", 16, 16, 16, 2, 128, true, false},
    {"all V64 d32 C32 L2", 64, 32, 32, 2, 128, true, false},
    {"all V64 d64 C64 L2", 64, 64, 64, 2, 128, true, false},
    {"all V1000 d256 C64 L2", 1000, 256, 64, 2, 128, true, false},
    {"recall V64 d32 C65 L2", 64, 32, 65, 2, 256, false, true},
    {"recall V64 d80 C65 L2", 64, 80, 65, 2, 256, false, true},
    {"recall V64 d256 C65 L2", 64, 256, 65, 2, 256, false, true},
};

static fv_config config_of(const train_case *c) {
    fv_config config;
    fv_config_init(&config);
    config.task.vocab_size = c->vocab_size;
    config.task.context_length = c->context_length;
    config.task.loss = c->all_positions ? FV_LOSS_ALL : FV_LOSS_LAST;
    config.model.n_embd = c->n_embd;
    config.model.layers.n = c->n_layers;
    for (int i = 0; i < c->n_layers; i++) config.model.layers.kind[i] = FV_LAYER_ATTENTION;
    config.model.residual = c->residual;
    if (c->all_positions || c->residual) config.model.positions = FV_POSITIONS_LEARNED;
    config.train.batch_size = c->batch_size;
    return config;
}

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
    r->config = config_of(c);
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
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (options->only && strcmp(options->only, CASES[i].name) != 0) continue;
        n_found++;
        bench_announce(options, CASES[i].name);
        fv_status status = measure(&CASES[i], options->seconds, &r, &error);
        int code = status != FV_OK ? tool_fail(&error) : 0;
        if (code == 0 && options->json) code = print_json(&CASES[i], &r);
        if (code != 0) return table_free(&t), code;
        add_row(&t, &CASES[i], &r);
    }
    if (n_found == 0)
        return table_free(&t),
               bench_no_case(options->only, CASES, sizeof CASES[0], sizeof CASES / sizeof CASES[0]);
    if (!options->json) {
        bench_announce(options, NULL);
        printf("%s, %s kernels, one thread: %.1f GF/s multiply-add, %.2f G exp/s\n",
               fv_machine_cpu(), fv_kernels_name(), r.limits.fma_flops / 1e9, r.limits.exps / 1e9);
        return table_show(&t);
    }
    table_free(&t);
    return EXIT_DONE;
}
