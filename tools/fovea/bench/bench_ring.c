// `fovea bench ring`: ranks as threads of this process against one rank that has everything, in
// turns. The limit is the single rank's time shared evenly; `fovea ring` measures processes.
//
// Beside the time on the wall stands the one that the ranks' threads were running: the slowest
// rank's, which other programs on the machine do not change. It counts work and copying, but not
// the waiting of one rank for another.
#include "bench/bench.h"
#include "ring/ring_data.h"
#include "ring/ring_run.h"
#include "table.h"
#include "tool.h"

#include <fovea/machine.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct ring_case {
    const char *name;
    fv_ring_layout layout;
    int64_t n;
    int d_head;
    bool backward, only_full; // only with --full
} ring_case;

enum { N_RANKS = 2, MOST_ROUNDS = 1000, FEWEST_ROUNDS = 3 };

static const ring_case CASES[] = {
    {"contiguous n8192 d64", FV_RING_CONTIGUOUS, 8192, 64, false, false},
    {"striped n8192 d64", FV_RING_STRIPED, 8192, 64, false, false},
    {"zigzag n8192 d64", FV_RING_ZIGZAG, 8192, 64, false, false},
    {"contiguous n8192 d64 backward", FV_RING_CONTIGUOUS, 8192, 64, true, false},
    {"striped n8192 d64 backward", FV_RING_STRIPED, 8192, 64, true, false},
    {"zigzag n8192 d64 backward", FV_RING_ZIGZAG, 8192, 64, true, false},
    {"zigzag n8192 d128 backward", FV_RING_ZIGZAG, 8192, 128, true, false},
    {"zigzag n65536 d64", FV_RING_ZIGZAG, 65536, 64, false, true},
    {"zigzag n65536 d64 backward", FV_RING_ZIGZAG, 65536, 64, true, true},
};

// --- ranks ---------------------------------------------------------------------------------------

typedef struct rank {
    fv_ring *ring;
    bool backward;
    float *tensors[RING_TENSORS], *logsumexp;
    double running; // seconds of the last pass that the thread ran
    fv_status status;
    fv_error error;
} rank;

