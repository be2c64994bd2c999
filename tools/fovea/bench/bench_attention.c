// Times attention over one long sequence on one thread (and once on two).
//
// The limit of forward and backward passes is this core's peak of fused multiply-adds, measured
// before and after each case: 4 d_head operations forward and 10 d_head backward for each pair of
// query and key that the mask leaves, and nothing else. Decoding is held against a loop of the
// same thread that only reads the same keys and values, before each slice.
//
// Sparse cases name the density of their mask and how many times faster they are than the dense
// case of the same size, which is timed in the same run. One-thread cases are timed by the thread's
// own clock, which does not run while another program has the core. Where blocks are selected, choosing
// them is part of the forward pass, and its operations, as a share of those of the dense pass, are added
// to the density that the speed-up is held against.
#include "bench/bench.h"
#include "table.h"
#include "tool.h"

#include <fovea/attention.h>
#include <fovea/machine.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef enum operation { FORWARD, BACKWARD, DECODE } operation;
static const char *const OPERATIONS[] = {"forward", "backward", "decode"};

typedef struct attention_case {
    const char *name;
    operation operation;
    int n, d_head, n_head, n_kv_head, n_threads;
    bool bfloat16, full; // full: only with --full
    int window, sinks, stride, random_blocks, selected;
} attention_case;

