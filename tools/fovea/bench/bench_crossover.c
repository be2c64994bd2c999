// From which length on is each alternative to dense attention the faster layer?
//
// Measured is one forward pass of a model of one layer over n positions, by the decoder
// (fovea/decode.h): all linear maps of the layer and the mixing between them, and beside them an
// embedding and an unembedding of sixteen tokens, on one thread, by the thread's own clock. A pass
// over the longest sequence gives the times of the shorter ones as it goes by, so that long lengths
// cost one pass in all; short ones are then passed again and the best counts. The times of up to a
// piece of positions are of passes of their own.
//
//     pass:   |256|  |512|  |1024|2048|   4096|       8192|               16384| ...
//              own passes         ... stopwatch at each mark, a few single tokens, and on
#include "bench/bench.h"
#include "bench/crossover.h"
#include "study_console.h"
#include "tool.h"

#include <fovea/attention.h>
#include <fovea/config.h>
#include <fovea/decode.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE = 1024, // positions at a time
    TOKENS = 8,   // single ones timed at each length
    CROSSOVER_VOCAB = 16,
};

const char *const crossover_names[CROSSOVER_N_LAYERS] = {
#define NAME(name, label, about) label,
    CROSSOVER_LAYERS(NAME)
#undef NAME
};

// --- the layers ----------------------------------------------------------------------------------

// A model of one layer with the parameters that training would begin with.
typedef struct drawn {
    fv_model *model;
    float *params;
} drawn;

static fv_status draw_layer(int layer, drawn *m, fv_error *error) {
    const char *const settings[][2] = {
        {"model.layers", layer == CROSSOVER_MAMBA            ? "[mamba]"
                         : layer == CROSSOVER_MAMBA2         ? "[mamba2]"
                         : layer == CROSSOVER_GATED_DELTANET ? "[gated_deltanet]"
                                                             : "[attention]"},
        {"model.mamba_state", layer == CROSSOVER_MAMBA2 ? "64" : "16"},
        {"model.n_embd", "512"},
        {"model.n_head", layer == CROSSOVER_MAMBA ? "1" : "8"},
        {"task.vocab_size", "16"},
        {"train.batch_size", "1"}};
    _Static_assert(CROSSOVER_WIDTH == 512 && CROSSOVER_HEADS == 8 && CROSSOVER_VOCAB == 16,
                   "the settings say the same");
    fv_config config;
    fv_config_init(&config);
    fv_status status = FV_OK;
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == FV_OK; i++)
        status = fv_config_set(&config, settings[i][0], settings[i][1], error);
    if (status == FV_OK) status = fv_model_create(&config, &m->model, error);
    if (status != FV_OK) return status;
    m->params = malloc(fv_model_n_params(m->model) * sizeof *m->params);
    if (m->params == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a layer");
    fv_model_init_params(m->model, 0, m->params);
    return FV_OK;
}

static void drawn_free(drawn *m) {
    fv_model_free(m->model);
    free(m->params);
    *m = (drawn){0};
}

static bool keeps_state(int layer) {
    return layer == CROSSOVER_MAMBA || layer == CROSSOVER_MAMBA2 ||
           layer == CROSSOVER_GATED_DELTANET;
}

// What an attention layer sees.
static fv_attention_mask mask_of(int layer) {
    static int64_t globals[CROSSOVER_GLOBALS];
    fv_attention_mask mask = {.causal = true};
    if (layer == CROSSOVER_WINDOW) mask.window = CROSSOVER_SEEN;
    if (layer == CROSSOVER_SPARSE) {
        for (int i = 0; i < CROSSOVER_GLOBALS; i++) globals[i] = i;
        mask.window = CROSSOVER_LOCAL;
        mask.globals = globals;
        mask.n_globals = CROSSOVER_GLOBALS;
        mask.random_blocks = CROSSOVER_RANDOM;
    }
    return mask;
}

static fv_status make_decoder(int layer, const drawn *m, int64_t n, fv_decoder **decoder,
                              fv_error *error) {
    fv_attention_mask mask = mask_of(layer);
    fv_decoder_options options = {.n = n, .n_threads = 1, .mask = &mask};
    return fv_decoder_create(m->model, m->params, &options, decoder, error);
}

// Seconds that a pass takes at the core's peak: every multiply-add of the maps and of the visible
// pairs; of Mamba's state an exponential and six operations for each number, as `bench scan` has
// it; of states that are matrices a decay and two multiply-adds, by the delta rule three.
static fv_status limit_of(int layer, int64_t n, const fv_limits *peak, double *limit,
                          fv_error *error) {
    double d = CROSSOVER_WIDTH, length = (double)n;
    if (layer == CROSSOVER_MAMBA) {
        double inner = 2 * d, state = 16, taps = 4, rank = d / 16;
        double maps = 2 * d * inner + inner * (rank + 2 * state) + rank * inner + inner * d;
        double flops = 2 * maps + 2 * inner * taps + 6 * inner * state;
        *limit = length * (flops / peak->fma_flops + inner * state / peak->exps);
        return FV_OK;
    }
    if (keeps_state(layer)) {
        const bool is_mamba = layer == CROSSOVER_MAMBA2;
        double heads = CROSSOVER_HEADS, K = 64, taps = 4, V = is_mamba ? 128 : 64;
        double keys = is_mamba ? K : heads * K, values = heads * V; // Mamba-2's heads share keys
        double maps = d * (2 * keys + 3 * values + (is_mamba ? 1 : 2) * heads);
        double state = heads * K * V * (is_mamba ? 5 : 7);
        double flops = 2 * maps + 2 * taps * (2 * keys + values) + state;
        *limit = length * flops / peak->fma_flops;
        return FV_OK;
    }
    fv_attention_config config;
    fv_attention *plan;
    fv_attention_config_init(&config);
    config.n_query = config.n_key = n;
    config.d_head = CROSSOVER_WIDTH / CROSSOVER_HEADS;
    config.mask = mask_of(layer);
    config.n_threads = 1;
    fv_status status = fv_attention_create(&config, &plan, error);
    if (status != FV_OK) return status;
    *limit = (8 * length * d * d + 4 * d * fv_attention_pairs(plan)) / peak->fma_flops;
    fv_attention_free(plan);
    return FV_OK;
}

