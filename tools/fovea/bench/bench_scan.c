// Times the selective scan over one long sequence, softplus and gate included.
//
// The limit is that of the recurrence alone: an exponential and three multiply-adds for every
// number of every channel's state at every position, at the peaks of this core measured just before
// and after. The scalar C reference is timed in the same run, on a shorter sequence. Beside the
// time on the wall stands the processor time of all threads, which does not run while another
// program has the core: on a busy machine it alone says what the scan takes, updates a second and
// ratios are of it.
#include "bench/bench.h"
#include "table.h"
#include "tool.h"

#include <fovea/machine.h>
#include <fovea/scan.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum work { FORWARD, GRADIENT, STEP } work;

typedef struct scan_case {
    const char *name;
    work work;
    int n, n_channels, n_threads, segments;
    bool full; // takes minutes or gigabytes
} scan_case;

static const scan_case CASES[] = {
    {"forward E1024 n4096", FORWARD, 4096, 1024, 1, 1, false},
    {"forward E2048 n4096", FORWARD, 4096, 2048, 1, 1, false},
    {"forward E1024 n65536", FORWARD, 65536, 1024, 1, 1, true},
    {"forward E2048 n65536", FORWARD, 65536, 2048, 1, 1, true},
    {"gradient E1024 n4096", GRADIENT, 4096, 1024, 1, 1, false},
    {"gradient E2048 n4096", GRADIENT, 4096, 2048, 1, 1, false},
    {"gradient E1024 n65536", GRADIENT, 65536, 1024, 1, 1, true},
    {"one thread E128 n16384", FORWARD, 16384, 128, 1, 1, false},
    {"over time E128 n16384", FORWARD, 16384, 128, 2, 2, false},
    {"over channels E1024 n4096", FORWARD, 4096, 1024, 2, 1, false},
    {"step E1024", STEP, 1, 1024, 1, 1, false},
};

enum { N_STATE = 16, N_ARRAYS = 8 };

typedef struct bench_scan_state {
    fv_selective_scan *scan;
    fv_selective_scan_input input;
    fv_selective_scan_gradient gradient;
    float *memory, *y, *dy, *state;
    bool keep;
} bench_scan_state;

static void free_state(bench_scan_state *s) {
    fv_selective_scan_free(s->scan);
    free(s->memory);
}

// Steps between 1e-3 and 1e-1, as a model begins with.
static void fill(float *x, size_t n, float centre, float spread, float stride) {
    for (size_t i = 0; i < n; i++) x[i] = centre + spread * sinf(stride * (float)(i % 65521));
}

static fv_status prepare(const scan_case *c, int n, bench_scan_state *s, fv_error *error) {
    *s = (bench_scan_state){0};
    fv_selective_scan_config config;
    fv_selective_scan_config_init(&config);
    config.n = n;
    config.n_channels = c->n_channels;
    config.n_threads = c->n_threads;
    config.segments = c->segments;
    size_t E = (size_t)c->n_channels, rows = (size_t)n * E, maps = (size_t)n * N_STATE;
    int arrays = c->work == GRADIENT ? N_ARRAYS : 4;
    s->memory =
        malloc(((size_t)arrays * rows + 4 * maps + 3 * N_STATE * E + 4 * E) * sizeof(float));
    if (s->memory == NULL)
        return fv_fail(error, FV_NO_MEMORY,
                       "out of memory for a scan of %d positions of %d channels", n, c->n_channels);
    float *p = s->memory, *array[N_ARRAYS], *map[4];
    for (int i = 0; i < arrays; i++, p += rows)
        fill(array[i] = p, rows, 0, 1, 0.37f + 0.1f * (float)i);
    for (int i = 0; i < 4; i++, p += maps) fill(map[i] = p, maps, 0, 1, 0.7f + 0.1f * (float)i);
    fill(array[1], rows, -4.6f, 2.3f, 0.11f);
    float *A = p, *dA = A + N_STATE * E, *D = dA + N_STATE * E;
    for (size_t i = 0; i < N_STATE * E; i++) A[i] = -(float)(1 + i % N_STATE);
    fill(D, 4 * E, 0.5f, 0.5f, 0.3f);
    s->state = D + 4 * E;
    memset(s->state, 0, N_STATE * E * sizeof(float));
    s->y = array[3];
    s->input = (fv_selective_scan_input){.u = array[0],
                                         .delta = array[1],
                                         .A = A,
                                         .B = map[0],
                                         .C = map[1],
                                         .D = D,
                                         .bias = NULL,
                                         .z = array[2]};
    s->keep = c->work == GRADIENT;
    if (s->keep) {
        s->dy = array[4];
        s->gradient = (fv_selective_scan_gradient){array[5], array[6], dA,        map[2],
                                                   map[3],   D + E,    D + 2 * E, array[7]};
    }
    return fv_selective_scan_create(&config, &s->scan, error);
}

static void one_pass(void *context) {
    bench_scan_state *s = context;
    fv_selective_scan_forward(s->scan, &s->input, s->y, NULL, s->keep, NULL);
    if (s->keep) fv_selective_scan_backward(s->scan, &s->input, s->dy, &s->gradient, NULL);
}

static void one_step(void *context) {
    bench_scan_state *s = context;
    fv_selective_scan_step(s->scan, &s->input, s->state, s->y, NULL);
}

typedef struct result {
    bench_time time;
    double limit, updates, reference; // seconds; of the state's numbers; seconds an update
    fv_limits limits;
    size_t bytes;
} result;