// Dense cases stand before the sparse ones of their size, and one thread before two.
static const attention_case CASES[] = {
    {"dense n4096 d64", FORWARD, 4096, 64, 1, 1, 1, .window = 0},
    {"dense n4096 d64 backward", BACKWARD, 4096, 64, 1, 1, 1, .window = 0},
    {"dense n4096 d128", FORWARD, 4096, 128, 1, 1, 1, .window = 0},
    {"dense n4096 d128 backward", BACKWARD, 4096, 128, 1, 1, 1, .window = 0},
    {"dense n16384 d64", FORWARD, 16384, 64, 1, 1, 1, .window = 0},
    {"dense n16384 d64 backward", BACKWARD, 16384, 64, 1, 1, 1, .window = 0},
    {"dense n16384 d128", FORWARD, 16384, 128, 1, 1, 1, .window = 0},
    {"dense n16384 d128 backward", BACKWARD, 16384, 128, 1, 1, 1, .window = 0},
    {"dense n65536 d64", FORWARD, 65536, 64, 1, 1, 1, .full = true},
    {"dense n65536 d64 backward", BACKWARD, 65536, 64, 1, 1, 1, .full = true},
    {"dense n65536 d128", FORWARD, 65536, 128, 1, 1, 1, .full = true},
    {"dense n65536 d128 backward", BACKWARD, 65536, 128, 1, 1, 1, .full = true},
    {"dense n16384 d64, two threads", FORWARD, 16384, 64, 1, 1, 2, .window = 0},
    {"dense n16384 d64 backward, two threads", BACKWARD, 16384, 64, 1, 1, 2, .window = 0},
    {"window 1/4", FORWARD, 16384, 64, 1, 1, 1, .window = 2195},
    {"window 1/8", FORWARD, 16384, 64, 1, 1, 1, .window = 1058},
    {"window 1/16", FORWARD, 16384, 64, 1, 1, 1, .window = 520},
    {"window 1/32", FORWARD, 16384, 64, 1, 1, 1, .window = 258},
    {"window 1/8 backward", BACKWARD, 16384, 64, 1, 1, 1, .window = 1058},
    {"window and sinks 1/4", FORWARD, 16384, 64, 1, 1, 1, .window = 2125, .sinks = 64},
    {"window and sinks 1/8", FORWARD, 16384, 64, 1, 1, 1, .window = 990, .sinks = 64},
    {"window and sinks 1/16", FORWARD, 16384, 64, 1, 1, 1, .window = 455, .sinks = 64},
    {"window and sinks 1/32", FORWARD, 16384, 64, 1, 1, 1, .window = 243, .sinks = 16},
    {"window and sinks 1/8 backward", BACKWARD, 16384, 64, 1, 1, 1, .window = 990, .sinks = 64},
    {"stride 1/4", FORWARD, 16384, 64, 1, 1, 1, .stride = 4},
    {"stride 1/8", FORWARD, 16384, 64, 1, 1, 1, .stride = 8},
    {"stride 1/16", FORWARD, 16384, 64, 1, 1, 1, .stride = 16},
    {"stride 1/32", FORWARD, 16384, 64, 1, 1, 1, .stride = 32},
    {"stride 1/8 backward", BACKWARD, 16384, 64, 1, 1, 1, .stride = 8},
    {"random blocks 1/4", FORWARD, 16384, 64, 1, 1, 1, .random_blocks = 34},
    {"random blocks 1/8", FORWARD, 16384, 64, 1, 1, 1, .random_blocks = 17},
    {"random blocks 1/16", FORWARD, 16384, 64, 1, 1, 1, .random_blocks = 8},
    {"random blocks 1/32", FORWARD, 16384, 64, 1, 1, 1, .random_blocks = 4},
    {"random blocks 1/8 backward", BACKWARD, 16384, 64, 1, 1, 1, .random_blocks = 17},
    {"selected blocks 1/4", FORWARD, 16384, 64, 1, 1, 1, .selected = 34},
    {"selected blocks 1/8", FORWARD, 16384, 64, 1, 1, 1, .selected = 17},
    {"selected blocks 1/16", FORWARD, 16384, 64, 1, 1, 1, .selected = 8},
    {"selected blocks 1/32", FORWARD, 16384, 64, 1, 1, 1, .selected = 4},
    {"selected blocks 1/4 backward", BACKWARD, 16384, 64, 1, 1, 1, .selected = 34},
    {"selected blocks 1/8 backward", BACKWARD, 16384, 64, 1, 1, 1, .selected = 17},
    {"selected blocks 1/16 backward", BACKWARD, 16384, 64, 1, 1, 1, .selected = 8},
    {"selected blocks 1/32 backward", BACKWARD, 16384, 64, 1, 1, 1, .selected = 4},
    {"window 1/32 n65536", FORWARD, 65536, 64, 1, 1, 1, .full = true, .window = 1032},
    {"window and sinks 1/32 n65536", FORWARD, 65536, 64, 1, 1, 1, .full = true, .window = 967,
     .sinks = 64},
    {"stride 1/32 n65536", FORWARD, 65536, 64, 1, 1, 1, .full = true, .stride = 32},
    {"random blocks 1/32 n65536", FORWARD, 65536, 64, 1, 1, 1, .full = true, .random_blocks = 16},
    {"window 1024 n65536", FORWARD, 65536, 64, 1, 1, 1, .window = 1024},
    {"window 1024 n262144", FORWARD, 262144, 64, 1, 1, 1, .window = 1024},
    {"window 1024 n1048576", FORWARD, 1048576, 64, 1, 1, 1, .window = 1024, .full = true},
    {"decode n131072 d128", DECODE, 131072, 128, 1, 1, 1, .window = 0},
    {"decode n131072 d128 bfloat16", DECODE, 131072, 128, 1, 1, 1, .bfloat16 = true},
    {"decode n131072 d64, 4 heads share 2", DECODE, 131072, 64, 4, 2, 1, .window = 0},
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

typedef struct result {
    bench_time time;
    double pairs, density; // of one head
    double own;            // operations of choosing, as a share of those of the dense pass
    bench_time limit;      // what it is held against
    double peak;           // operations or bytes a second
    double speed_up;       // over the dense case, or two threads over one; 0 where there is none
    double peak_memory;    // of the process so far, bytes
} result;

// Arrays of a case and the plan; what the timed function works on.
typedef struct work {
    const attention_case *c;
    fv_attention *attention;
    float *q, *k, *v, *o, *logsumexp, *d_o, *dq, *dk, *dv;
    void *memory;
    fv_error error;
} work;

static fv_attention_config config_of(const attention_case *c) {
    fv_attention_config config;
    fv_attention_config_init(&config);
    config.n_query = config.n_key = c->n;
    config.d_head = c->d_head;
    config.n_head = c->n_head;
    config.n_kv_head = c->n_kv_head;
    config.n_threads = c->n_threads;
    config.kv_type = c->bfloat16 ? FV_BFLOAT16 : FV_FLOAT32;
    config.mask.window = c->window;
    config.mask.sinks = c->sinks;
    config.mask.stride = c->stride;
    config.mask.random_blocks = c->random_blocks;
    config.mask.selected = c->selected;
    return config;
}

// Numbers of half the size, in the place of n / 2 floats.
static void to_bfloat16(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        uint16_t half = (uint16_t)(bits >> 16);
        memcpy((char *)x + i * sizeof half, &half, sizeof half);
    }
}

