// Times SSD and the gated delta rule over one long sequence.
//
// The limit is that of the chunked form's products alone, in chunks of 64 and with triangles
// counted half, at the peak of this core measured just before and after: of a chunk of C
// positions, keys of K and values of V
//
//     forward   SSD    C^2 (K + V) + 4 C K V          gradient   C^2 (3 K + 2 V) + 8 C K V
//               delta  C^2 (2 K + 2 V) + 6 C K V                 C^2 (6 K + 5 V) + 14 C K V
//
// operations. A gradient finds what a chunk writes and weighs once more, which counts, and states
// between those that were kept, which does not. A step moves one position of many states on: its
// limit is a loop that only reads and writes them. Processor time, as in `bench scan`.
#include "bench/bench.h"
#include "table.h"
#include "tool.h"

#include <fovea/machine.h>
#include <fovea/recurrence.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum work { FORWARD, GRADIENT, STEP } work;
enum { SSD = FV_RECURRENCE_SSD, DELTA = FV_RECURRENCE_GATED_DELTA, CHUNK = 64, N_ARRAYS = 8 };

typedef struct recurrence_case {
    const char *name;
    int rule;
    work work;
    int n, d, n_head, n_threads;
    bool full; // takes minutes or gigabytes
} recurrence_case;

static const recurrence_case CASES[] = {
    {"ssd forward d64 n16384", SSD, FORWARD, 16384, 64, 1, 1, false},
    {"ssd forward d128 n16384", SSD, FORWARD, 16384, 128, 1, 1, false},
    {"ssd gradient d64 n16384", SSD, GRADIENT, 16384, 64, 1, 1, false},
    {"ssd gradient d128 n16384", SSD, GRADIENT, 16384, 128, 1, 1, false},
    {"delta forward d64 n16384", DELTA, FORWARD, 16384, 64, 1, 1, false},
    {"delta forward d128 n16384", DELTA, FORWARD, 16384, 128, 1, 1, false},
    {"delta gradient d64 n16384", DELTA, GRADIENT, 16384, 64, 1, 1, false},
    {"delta gradient d128 n16384", DELTA, GRADIENT, 16384, 128, 1, 1, false},
    {"ssd forward d64 n1048576", SSD, FORWARD, 1 << 20, 64, 1, 1, true},
    {"delta forward d64 n1048576", DELTA, FORWARD, 1 << 20, 64, 1, 1, true},
    {"ssd gradient d64 n1048576", SSD, GRADIENT, 1 << 20, 64, 1, 1, true},
    {"delta gradient d64 n1048576", DELTA, GRADIENT, 1 << 20, 64, 1, 1, true},
    {"ssd over time d64 n16384", SSD, FORWARD, 16384, 64, 1, 2, false},
    {"ssd over heads d64 n16384", SSD, FORWARD, 16384, 64, 2, 2, false},
    {"delta over heads d64 n16384", DELTA, FORWARD, 16384, 64, 2, 2, false},
    {"ssd step d128 H1024", SSD, STEP, 1, 128, 1024, 1, false},
    {"delta step d128 H1024", DELTA, STEP, 1, 128, 1024, 1, false},
};

typedef struct bench_recurrence_state {
    fv_recurrence *recurrence;
    fv_recurrence_input input;
    fv_recurrence_gradient gradient;
    float *memory, *y, *dy, *state;
    size_t n_state;
} bench_recurrence_state;

// Keys of length 1, decays that forget within some hundred positions, rates below 1.
static void fill(const recurrence_case *c, size_t rows, float *keys, float *decays, float *rates) {
    for (size_t row = 0; row < rows; row++) {
        double square = 0;
        float *k = keys + row * (size_t)c->d;
        for (int i = 0; i < c->d; i++) square += (double)k[i] * (double)k[i];
        for (int i = 0; i < c->d; i++) k[i] *= (float)(1 / sqrt(square));
        decays[row] = -0.01f * fabsf(decays[row]);
        rates[row] = 0.5f * fabsf(rates[row]);
    }
}

