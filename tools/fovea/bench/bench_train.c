// Times whole training steps (fresh data, forward, backward, Adam) on one thread.
//
// Each case is held against this core's own limits, measured just before and after it: the useful
// operations over the peak of fused multiply-adds plus the exponentials over the peak of our own
// exp. "Useful" counts the textbook arrangement, computing only the positions that the loss reads;
// where attention is rearranged to need fewer operations (src/model/attention.c) the fraction can
// pass 1, and `fraction_executed` says how the operations really done compare. Drawing the data is
// no operation of a model: it is timed alone, and `fraction_with_data` adds it to the limit.
#include "bench/bench.h"
#include "bench/train_cases.h"
#include "table.h"
#include "tool.h"

#include <fovea/config.h>
#include <fovea/machine.h>
#include <fovea/train.h>
#include <string.h>

static void one_step(void *trainer) {
    fv_trainer_step(trainer, NULL);
}

static void one_draw(void *trainer) {
    fv_trainer_draw(trainer);
}

enum { MAX_SETS = 8, TURNS = 8 };

// The sets of kernels that are timed, in turns, so that what else the machine does falls on all.
typedef struct kernel_sets {
    const char *names[MAX_SETS];
    int n;
} kernel_sets;

typedef struct result {
    const char *kernels;
    fv_config config;
    fv_trainer *trainer;
    bench_slices slices, draws;
    bench_time time;
    double data; // seconds of the fastest slice of drawing
    fv_limits limits;
    fv_step_cost cost;
    double limit, executed_limit; // seconds
} result;

// The limits are the best of what was seen before, between and after, as the clock drifts.
static void see_limits(fv_limits *best, double seconds) {
    fv_limits seen;
    fv_machine_core_limits(seconds, &seen);
    if (seen.fma_flops > best->fma_flops) best->fma_flops = seen.fma_flops;
    if (seen.exps > best->exps) best->exps = seen.exps;
}

static fv_status begin(const train_case *c, const char *kernels, double share, result *r,
                       fv_error *error) {
    r->kernels = kernels;
    r->config = train_case_config(c);
    r->limits = (fv_limits){0};
    fv_status status = fv_kernels_force(kernels, error);
    if (status == FV_OK) status = fv_trainer_create(&r->config, 1, &r->trainer, error);
    if (status != FV_OK) return status;
    see_limits(&r->limits, share);
    bench_slices_begin(&r->slices, one_step, r->trainer);
    bench_slices_begin(&r->draws, one_draw, r->trainer);
    r->slices.by_thread = r->draws.by_thread = true;
    return FV_OK;
}

static fv_status one_turn(result *r, double seconds, double share, fv_error *error) {
    fv_status status = fv_kernels_force(r->kernels, error);
    if (status != FV_OK) return status;
    bench_slices_add(&r->slices, one_step, r->trainer, seconds);
    bench_slices_add(&r->draws, one_draw, r->trainer, share);
    see_limits(&r->limits, share);
    return FV_OK;
}

static void end(result *r) {
    r->time = bench_slices_end(&r->slices);
    r->data = bench_slices_end(&r->draws).best;
    r->cost = fv_trainer_cost(r->trainer);
    double exps = r->cost.exps / r->limits.exps;
    r->limit = r->cost.flops / r->limits.fma_flops + exps;
    r->executed_limit = r->cost.executed_flops / r->limits.fma_flops + exps;
}

// One case by every set, `seconds` each.
static fv_status measure(const train_case *c, const kernel_sets *sets, double seconds,
                         result results[MAX_SETS], fv_error *error) {
    double share = seconds / 5 < 0.2 ? seconds / 5 : 0.2;
    fv_status status = FV_OK;
    for (int i = 0; i < sets->n; i++) results[i].trainer = NULL;
    for (int i = 0; status == FV_OK && i < sets->n; i++)
        status = begin(c, sets->names[i], share, &results[i], error);
    for (int turn = 0; turn < TURNS; turn++)
        for (int i = 0; status == FV_OK && i < sets->n; i++)
            status = one_turn(&results[i], seconds / TURNS, share / TURNS, error);
    for (int i = 0; i < sets->n; i++) {
        if (status == FV_OK) end(&results[i]);
        fv_trainer_free(results[i].trainer);
    }
    return status;
}