static fv_status work_start(work *w, const attention_case *c) {
    size_t rows = (size_t)c->n, d = (size_t)c->d_head;
    size_t kv = rows * d * (size_t)c->n_kv_head;
    size_t queries = (c->operation == DECODE ? 1 : rows) * d * (size_t)c->n_head;
    size_t gradients = c->operation == BACKWARD ? 2 * queries + 2 * kv : 0;
    size_t total = 2 * queries + 2 * kv + rows * (size_t)c->n_head + gradients;
    *w = (work){.c = c, .memory = bench_memory(total * sizeof(float))};
    if (w->memory == NULL)
        return fv_fail(&w->error, FV_NO_MEMORY, "out of memory for the case '%s'", c->name);
    fv_attention_config config = config_of(c);
    fv_status status = fv_attention_create(&config, &w->attention, &w->error);
    if (status != FV_OK) return status;
    bench_fill(w->memory, total);
    w->q = w->memory;
    w->o = w->q + queries;
    w->k = w->o + queries;
    w->v = w->k + kv;
    w->logsumexp = w->v + kv;
    if (c->bfloat16) {
        to_bfloat16(w->k, kv);
        to_bfloat16(w->v, kv);
    }
    w->d_o = w->logsumexp + rows * (size_t)c->n_head;
    w->dq = w->d_o + (gradients ? queries : 0);
    w->dk = w->dq + (gradients ? queries : 0);
    w->dv = w->dk + (gradients ? kv : 0);
    if (c->operation != BACKWARD) return FV_OK;
    if (c->selected > 0) status = fv_attention_select(w->attention, w->q, w->k, &w->error);
    if (status != FV_OK) return status;
    return fv_attention_forward(w->attention, w->q, w->k, w->v, w->o, w->logsumexp, &w->error);
}

static void work_end(work *w) {
    fv_attention_free(w->attention);
    free(w->memory);
}

static fv_status once(work *w) {
    fv_status status = FV_OK;
    switch (w->c->operation) {
    case FORWARD:
        if (w->c->selected > 0) status = fv_attention_select(w->attention, w->q, w->k, &w->error);
        if (status != FV_OK) return status;
        return fv_attention_forward(w->attention, w->q, w->k, w->v, w->o, w->logsumexp, &w->error);
    case BACKWARD:
        return fv_attention_backward(w->attention, w->q, w->k, w->v, w->o, w->logsumexp, w->d_o,
                                     w->dq, w->dk, w->dv, &w->error);
    default:
        return fv_attention_decode(w->attention, w->c->n, w->q, w->k, w->v, w->o, &w->error);
    }
}

static volatile unsigned long read_sum; // so that what is read counts as used

typedef unsigned long word __attribute__((may_alias));

// Reads keys and values in turns of RUN bytes, which is faster than one after the other.
static void read_once(const float *keys, const float *values, size_t bytes) {
    enum { RUN = 4096, WORDS = RUN / sizeof(word) };
    unsigned long sum[8] = {0};
    for (size_t at = 0; at + RUN <= bytes; at += RUN) {
        const char *const runs[] = {(const char *)keys + at, (const char *)values + at};
        for (int r = 0; r < 2; r++) {
            const word *from = (const word *)(const void *)runs[r];
            for (size_t i = 0; i < WORDS; i += 8)
                for (size_t k = 0; k < 8; k++) sum[k] += from[i + k];
        }
    }
    for (size_t k = 0; k < 8; k++) read_sum += sum[k];
}