static fv_status prepare(const recurrence_case *c, int n, bench_recurrence_state *s,
                         fv_error *error) {
    *s = (bench_recurrence_state){0};
    fv_recurrence_config config;
    fv_recurrence_config_init(&config);
    config.rule = c->rule;
    config.n = n;
    config.n_head = c->n_head;
    config.d_key = config.d_value = c->d;
    config.n_threads = c->n_threads;
    const size_t rows = (size_t)n * (size_t)c->n_head, size = rows * (size_t)c->d;
    const size_t states = (size_t)c->n_head * (size_t)c->d * (size_t)c->d;
    const int arrays = c->work == GRADIENT ? N_ARRAYS : 4;
    s->memory = bench_memory((states + (size_t)arrays * size + 4 * rows) * sizeof(float));
    if (s->memory == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a recurrence of %d positions", n);
    s->state = s->memory;
    s->n_state = states;
    float *p = s->memory + states, *array[N_ARRAYS] = {0};
    memset(s->state, 0, states * sizeof(float));
    for (int i = 0; i < arrays; i++, p += size) bench_fill(array[i] = p, size);
    bench_fill(p, 4 * rows);
    fill(c, rows, array[1], p, p + rows);
    s->input = (fv_recurrence_input){
        .q = array[0], .k = array[1], .v = array[2], .log_decay = p, .rate = p + rows};
    s->y = array[3];
    s->dy = array[4];
    s->gradient =
        (fv_recurrence_gradient){array[5], array[6], array[7], p + 2 * rows, p + 3 * rows, NULL};
    return fv_recurrence_create(&config, &s->recurrence, error);
}

static void forward_pass(void *context) {
    bench_recurrence_state *s = context;
    fv_recurrence_forward(s->recurrence, &s->input, s->y, NULL, false, NULL);
}

static void backward_pass(void *context) {
    bench_recurrence_state *s = context;
    fv_recurrence_backward(s->recurrence, &s->input, s->dy, NULL, &s->gradient, NULL);
}

// Reads and writes all of the states.
static void stream(void *context) {
    bench_recurrence_state *s = context;
    for (size_t i = 0; i < s->n_state; i++) s->state[i] *= 0.999f;
}

static void one_step(void *context) {
    bench_recurrence_state *s = context;
    fv_recurrence_step(s->recurrence, &s->input, s->state, s->y, NULL);
}

typedef struct result {
    bench_time time;
    double limit, flops, state_bytes, reference; // seconds; reference: of one position and head
    double peak, bandwidth;                      // operations and bytes a second
    size_t bytes;
} result;

static fv_status time_case(const recurrence_case *c, int n, double seconds, bench_time *time,
                           double *streamed, size_t *bytes, fv_error *error) {
    bench_recurrence_state s;
    fv_status status = prepare(c, n, &s, error);
    if (status == FV_OK && c->work == GRADIENT)
        status = fv_recurrence_forward(s.recurrence, &s.input, s.y, NULL, true, error);
    if (status == FV_OK) {
        *time = bench_measure(c->work == STEP       ? one_step
                              : c->work == GRADIENT ? backward_pass
                                                    : forward_pass,
                              &s, seconds);
        *streamed = c->work == STEP ? bench_measure(stream, &s, seconds).running : 0;
        *bytes = fv_recurrence_bytes(s.recurrence);
    }
    fv_recurrence_free(s.recurrence);
    free(s.memory);
    return status;
}

// The reference reads position by position, one thread.
static fv_status time_reference(const recurrence_case *c, double seconds, double *row,
                                fv_error *error) {
    recurrence_case scalar = *c;
    char name[32];
    bench_time time;
    double streamed;
    size_t bytes;
    const int n = c->work == STEP ? 1 : CHUNK;
    scalar.n_threads = 1;
    if (c->work == STEP) scalar.n_head = 16;
    snprintf(name, sizeof name, "%s", fv_kernels_name());
    fv_status status = fv_kernels_force("reference", error);
    if (status == FV_OK) status = time_case(&scalar, n, seconds, &time, &streamed, &bytes, error);
    if (status == FV_OK) *row = time.running / ((double)n * scalar.n_head);
    fv_kernels_force(name, NULL);
    return status;
}

// Operations of the products, as they stand above.
static double operations(const recurrence_case *c) {
    static const double SQUARES[2][2] = {{2, 5}, {4, 11}}, STATES[2][2] = {{4, 8}, {6, 14}};
    const double d = c->d, C = CHUNK, chunks = (double)c->n / C;
    const int back = c->work == GRADIENT;
    return chunks * c->n_head *
           (SQUARES[c->rule][back] * C * C * d + STATES[c->rule][back] * C * d * d);
}

static fv_status measure(const recurrence_case *c, double seconds, result *r, fv_error *error) {
    const double share = seconds / 5 < 0.2 ? seconds / 5 : 0.2;
    fv_limits before, after;
    double streamed = 0;
    fv_machine_core_limits(share, &before);
    fv_status status = time_case(c, c->n, seconds, &r->time, &streamed, &r->bytes, error);
    if (status == FV_OK) status = time_reference(c, share, &r->reference, error);
    if (status != FV_OK) return status;
    fv_machine_core_limits(share, &after);
    const bool steps = c->work == STEP;
    r->peak = fmax(before.fma_flops, after.fma_flops);
    r->flops = steps ? 0 : operations(c);
    r->state_bytes = steps ? 8.0 * c->d * c->d * c->n_head : 0;
    r->bandwidth = steps ? r->state_bytes / streamed : 0;
    r->limit = steps ? streamed : r->flops / r->peak / c->n_threads;
    return FV_OK;
}

// Of the limit, by processor time.
static double running_fraction(const recurrence_case *c, const result *r) {
    return r->limit * c->n_threads / r->time.running;
}
static double times_reference(const recurrence_case *c, const result *r) {
    return r->reference * c->n * c->n_head / r->time.running;
}
static const char *rule_name(const recurrence_case *c) {
    return c->rule == SSD ? "ssd" : "gated_delta";
}

static int print_json(const recurrence_case *c, const result *r) {
    json_t *config =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:b}", "recurrence.rule", rule_name(c), "recurrence.n",
                  c->n, "recurrence.d", c->d, "recurrence.n_head", c->n_head,
                  "recurrence.n_threads", c->n_threads, "recurrence.backward", c->work == GRADIENT);
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, "
        "s:f, s:f, s:s, s:s}",
        "name", c->name, "config", config, "median", 1e6 * r->time.median, "best",
        1e6 * r->time.best, "running", 1e6 * r->time.running, "slices", r->time.n, "unit", "us",
        "limit", 1e6 * r->limit, "fraction_of_limit", r->limit / r->time.median, "fraction_best",
        r->limit / r->time.best, "running_fraction", running_fraction(c, r), "flops_per_second",
        r->flops / r->time.running, "state_bytes_per_second", r->state_bytes / r->time.running,
        "times_reference", times_reference(c, r), "bytes", (json_int_t)r->bytes, "peak_flops",
        r->peak, "bandwidth", r->bandwidth, "kernels", fv_kernels_name(), "cpu", fv_machine_cpu()));
}

