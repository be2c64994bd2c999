// From which length on is each alternative to dense attention the faster layer?
//
// Measured is one forward pass of one layer over n positions: all linear maps of the layer and the
// mixing between them, on one thread, by the thread's own clock. A pass over the longest sequence
// gives the times of the shorter ones as it goes by, so that long lengths cost one pass in all;
// short ones are then passed again and the best counts. The times of up to a stretch of positions
// are of passes of their own.
//
//     pass:   |256|  |512|  |1024|2048|   4096|       8192|               16384| ...
//              own passes         ... stopwatch at each mark, a few single tokens, and on
#include "bench/bench.h"
#include "bench/crossover.h"
#include "study.h"
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STRETCH = 1024, TOKENS = 8 }; // of positions at a time; single tokens timed at each length

const char *const crossover_names[CROSSOVER_N_LAYERS] = {
#define NAME(name, label, about) label,
    CROSSOVER_LAYERS(NAME)
#undef NAME
};

// --- the layers ----------------------------------------------------------------------------------

static fv_mixer_config config_of(int layer, int64_t n) {
    static int64_t globals[CROSSOVER_GLOBALS];
    fv_mixer_config config;
    fv_mixer_config_init(&config);
    config.kind = layer == CROSSOVER_MAMBA ? FV_MIXER_MAMBA : FV_MIXER_ATTENTION;
    config.n = n;
    config.d_model = CROSSOVER_WIDTH;
    config.n_head = CROSSOVER_HEADS;
    if (layer == CROSSOVER_WINDOW) config.mask.window = CROSSOVER_SEEN;
    if (layer == CROSSOVER_SPARSE) {
        for (int i = 0; i < CROSSOVER_GLOBALS; i++) globals[i] = i;
        config.mask.window = CROSSOVER_LOCAL;
        config.mask.globals = globals;
        config.mask.n_globals = CROSSOVER_GLOBALS;
        config.mask.random_blocks = CROSSOVER_RANDOM;
    }
    return config;
}

// Seconds that a pass takes at the core's peak: every multiply-add of the maps and of the visible
// pairs; of Mamba's state an exponential and six operations for each number, as `bench scan` has
// it.
static fv_status limit_of(int layer, int64_t n, const fv_limits *peak, double *limit,
                          fv_error *error) {
    fv_mixer_config m = config_of(layer, n);
    double d = CROSSOVER_WIDTH, length = (double)n;
    if (layer == CROSSOVER_MAMBA) {
        double inner = (double)m.expand * d, state = (double)m.n_state, rank = d / 16;
        double maps = 2 * d * inner + inner * (rank + 2 * state) + rank * inner + inner * d;
        double flops = 2 * maps + 2 * inner * (double)m.conv_width + 6 * inner * state;
        *limit = length * (flops / peak->fma_flops + inner * state / peak->exps);
        return FV_OK;
    }
    fv_attention_config config;
    fv_attention *plan;
    fv_attention_config_init(&config);
    config.n_query = config.n_key = n;
    config.d_head = CROSSOVER_WIDTH / CROSSOVER_HEADS;
    config.mask = m.mask;
    config.n_threads = 1;
    fv_status status = fv_attention_create(&config, &plan, error);
    if (status != FV_OK) return status;
    *limit = (8 * length * d * d + 4 * d * fv_attention_pairs(plan)) / peak->fma_flops;
    fv_attention_free(plan);
    return FV_OK;
}

// What a layer made for n positions holds once it has passed as many as it takes at a time.
static fv_status memory_of(int layer, int at, const float *x, float *y, crossover *c,
                           fv_error *error) {
    int64_t n = (int64_t)c->length[at];
    fv_mixer_config config = config_of(layer, n);
    fv_mixer *mixer;
    fv_status status = fv_mixer_create(&config, &mixer, error);
    if (status == FV_OK) status = fv_mixer_forward(mixer, n < STRETCH ? n : STRETCH, x, y, error);
    if (status == FV_OK) {
        fv_mixer_memory bytes = fv_mixer_bytes(mixer);
        c->value[CROSSOVER_KEPT][layer][at] = (double)bytes.kept;
        c->value[CROSSOVER_MEMORY][layer][at] = (double)(bytes.kept + bytes.working);
    }
    fv_mixer_free(mixer);
    return status;
}

// --- passes --------------------------------------------------------------------------------------