static double amount_of(const attention_case *c, double pairs) {
    double size = c->bfloat16 ? 2 : 4;
    if (c->operation == DECODE) return 2 * size * c->n * c->d_head * c->n_kv_head;
    return (c->operation == FORWARD ? 4 : 10) * pairs * c->d_head * c->n_head;
}

// Of choosing blocks of 64: a sum over queries and keys, and a product for each pair of means.
static double own_share(const attention_case *c) {
    double rows = (c->n + 63) / 64, n = c->n;
    if (c->selected == 0 || c->operation != FORWARD) return 0;
    return (2 * n + 2 * rows * (rows + 1) / 2) / (4 * n * (n + 1) / 2);
}

// At least three slices of one call each, after one that is not counted. `limit` is filled for
// decoding alone: the loop that reads takes its turns with it, as memory is slower at some times.
static fv_status measure(work *w, double seconds, bench_time *time, bench_time *limit) {
    enum { MAX_SLICES = 4096, MIN_SLICES = 3 };
    static double slices[MAX_SLICES], reads[MAX_SLICES];
    bool reading = w->c->operation == DECODE;
    clockid_t clock = w->c->n_threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    size_t bytes = reading ? (size_t)amount_of(w->c, 0) : 0;
    *time = *limit = (bench_time){0};
    fv_status status = once(w);
    double end = tool_seconds(CLOCK_MONOTONIC) + seconds;
    while (status == FV_OK && time->n < MAX_SLICES &&
           (time->n < MIN_SLICES || tool_seconds(CLOCK_MONOTONIC) < end)) {
        double begun = tool_seconds(clock);
        if (reading) {
            read_once(w->k, w->v, bytes / 2);
            reads[limit->n++] = tool_seconds(clock) - begun;
            begun = tool_seconds(clock);
        }
        status = once(w);
        slices[time->n++] = tool_seconds(clock) - begun;
    }
    if (status != FV_OK) return status;
    time->median = bench_sort(slices, time->n);
    time->best = slices[0];
    if (!reading) return FV_OK;
    limit->median = bench_sort(reads, limit->n);
    limit->best = reads[0];
    return FV_OK;
}

static double peak_flops(double before) {
    fv_limits limits = {0};
    fv_machine_core_limits(0.15, &limits);
    return limits.fma_flops > before ? limits.fma_flops : before;
}

// The earlier case that this one is compared with: dense, one thread, the same otherwise.
static int dense_of(const attention_case *c) {
    bool dense = !c->window && !c->sinks && !c->stride && !c->random_blocks && !c->selected;
    if (c->operation == DECODE || (dense && c->n_threads == 1)) return -1;
    for (int i = 0; i < N_CASES; i++) {
        const attention_case *d = &CASES[i];
        if (d->operation == c->operation && d->n == c->n && d->d_head == c->d_head &&
            d->n_threads == 1 && !d->window && !d->sinks && !d->stride && !d->random_blocks &&
            !d->selected)
            return i;
    }
    return -1;
}

static fv_status time_case(int number, double seconds, result results[N_CASES], fv_error *error) {
    const attention_case *c = &CASES[number];
    work w;
    result *r = &results[number];
    fv_status status = work_start(&w, c);
    if (status == FV_OK) {
        bool reads = c->operation == DECODE;
        if (!reads) r->peak = peak_flops(0);
        status = measure(&w, seconds, &r->time, &r->limit);
        r->pairs = reads ? c->n : fv_attention_pairs(w.attention);
        r->density = reads ? 1 : r->pairs / (0.5 * c->n * (c->n + 1.0));
        r->own = own_share(c);
        double amount = amount_of(c, r->pairs);
        r->peak = reads ? amount / r->limit.best : peak_flops(r->peak);
        if (!reads) r->limit.best = r->limit.median = amount / (r->peak * c->n_threads);
        int dense = dense_of(c);
        if (dense >= 0 && results[dense].time.n > 0)
            r->speed_up = results[dense].time.best / r->time.best;
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__ // bytes, elsewhere units of 1,024
        r->peak_memory = (double)usage.ru_maxrss;
#else
        r->peak_memory = 1024.0 * (double)usage.ru_maxrss;
#endif
    }
    *error = w.error;
    work_end(&w);
    return status;
}