static fv_status make_rank(const fv_ring_config *config, const fv_ring_transport *transport,
                           rank *r, fv_error *error) {
    ring_part part = {config, transport->n_ranks, transport->rank};
    const fv_attention_config *a = &config->attention;
    bool done = true;
    r->backward = config->gradients;
    for (int t = 0; t < RING_TENSORS; t++) {
        r->tensors[t] = malloc(ring_part_size(&part, t) * sizeof(float));
        done = done && r->tensors[t] != NULL;
        if (t <= RING_D_O && r->tensors[t] != NULL) ring_part_draw(&part, t, r->tensors[t]);
    }
    r->logsumexp = malloc((size_t)(a->n_head * ring_part_rows(&part)) * sizeof(float));
    if (!done || r->logsumexp == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a ring");
    return fv_ring_create(config, transport, &r->ring, error);
}

static void free_rank(rank *r) {
    for (int t = 0; t < RING_TENSORS; t++) free(r->tensors[t]);
    free(r->logsumexp);
    fv_ring_free(r->ring);
}

static void *run_rank(void *context) {
    rank *r = context;
    float **t = r->tensors;
    double began = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
    r->status = fv_ring_forward(r->ring, t[RING_Q], t[RING_K], t[RING_V], t[RING_O], r->logsumexp,
                                &r->error);
    if (r->status == FV_OK && r->backward)
        r->status =
            fv_ring_backward(r->ring, t[RING_Q], t[RING_K], t[RING_V], t[RING_O], r->logsumexp,
                             t[RING_D_O], t[RING_DQ], t[RING_DK], t[RING_DV], &r->error);
    r->running = tool_seconds(CLOCK_THREAD_CPUTIME_ID) - began;
    return NULL;
}

typedef struct timing {
    double wall, running; // seconds; running: of the slowest rank
} timing;

static void keep_best(timing *best, const timing *t, bool first) {
    if (first || t->wall < best->wall) best->wall = t->wall;
    if (first || t->running < best->running) best->running = t->running;
}

// One pass of one or two ranks, the first on this thread.
static fv_status pass(rank *ranks, int n, timing *out, fv_error *error) {
    pthread_t other;
    *out = (timing){0};
    double began = tool_seconds(CLOCK_MONOTONIC);
    if (n > 1 && pthread_create(&other, NULL, run_rank, &ranks[1]) != 0)
        return fv_fail(error, FV_NO_MEMORY, "cannot start a thread for a rank");
    run_rank(&ranks[0]);
    if (n > 1) pthread_join(other, NULL);
    out->wall = tool_seconds(CLOCK_MONOTONIC) - began;
    for (int i = 0; i < n; i++) {
        if (ranks[i].running > out->running) out->running = ranks[i].running;
        if (ranks[i].status == FV_OK) continue;
        *error = ranks[i].error;
        return error->status;
    }
    return FV_OK;
}

// --- a case --------------------------------------------------------------------------------------

typedef struct result {
    double median;       // seconds on the wall
    timing best, single; // of two ranks and of one
    int n;
    int64_t tiles[N_RANKS];
} result;

static fv_status take_turns(rank *single, rank *ranks, double seconds, result *out,
                            fv_error *error) {
    static double times[MOST_ROUNDS];
    double end = tool_seconds(CLOCK_MONOTONIC) + seconds;
    while (out->n < MOST_ROUNDS &&
           (out->n < FEWEST_ROUNDS || tool_seconds(CLOCK_MONOTONIC) < end)) {
        timing alone, together;
        fv_status status = pass(single, 1, &alone, error);
        if (status == FV_OK) status = pass(ranks, N_RANKS, &together, error);
        if (status != FV_OK) return status;
        keep_best(&out->single, &alone, out->n == 0);
        keep_best(&out->best, &together, out->n == 0);
        times[out->n++] = together.wall;
    }
    out->median = bench_sort(times, out->n);
    for (int i = 0; i < N_RANKS; i++) out->tiles[i] = fv_ring_last(ranks[i].ring).work.tiles;
    return FV_OK;
}

static fv_status measure(const ring_case *c, double seconds, result *out, fv_error *error) {
    fv_ring_config config = {.layout = c->layout, .gradients = c->backward};
    fv_ring_local *locals[2] = {NULL};
    rank ranks[N_RANKS] = {{0}}, single = {0};
    fv_attention_config_init(&config.attention);
    config.attention.n_query = config.attention.n_key = c->n;
    config.attention.d_head = c->d_head;
    config.attention.n_threads = 1;
    fv_status status = fv_ring_local_create(N_RANKS, &locals[0], error);
    if (status == FV_OK) status = fv_ring_local_create(1, &locals[1], error);
    for (int i = 0; status == FV_OK && i <= N_RANKS; i++) {
        bool alone = i == N_RANKS;
        fv_ring_transport transport = fv_ring_local_transport(locals[alone], alone ? 0 : i);
        status = make_rank(&config, &transport, alone ? &single : &ranks[i], error);
    }
    if (status == FV_OK) status = take_turns(&single, ranks, seconds, out, error);
    for (int i = 0; i < N_RANKS; i++) free_rank(&ranks[i]);
    free_rank(&single);
    for (int i = 0; i < 2; i++) fv_ring_local_free(locals[i]);
    return status;
}

// --- output --------------------------------------------------------------------------------------

// Ranks that have no core of their own share one.
static double limit_of(const result *r) {
    int cores = fv_machine_cores();
    return r->single.wall / (cores < N_RANKS ? cores : N_RANKS);
}

static double running_fraction(const result *r) {
    return r->single.running / N_RANKS / r->best.running;
}

static int print_json(const ring_case *c, const result *r) {
    json_t *config = json_pack("{s:s, s:I, s:i, s:i, s:b}", "layout",
                               fv_ring_layout_name(c->layout), "n", (json_int_t)c->n, "d_head",
                               c->d_head, "n_ranks", N_RANKS, "backward", c->backward);
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:I, s:I, s:s, s:s}", "name", c->name,
        "config", config, "median", r->median, "best", r->best.wall, "slices", r->n, "unit", "s",
        "limit", limit_of(r), "fraction_of_limit", limit_of(r) / r->median, "best_fraction",
        limit_of(r) / r->best.wall, "running_fraction", running_fraction(r), "tiles_rank_0",
        (json_int_t)r->tiles[0], "tiles_rank_1", (json_int_t)r->tiles[1], "kernels",
        fv_kernels_name(), "cpu", fv_machine_cpu()));
}

static void add_row(table *t, const ring_case *c, const result *r) {
    table_add(t, "%s", c->name);
    table_add(t, "%.4f", r->median);
    table_add(t, "%.4f", r->best.wall);
    table_add(t, "%.4f", limit_of(r));
    table_add(t, "%.2f", limit_of(r) / r->median);
    table_add(t, "%.2f", limit_of(r) / r->best.wall);
    table_add(t, "%.2f", running_fraction(r));
    for (int i = 0; i < N_RANKS; i++) table_add(t, "%" PRId64, r->tiles[i]);
}

int bench_ring(const bench_options *options) {
    static const char *const HEADERS[] = {
        "case",          "median s", "best s",  "limit s", "of limit",
        "best of limit", "running",  "tiles 0", "tiles 1", NULL};
    table t;
    fv_error error;
    int n_found = 0;
    table_init(&t, 9);
    table_add_texts(&t, HEADERS);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const ring_case *c = &CASES[i];
        result r = {0};
        bool chosen =
            options->only ? strcmp(options->only, c->name) == 0 : options->full || !c->only_full;
        if (!chosen) continue;
        n_found++;
        bench_announce(options, c->name);
        fv_status status = measure(c, options->seconds, &r, &error);
        int code = status != FV_OK ? tool_fail(&error) : 0;
        if (code == 0 && options->json) code = print_json(c, &r);
        if (code != 0) return table_free(&t), code;
        add_row(&t, c, &r);
    }
    if (n_found == 0)
        return table_free(&t),
               bench_no_case(options->only, CASES, sizeof CASES[0], sizeof CASES / sizeof CASES[0]);
    if (!options->json) {
        bench_announce(options, NULL);
        printf("%s, %s kernels, %d ranks as threads on %d cores\n", fv_machine_cpu(),
               fv_kernels_name(), N_RANKS, fv_machine_cores());
        return table_show(&t);
    }
    table_free(&t);
    return EXIT_DONE;
}