static fv_status time_case(const scan_case *c, int n, double seconds, bench_time *time,
                           size_t *bytes, fv_error *error) {
    bench_scan_state s;
    fv_status status = prepare(c, n, &s, error);
    if (status == FV_OK) {
        *time = bench_measure(c->work == STEP ? one_step : one_pass, &s, seconds);
        *bytes = fv_selective_scan_bytes(s.scan);
    }
    free_state(&s);
    return status;
}

// Seconds an update by the scalar C reference, one thread.
static fv_status time_reference(const scan_case *c, double seconds, double *update,
                                fv_error *error) {
    enum { SHORT = 16 };
    scan_case scalar = *c;
    char name[32];
    bench_time time;
    size_t bytes;
    scalar.n_threads = scalar.segments = 1;
    int n = c->work == STEP ? 1 : SHORT;
    snprintf(name, sizeof name, "%s", fv_kernels_name());
    fv_status status = fv_kernels_force("reference", error);
    if (status == FV_OK) status = time_case(&scalar, n, seconds, &time, &bytes, error);
    if (status == FV_OK) *update = time.running / ((double)n * c->n_channels * N_STATE);
    fv_kernels_force(name, NULL);
    return status;
}

static fv_status measure(const scan_case *c, double seconds, result *r, fv_error *error) {
    double share = seconds / 5 < 0.2 ? seconds / 5 : 0.2;
    fv_limits after;
    fv_machine_core_limits(share, &r->limits);
    fv_status status = time_case(c, c->n, seconds, &r->time, &r->bytes, error);
    if (status == FV_OK) status = time_reference(c, share, &r->reference, error);
    if (status != FV_OK) return status;
    fv_machine_core_limits(share, &after);
    if (after.fma_flops > r->limits.fma_flops) r->limits.fma_flops = after.fma_flops;
    if (after.exps > r->limits.exps) r->limits.exps = after.exps;
    r->updates = (double)c->n * c->n_channels * N_STATE;
    r->limit = r->updates * (1 / r->limits.exps + 6 / r->limits.fma_flops) / c->n_threads;
    return FV_OK;
}

// Of the limit, by processor time.
static double running_fraction(const scan_case *c, const result *r) {
    return r->limit * c->n_threads / r->time.running;
}

static int print_json(const scan_case *c, const result *r) {
    json_t *config =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:b}", "scan.n", c->n, "scan.n_channels",
                  c->n_channels, "scan.n_state", N_STATE, "scan.n_threads", c->n_threads,
                  "scan.segments", c->segments, "scan.backward", c->work == GRADIENT);
    return tool_print_json(
        json_pack("{s:s, s:o, s:f, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, "
                  "s:f, s:s, s:s}",
                  "name", c->name, "config", config, "median", 1e6 * r->time.median, "best",
                  1e6 * r->time.best, "running", 1e6 * r->time.running, "slices", r->time.n, "unit",
                  "us", "limit", 1e6 * r->limit, "fraction_of_limit", r->limit / r->time.median,
                  "fraction_best", r->limit / r->time.best, "running_fraction",
                  running_fraction(c, r), "updates_per_second", r->updates / r->time.running,
                  "times_reference", r->reference * r->updates / r->time.running, "bytes",
                  (json_int_t)r->bytes, "peak_flops", r->limits.fma_flops, "peak_exps",
                  r->limits.exps, "kernels", fv_kernels_name(), "cpu", fv_machine_cpu()));
}

static void add_row(table *t, const scan_case *c, const result *r) {
    table_add(t, "%s", c->name);
    table_add(t, "%.3f", 1e3 * r->time.median);
    table_add(t, "%.3f", 1e3 * r->time.best);
    table_add(t, "%.3f", 1e3 * r->limit);
    table_add(t, "%.2f", r->limit / r->time.median);
    table_add(t, "%.2f", r->limit / r->time.best);
    table_add(t, "%.3f", 1e3 * r->time.running);
    table_add(t, "%.2f", running_fraction(c, r));
    table_add(t, "%.2f", r->updates / r->time.running / 1e9);
    table_add(t, "%.1f", r->reference * r->updates / r->time.running);
}

int bench_scan(const bench_options *options) {
    static const char *const HEADERS[] = {"case",     "median ms", "best ms",    "limit ms",
                                          "of limit", "at best",   "running ms", "running",
                                          "G upd/s",  "x scalar",  NULL};
    table t;
    result r;
    fv_error error;
    int n_found = 0, code = EXIT_DONE;
    table_init(&t, 10);
    table_add_texts(&t, HEADERS);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0] && code == EXIT_DONE; i++) {
        bool named = options->only && strcmp(options->only, CASES[i].name) == 0;
        if (options->only ? !named : CASES[i].full && !options->full) continue;
        n_found++;
        bench_announce(options, CASES[i].name);
        if (measure(&CASES[i], options->seconds, &r, &error) != FV_OK) code = tool_fail(&error);
        if (code == EXIT_DONE && options->json) code = print_json(&CASES[i], &r);
        if (code != EXIT_DONE) break;
        add_row(&t, &CASES[i], &r);
    }
    if (code == EXIT_DONE && n_found == 0)
        code = bench_no_case(options->only, CASES, sizeof CASES[0], sizeof CASES / sizeof CASES[0]);
    else if (code == EXIT_DONE && !options->json) {
        bench_announce(options, NULL);
        printf("%s, %s kernels: %.1f GF/s multiply-add, %.2f G exp/s\n", fv_machine_cpu(),
               fv_kernels_name(), r.limits.fma_flops / 1e9, r.limits.exps / 1e9);
        code = table_show(&t);
    }
    table_free(&t);
    return code;
}
