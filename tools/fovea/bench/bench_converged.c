// Does a step take longer once a training has come far? Numbers that die out as a model converges
// must not make arithmetic slower, as subnormal ones would.
//
// Two trainers of the same run, one at step 100 and one at step 18,000, take their next steps in
// turns, slice by slice, up to step 1,000 and to step 20,000. Both meet the same clock and the same
// neighbours, and time is the thread's own, which stops while another program has the core. The
// ratio is that of the two medians; the early one stands as the limit of the late one.
//
// Cases whose 20,000 steps take more than a minute are left out, but with --full.
#include "bench/bench.h"
#include "bench/train_cases.h"
#include "table.h"
#include "tool.h"

#include <fovea/config.h>
#include <fovea/machine.h>
#include <fovea/train.h>
#include <string.h>
#include <time.h>

enum {
    EARLY_FROM = 100,
    EARLY_TO = 1000,
    LATE_FROM = 18000,
    LATE_TO = 20000,
    SLICES = 50,
    LONGEST = 60, // seconds of a case without --full
};

typedef struct result {
    fv_config config;
    bench_time early, late; // of a step
    bool left_out;
} result;

static double steps(fv_trainer *trainer, int n) {
    double begun = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < n && !tool_interrupted; i++) fv_trainer_step(trainer, NULL);
    return (tool_seconds(CLOCK_THREAD_CPUTIME_ID) - begun) / n;
}

static void summarise(double *slices, bench_time *time) {
    time->n = SLICES;
    time->median = bench_sort(slices, SLICES);
    time->best = slices[0];
}

static void take_turns(fv_trainer *early, fv_trainer *late, result *r) {
    double early_slices[SLICES], late_slices[SLICES];
    for (int i = 0; i < SLICES; i++) {
        early_slices[i] = steps(early, (EARLY_TO - EARLY_FROM) / SLICES);
        late_slices[i] = steps(late, (LATE_TO - LATE_FROM) / SLICES);
    }
    summarise(early_slices, &r->early);
    summarise(late_slices, &r->late);
}

static fv_status measure(const train_case *c, bool full, result *r, fv_error *error) {
    fv_trainer *early = NULL, *late = NULL;
    *r = (result){.config = train_case_config(c)};
    fv_status status = fv_trainer_create(&r->config, 1, &early, error);
    if (status == FV_OK) status = fv_trainer_create(&r->config, 1, &late, error);
    if (status == FV_OK) {
        r->left_out = steps(early, EARLY_FROM) * LATE_TO > LONGEST && !full;
        if (!r->left_out) {
            steps(late, LATE_FROM);
            take_turns(early, late, r);
        }
    }
    fv_trainer_free(early);
    fv_trainer_free(late);
    return status;
}

static int print_json(const train_case *c, const result *r) {
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:[ii], s:[ii], s:s, s:s}", "name",
        c->name, "config", tool_config_json(&r->config), "median", 1e6 * r->late.median, "best",
        1e6 * r->late.best, "slices", r->late.n, "unit", "us", "limit", 1e6 * r->early.median,
        "limit_best", 1e6 * r->early.best, "fraction_of_limit", r->early.median / r->late.median,
        "ratio", r->late.median / r->early.median, "limit_steps", EARLY_FROM, EARLY_TO, "steps",
        LATE_FROM, LATE_TO, "kernels", fv_kernels_name(), "cpu", fv_machine_cpu()));
}

static void add_row(table *t, const train_case *c, const result *r) {
    table_add(t, "%s", c->name);
    table_add(t, "%.2f", 1e6 * r->early.median);
    table_add(t, "%.2f", 1e6 * r->late.median);
    table_add(t, "%.2f", r->late.median / r->early.median);
    table_add(t, "%.2f", r->late.best / r->early.best);
}

// One case, into the table and onto stdout; an exit code.
static int run_case(const bench_options *options, const train_case *c, table *t) {
    result r;
    fv_error error;
    bench_announce(options, c->name);
    if (measure(c, options->full || options->only, &r, &error) != FV_OK) return tool_fail(&error);
    if (r.left_out || tool_interrupted) return EXIT_DONE;
    add_row(t, c, &r);
    return options->json ? print_json(c, &r) : EXIT_DONE;
}

int bench_converged(const bench_options *options) {
    static const char *const HEADERS[] = {
        "case", "steps 100 to 1000, us", "18000 to 20000, us", "ratio", "at best", NULL};
    table t;
    int n_found = 0, code = EXIT_DONE;
    table_init(&t, 5);
    table_add_texts(&t, HEADERS);
    for (size_t i = 0; i < n_train_cases && code == EXIT_DONE && !tool_interrupted; i++) {
        if (options->only && strcmp(options->only, train_cases[i].name) != 0) continue;
        n_found++;
        code = run_case(options, &train_cases[i], &t);
    }
    if (n_found == 0)
        code = bench_no_case(options->only, train_cases, sizeof *train_cases, n_train_cases);
    if (code == EXIT_DONE && !options->json) {
        bench_announce(options, NULL);
        printf("%s, %s kernels, one thread, processor time of a step\n", fv_machine_cpu(),
               fv_kernels_name());
        code = table_show(&t);
    }
    table_free(&t);
    return code;
}