// A layer being measured.
typedef struct bench {
    crossover *c;
    const bench_options *options;
    int layer;
    fv_mixer *mixer;
    float *x, *y; // [n][width]
    bool live;    // progress is redrawn in place
    int pass;
} bench;

static void show(const bench *b, int at) {
    if (b->live)
        fprintf(stderr, "\r\033[K%s, n = %.0f, pass %d", crossover_names[b->layer],
                b->c->length[at], b->pass + 1);
    else if (b->pass == 0)
        fprintf(stderr, "%s, n = %.0f\n", crossover_names[b->layer], b->c->length[at]);
}

static void keep_best(double seconds, double *best) {
    if (*best == 0 || seconds < *best) *best = seconds;
}

// Positions from .. to - 1 in stretches, so that an interrupt need not wait for the whole.
static fv_status go_on(bench *b, int64_t from, int64_t to, double *seconds, fv_error *error) {
    fv_status status = FV_OK;
    for (int64_t n; status == FV_OK && from < to && !tool_interrupted; from += n) {
        n = to - from < STRETCH ? to - from : STRETCH;
        double begun = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
        status = fv_mixer_forward(b->mixer, n, b->x + from * CROSSOVER_WIDTH,
                                  b->y + from * CROSSOVER_WIDTH, error);
        *seconds += tool_seconds(CLOCK_THREAD_CPUTIME_ID) - begun;
    }
    return status;
}

// Single tokens after n positions. Attention then forgets them; a state of fixed size costs the
// same wherever it is.
static fv_status time_tokens(bench *b, int at, int64_t n, fv_error *error) {
    fv_status status = FV_OK;
    double *best = &b->c->value[CROSSOVER_TOKEN][b->layer][at];
    for (int i = 0; status == FV_OK && i < TOKENS; i++) {
        double begun = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
        status = fv_mixer_forward(b->mixer, 1, b->x, b->y, error);
        keep_best(tool_seconds(CLOCK_THREAD_CPUTIME_ID) - begun, best);
    }
    if (status == FV_OK && b->layer != CROSSOVER_MAMBA)
        status = fv_mixer_rewind(b->mixer, n, error);
    return status;
}

// One pass over the first n_lengths lengths.
static fv_status one_pass(bench *b, int n_lengths, fv_error *error) {
    crossover *c = b->c;
    fv_status status = FV_OK;
    double seconds = 0;
    int64_t before = 0;
    for (int i = 0; status == FV_OK && i < n_lengths && !tool_interrupted; i++) {
        int64_t n = (int64_t)c->length[i];
        show(b, i);
        if (before < STRETCH) { // begins again
            status = fv_mixer_rewind(b->mixer, 0, error);
            before = 0;
            seconds = 0;
        }
        if (status == FV_OK) status = go_on(b, before, n, &seconds, error);
        if (status != FV_OK || tool_interrupted) break;
        keep_best(seconds, &c->value[CROSSOVER_FORWARD][b->layer][i]);
        c->passes[b->layer][i]++;
        status = time_tokens(b, i, n, error);
        before = n;
    }
    b->pass++;
    return status;
}

// Lengths, of the first n, whose passes together take no longer than `seconds`.
static int lengths_within(const crossover *c, int layer, double seconds) {
    int n = 0;
    while (n < c->n && c->value[CROSSOVER_FORWARD][layer][n] <= seconds) n++;
    return n;
}

static void update_peak(fv_limits *peak) {
    fv_limits now;
    fv_machine_core_limits(0.15, &now);
    if (now.fma_flops > peak->fma_flops) peak->fma_flops = now.fma_flops;
    if (now.exps > peak->exps) peak->exps = now.exps;
}

// A pass over everything, then passes over what takes at most a third of the time for a layer.
static fv_status measure_layer(bench *b, fv_error *error) {
    crossover *c = b->c;
    fv_status status = FV_OK;
    for (int i = 0; status == FV_OK && i < c->n; i++)
        status = memory_of(b->layer, i, b->x, b->y, c, error);
    int64_t room = (int64_t)c->length[c->n - 1] + TOKENS * CROSSOVER_MOST;
    fv_mixer_config config = config_of(b->layer, room);
    if (status == FV_OK) status = fv_mixer_create(&config, &b->mixer, error);
    if (status != FV_OK) return status;
    b->pass = 0;
    status = one_pass(b, c->n, error);
    double seconds = b->options->seconds;
    for (int n = c->n; status == FV_OK && n > 0 && !tool_interrupted; seconds /= 2) {
        n = lengths_within(c, b->layer, seconds / 3);
        double end = tool_seconds(CLOCK_MONOTONIC) + seconds;
        for (int i = 0; status == FV_OK && n > 0 && !tool_interrupted && i < 100; i++) {
            if (i >= 2 && tool_seconds(CLOCK_MONOTONIC) > end) break;
            status = one_pass(b, n, error);
        }
        if (n < 3) break;
    }
    update_peak(&c->peak);
    fv_mixer_free(b->mixer);
    b->mixer = NULL;
    return status;
}