static int print_json(const train_case *c, const result *r) {
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s, "
        "s:f, "
        "s:f}",
        "name", c->name, "config", tool_config_json(&r->config), "median", 1e6 * r->time.median,
        "best", 1e6 * r->time.best, "slices", r->time.n, "unit", "us", "limit", 1e6 * r->limit,
        "fraction_of_limit", r->limit / r->time.median, "executed_limit", 1e6 * r->executed_limit,
        "fraction_executed", r->executed_limit / r->time.median, "flops", r->cost.flops,
        "executed_flops", r->cost.executed_flops, "exps", r->cost.exps, "peak_flops",
        r->limits.fma_flops, "peak_exps", r->limits.exps, "kernels", r->kernels, "cpu",
        fv_machine_cpu(), "data", 1e6 * r->data, "fraction_with_data",
        (r->limit + r->data) / r->time.median));
}

static void add_row(table *t, const train_case *c, const result *r, bool several) {
    table_add(t, "%s", c->name);
    if (several) table_add(t, "%s", r->kernels);
    table_add(t, "%.2f", 1e6 * r->time.median);
    table_add(t, "%.2f", 1e6 * r->time.best);
    table_add(t, "%.2f", 1e6 * r->limit);
    table_add(t, "%.2f", r->limit / r->time.median);
    table_add(t, "%.2f", 1e6 * r->data);
    table_add(t, "%.2f", (r->limit + r->data) / r->time.median);
    table_add(t, "%.2f", r->executed_limit / r->time.median);
    table_add(t, "%.1f", r->cost.executed_flops / r->time.median / 1e9);
}

static void add_headers(table *t, bool several) {
    static const char *const HEADERS[] = {"median us", "best us", "limit us",
                                          "of limit",  "data us", "with data",
                                          "executed",  "GF/s",    NULL};
    table_init(t, several ? 10 : 9);
    table_add(t, "case");
    if (several) table_add(t, "kernels");
    table_add_texts(t, HEADERS);
}

// The reference, which is there to be compared with, is timed only where it is asked for by name.
static fv_status find_sets(const char *asked, kernel_sets *sets, fv_error *error) {
    sets->n = 0;
    if (asked && strcmp(asked, "all") == 0) {
        for (const char *name; (name = fv_kernels_nth(sets->n + 1)) && sets->n < MAX_SETS;)
            sets->names[sets->n++] = name;
        if (sets->n > 0) return FV_OK;
    }
    fv_status status = asked && sets->n == 0 ? fv_kernels_force(asked, error) : FV_OK;
    sets->names[sets->n++] = fv_kernels_name();
    return status;
}

static void print_machine(const kernel_sets *sets, const result *results) {
    printf("%s, one thread:", fv_machine_cpu());
    for (int i = 0; i < sets->n; i++)
        printf("%s %s %.1f GF/s multiply-add, %.2f G exp/s", i > 0 ? ";" : "", sets->names[i],
               results[i].limits.fma_flops / 1e9, results[i].limits.exps / 1e9);
    putchar('\n');
}

int bench_train(const bench_options *options) {
    static result results[MAX_SETS];
    kernel_sets sets;
    table t;
    fv_error error;
    int n_found = 0;
    if (find_sets(options->cpu, &sets, &error) != FV_OK) return tool_fail(&error);
    add_headers(&t, sets.n > 1);
    for (size_t i = 0; i < n_train_cases; i++) {
        const train_case *c = &train_cases[i];
        if (options->only && strcmp(options->only, c->name) != 0) continue;
        n_found++;
        bench_announce(options, c->name);
        fv_status status = measure(c, &sets, options->seconds, results, &error);
        int code = status != FV_OK ? tool_fail(&error) : 0;
        for (int k = 0; k < sets.n && code == 0; k++)
            if (options->json)
                code = print_json(c, &results[k]);
            else
                add_row(&t, c, &results[k], sets.n > 1);
        if (code != 0) return table_free(&t), code;
    }
    if (n_found == 0)
        return table_free(&t),
               bench_no_case(options->only, train_cases, sizeof *train_cases, n_train_cases);
    if (!options->json) {
        bench_announce(options, NULL);
        print_machine(&sets, results);
        return table_show(&t);
    }
    table_free(&t);
    return EXIT_DONE;
}