// A layer being measured.
typedef struct bench {
    crossover *c;
    const bench_options *options;
    int layer;
    drawn drawn;
    fv_decoder *decoder;
    int32_t tokens[PIECE]; // of every piece
    float *logits;         // [PIECE][CROSSOVER_VOCAB]
    bool live;             // progress is redrawn in place
    int pass;
} bench;

// The next n tokens, of which each is asked what comes next: nothing of the layer is left out.
static fv_status read_on(bench *b, fv_decoder *decoder, int64_t n, fv_error *error) {
    int64_t asked[PIECE];
    for (int64_t i = 0; i < n; i++) asked[i] = fv_decoder_seen(decoder) + i;
    return fv_decoder_read(decoder, n, b->tokens, n, asked, b->logits, error);
}

// What a layer made for n positions holds once it has passed as many as it takes at a time.
static fv_status memory_of(bench *b, int at, fv_error *error) {
    crossover *c = b->c;
    int64_t n = (int64_t)c->length[at];
    fv_decoder *decoder;
    fv_status status = make_decoder(b->layer, &b->drawn, n, &decoder, error);
    if (status != FV_OK) return status;
    status = read_on(b, decoder, n < PIECE ? n : PIECE, error);
    fv_decoder_memory bytes = fv_decoder_bytes(decoder);
    c->value[CROSSOVER_KEPT][b->layer][at] = (double)bytes.kept;
    c->value[CROSSOVER_MEMORY][b->layer][at] = (double)(bytes.kept + bytes.working);
    fv_decoder_free(decoder);
    return status;
}

// --- passes --------------------------------------------------------------------------------------

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

// Positions from .. to - 1 in pieces, so that an interrupt need not wait for the whole.
static fv_status go_on(bench *b, int64_t from, int64_t to, double *seconds, fv_error *error) {
    fv_status status = FV_OK;
    for (int64_t n; status == FV_OK && from < to && !tool_interrupted; from += n) {
        n = to - from < PIECE ? to - from : PIECE;
        double begun = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
        status = read_on(b, b->decoder, n, error);
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
        status = read_on(b, b->decoder, 1, error);
        keep_best(tool_seconds(CLOCK_THREAD_CPUTIME_ID) - begun, best);
    }
    if (status == FV_OK && !keeps_state(b->layer)) status = fv_decoder_rewind(b->decoder, n, error);
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
        if (before < PIECE) { // begins again
            status = fv_decoder_rewind(b->decoder, 0, error);
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
static fv_status pass_again(bench *b, fv_error *error) {
    crossover *c = b->c;
    b->pass = 0;
    fv_status status = one_pass(b, c->n, error);
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
    return status;
}

static fv_status measure_layer(bench *b, fv_error *error) {
    crossover *c = b->c;
    int64_t room = (int64_t)c->length[c->n - 1] + TOKENS * CROSSOVER_MOST;
    fv_status status = draw_layer(b->layer, &b->drawn, error);
    for (int i = 0; status == FV_OK && i < c->n; i++) status = memory_of(b, i, error);
    if (status == FV_OK) status = make_decoder(b->layer, &b->drawn, room, &b->decoder, error);
    if (status == FV_OK) status = pass_again(b, error);
    update_peak(&c->peak);
    fv_decoder_free(b->decoder);
    b->decoder = NULL;
    drawn_free(&b->drawn);
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
    static bench b;
    b = (bench){.c = c, .options = options, .live = isatty(fileno(stderr))};
    for (int i = 0; i < PIECE; i++) b.tokens[i] = (int32_t)((uint32_t)i * 2654435761u >> 28);
    b.logits = malloc((size_t)PIECE * CROSSOVER_VOCAB * sizeof *b.logits);
    if (b.logits == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for logits");
    update_peak(&c->peak);
    fv_status status = FV_OK;
    for (; status == FV_OK && b.layer < CROSSOVER_HYBRID && !tool_interrupted; b.layer++)
        status = measure_layer(&b, error);
    if (b.live) fprintf(stderr, "\r\033[K");
    for (int layer = 0; layer < CROSSOVER_HYBRID; layer++)
        for (int i = 0; status == FV_OK && i < c->n; i++)
            status = limit_of(layer, (int64_t)c->length[i], &c->peak, &c->limit[layer][i], error);
    free(b.logits);
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