// Output ------------------------------------------------------------------------------------------

static int print_json(const attention_case *c, const result *r) {
    json_t *config = json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:i}", "operation",
        OPERATIONS[c->operation], "n", c->n, "d_head", c->d_head, "n_head", c->n_head, "n_kv_head",
        c->n_kv_head, "kv_type", c->bfloat16 ? "bfloat16" : "float32", "n_threads", c->n_threads,
        "mask.causal", 1, "mask.window", c->window, "mask.sinks", c->sinks, "mask.stride",
        c->stride, "mask.random_blocks", c->random_blocks, "mask.selected", c->selected);
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f, "
        "s:s, "
        "s:s}",
        "name", c->name, "config", config, "median", 1e3 * r->time.median, "best",
        1e3 * r->time.best, "slices", r->time.n, "unit", "ms", "limit", 1e3 * r->limit.median,
        "limit_best", 1e3 * r->limit.best, "fraction_of_limit", r->limit.median / r->time.median,
        "fraction_best", r->limit.best / r->time.best, "pairs", r->pairs, "density", r->density,
        "own_share", r->own, "peak", r->peak, "peak_unit",
        c->operation == DECODE ? "bytes/s" : "flop/s", "speed_up", r->speed_up, "peak_memory",
        r->peak_memory, "kernels", fv_kernels_name(), "cpu", fv_machine_cpu()));
}

// A number, or an empty cell where it has no meaning.
static void add_digits(table *t, bool shown, int digits, double value) {
    if (shown)
        table_add(t, "%.*f", digits, value);
    else
        table_add(t, "%s", "");
}

static void add_row(table *t, const attention_case *c, const result *r) {
    table_add(t, "%s", c->name);
    table_add(t, "%.2f", 1e3 * r->time.median);
    table_add(t, "%.2f", 1e3 * r->time.best);
    table_add(t, "%.2f", 1e3 * r->limit.median);
    table_add(t, "%.2f", r->limit.median / r->time.median);
    table_add(t, "%.2f", r->limit.best / r->time.best);
    add_digits(t, c->operation != DECODE, 4, r->density);
    add_digits(t, r->own > 0, 4, r->own);
    add_digits(t, r->speed_up > 0, 2, r->speed_up);
    add_digits(t, r->speed_up > 0 && c->n_threads == 1, 2, r->speed_up * (r->density + r->own));
}

// With a case's name, it and the case it is compared with.
static bool is_wanted(const bench_options *options, int number) {
    if (options->only == NULL) return options->full || !CASES[number].full;
    for (int i = 0; i < N_CASES; i++)
        if (strcmp(options->only, CASES[i].name) == 0)
            return number == i || number == dense_of(&CASES[i]);
    return false;
}

int bench_attention(const bench_options *options) {
    static const char *const HEADERS[] = {"case",     "median ms", "best ms", "limit ms",
                                          "of limit", "at best",   "density", "own",
                                          "speed-up", "x both",    NULL};
    static result results[N_CASES];
    table t;
    fv_error error = {0};
    int n_found = 0, code = EXIT_DONE;
    memset(results, 0, sizeof results);
    table_init(&t, 10);
    table_add_texts(&t, HEADERS);
    for (int i = 0; i < N_CASES && code == EXIT_DONE && !tool_interrupted; i++) {
        if (!is_wanted(options, i)) continue;
        n_found++;
        bench_announce(options, CASES[i].name);
        if (time_case(i, options->seconds, results, &error) != FV_OK) {
            code = tool_fail(&error);
            break;
        }
        if (options->json) code = print_json(&CASES[i], &results[i]);
        add_row(&t, &CASES[i], &results[i]);
    }
    if (n_found == 0)
        code = bench_no_case(options->only, CASES, sizeof CASES[0], sizeof CASES / sizeof CASES[0]);
    if (code == EXIT_DONE && !options->json) {
        bench_announce(options, NULL);
        printf("%s, %s kernels\n", fv_machine_cpu(), fv_kernels_name());
        code = table_show(&t);
    }
    table_free(&t);
    return code;
}