// --- the whole -----------------------------------------------------------------------------------

// Powers of two, and the longest.
static void choose_lengths(int longest, crossover *c) {
    for (int n = CROSSOVER_SHORTEST; n < longest; n *= 2) c->length[c->n++] = n;
    c->length[c->n++] = longest;
}

// A window that the whole sequence fits into is dense attention: what is measured of either is
// measured of both.
static void join_equals(crossover *c) {
    for (int i = 0; i < c->n && c->length[i] <= CROSSOVER_SEEN; i++)
        for (int k = 0; k < CROSSOVER_N_MEASURES; k++) {
            double *dense = &c->value[k][CROSSOVER_DENSE][i];
            double *window = &c->value[k][CROSSOVER_WINDOW][i];
            *dense = *window = fmin(*dense, *window);
        }
}

static void add_hybrid(crossover *c) {
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < CROSSOVER_N_MEASURES; k++)
            c->value[k][CROSSOVER_HYBRID][i] =
                (7 * c->value[k][CROSSOVER_MAMBA][i] + c->value[k][CROSSOVER_DENSE][i]) / 8;
        c->limit[CROSSOVER_HYBRID][i] =
            (7 * c->limit[CROSSOVER_MAMBA][i] + c->limit[CROSSOVER_DENSE][i]) / 8;
    }
}

static fv_status measure(const bench_options *options, crossover *c, fv_error *error) {
    size_t n = (size_t)c->length[c->n - 1] * CROSSOVER_WIDTH;
    bench b = {.c = c, .options = options, .live = isatty(fileno(stderr))};
    b.x = malloc(n * sizeof *b.x);
    b.y = malloc(n * sizeof *b.y);
    fv_status status = FV_OK;
    if (b.x == NULL || b.y == NULL)
        status = fv_fail(error, FV_NO_MEMORY,
                         "out of memory for %.0f positions of width %d; "
                         "--max-n asks for fewer",
                         c->length[c->n - 1], CROSSOVER_WIDTH);
    else
        bench_fill(b.x, n);
    update_peak(&c->peak);
    for (; status == FV_OK && b.layer < CROSSOVER_HYBRID && !tool_interrupted; b.layer++)
        status = measure_layer(&b, error);
    if (b.live) fprintf(stderr, "\r\033[K");
    for (int layer = 0; layer < CROSSOVER_HYBRID; layer++)
        for (int i = 0; status == FV_OK && i < c->n; i++)
            status = limit_of(layer, (int64_t)c->length[i], &c->peak, &c->limit[layer][i], error);
    free(b.x);
    free(b.y);
    return status;
}

int bench_crossover(const bench_options *options) {
    static crossover c;
    fv_error error;
    if (options->only)
        return tool_usage_error("crossover has no cases of its own to choose from by --case; "
                                "--max-n N ends it at shorter sequences");
    int longest = options->max_n > 0 ? options->max_n : options->full ? CROSSOVER_LONGEST : 32768;
    int code = options->out ? study_make_folder(options->out, NULL) : EXIT_DONE;
    if (code != EXIT_DONE) return code;
    memset(&c, 0, sizeof c);
    choose_lengths(longest, &c);
    tool_catch_interrupts();
    if (measure(options, &c, &error) != FV_OK) return tool_fail(&error);
    if (tool_interrupted) {
        fprintf(stderr, "fovea: stopped before every layer was measured; nothing to compare\n");
        return EXIT_FAILED;
    }
    join_equals(&c);
    add_hybrid(&c);
    code = options->json ? crossover_print_json(&c) : crossover_print(&c);
    if (code == EXIT_DONE && options->out && crossover_draw(&c, options->out, &error) != FV_OK)
        code = tool_fail(&error);
    return code;
}