static void add_row(table *t, const recurrence_case *c, const result *r) {
    table_add(t, "%s", c->name);
    table_add(t, "%.3f", 1e3 * r->time.median);
    table_add(t, "%.3f", 1e3 * r->time.best);
    table_add(t, "%.3f", 1e3 * r->limit);
    table_add(t, "%.2f", r->limit / r->time.best);
    table_add(t, "%.3f", 1e3 * r->time.running);
    table_add(t, "%.2f", running_fraction(c, r));
    table_add(t, c->work == STEP ? "%.1f GB/s" : "%.1f GF/s",
              (c->work == STEP ? r->state_bytes : r->flops) / r->time.running / 1e9);
    table_add(t, "%.1f", times_reference(c, r));
}

int bench_recurrence(const bench_options *options) {
    static const char *const HEADERS[] = {"case",     "median ms",  "best ms", "limit ms",
                                          "at best",  "running ms", "running", "rate",
                                          "x scalar", NULL};
    table t;
    result r = {0};
    fv_error error;
    int n_found = 0, code = EXIT_DONE;
    table_init(&t, 9);
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
        printf("%s, %s kernels: %.1f GF/s multiply-add", fv_machine_cpu(), fv_kernels_name(),
               r.peak / 1e9);
        if (r.bandwidth > 0) printf(", %.1f GB/s of states read and written", r.bandwidth / 1e9);
        printf("\n");
        code = table_show(&t);
    }
    table_free(&t);
    return code;
}
