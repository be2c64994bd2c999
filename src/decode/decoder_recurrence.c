// Layers with a matrix for their state (model/recurrence.h) in pieces of positions: the states of the heads
// and the last inputs of the convolutions are all that goes from one to the next.
#include "decode/decoder_plan.h"
#include "kernels/kernels.h"
#include "model/recurrence_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum recurrence_map { MAP_STRAND, MAP_RATE = MAP_STRAND + N_STRANDS, MAP_DECAY, MAP_GATE, MAP_OUT };
enum recurrence_array {
    TAPS,
    TAPS_BIAS = TAPS + N_STRANDS,
    DECAY_BIAS = TAPS_BIAS + N_STRANDS,
    FACTORS,
    D_SKIP,
    NORM_SCALE
};
static const recurrence *is_of(const decoder_layer *layer) {
    return &layer->recurrence.is;
}

// Columns of a state, rounded up to whole vectors.
static int64_t columns_of(const recurrence *is) {
    return (is->n_value + is->counts + FV_LANES - 1) / FV_LANES * FV_LANES;
}
static int64_t round_up(int64_t n) {
    return (n + FV_LANES - 1) / FV_LANES * FV_LANES;
}

// --- weights -------------------------------------------------------------------------------------

static const fv_tensor *tensor_of(decoder_loader *l, const decoder_layer *layer, const char *name) {
    char format[64];
    snprintf(format, sizeof format, "blocks.%%d.%s.%s", is_of(layer)->name, name);
    return decoder_tensor(l, layer, format);
}

static decode_projection map_of(decoder_loader *l, const decoder_layer *layer, const char *name) {
    const fv_tensor *w = tensor_of(l, layer, name);
    return decoder_load_map(l, w, 0, w->shape[1], NULL);
}

static void load_strand(decoder_loader *l, decoder_layer *layer, int s) {
    static const char *const MAPS[] = {"W_Q", "W_K", "W_V"},
                             *const WEIGHTS[] = {"conv_q.w", "conv_k.w", "conv_v.w"},
                             *const BIASES[] = {"conv_q.b", "conv_k.b", "conv_v.b"};
    const recurrence *is = is_of(layer);
    layer->map[MAP_STRAND + s] = map_of(l, layer, MAPS[s]);
    if (is->taps == 0) return;
    const fv_tensor *w = tensor_of(l, layer, WEIGHTS[s]);
    float *to = decoder_load_array(l, w);
    layer->array[TAPS + s] = to;
    if (is->taps_biased)
        layer->array[TAPS_BIAS + s] = decoder_load_array(l, tensor_of(l, layer, BIASES[s]));
    if (to) // [features][taps] to [taps][features]: the features are the vector
        for (int f = 0; f < w->shape[0]; f++)
            for (int k = 0; k < is->taps; k++)
                to[k * w->shape[0] + f] = decoder_loader_values(l, w)[f * is->taps + k];
}

// -exp(A_log) of each decay.
static void load_factors(decoder_loader *l, decoder_layer *layer) {
    const recurrence *is = is_of(layer);
    const fv_tensor *a_log = tensor_of(l, layer, "A_log"), *bias = tensor_of(l, layer, "dt_bias");
    layer->array[DECAY_BIAS] = decoder_load_array(l, bias);
    float *to = decoder_load_array(l, bias); // of its size
    layer->array[FACTORS] = to;
    if (to == NULL) return;
    size_t n = bias->size, each = n / (size_t)is->n_head;
    for (size_t i = 0; i < n; i++) to[i] = decoder_loader_values(l, a_log)[i / each];
    kernels_get()->exp_array((size_t)round_up((int64_t)n), to, to);
    for (size_t i = 0; i < n; i++) to[i] = -to[i];
}

static void load(decoder_loader *l, decoder_layer *layer) {
    const recurrence *is = &layer->recurrence.is;
    layer->recurrence.is = *recurrence_of(&decoder_loader_model(l)->layers[layer->place + 1]);
    for (int s = 0; s < N_STRANDS; s++) load_strand(l, layer, s);
    if (is->rate == RECURRENCE_SIGMOID_RATE) layer->map[MAP_RATE] = map_of(l, layer, "W_beta");
    if (is->decay > RECURRENCE_FIXED_DECAY) layer->map[MAP_DECAY] = map_of(l, layer, "W_decay");
    if (is->decay == RECURRENCE_STEP_DECAY) load_factors(l, layer);
    if (is->skips) layer->array[D_SKIP] = decoder_load_array(l, tensor_of(l, layer, "D"));
    if (is->gated) layer->map[MAP_GATE] = map_of(l, layer, "W_G");
    if (is->norm != RECURRENCE_NO_NORM)
        layer->array[NORM_SCALE] = decoder_load_array(l, tensor_of(l, layer, "norm.w"));
    layer->map[MAP_OUT] = map_of(l, layer, "W_O");
}

// --- what is kept --------------------------------------------------------------------------------

static size_t state_size(const recurrence *is) {
    return (size_t)(is->n_head * is->n_key) * (size_t)columns_of(is);
}
static size_t past_size(const recurrence *is, int s) {
    return is->taps > 0 ? (size_t)(is->taps - 1) * (size_t)strand_features(is, (enum strand)s) : 0;
}

static void reserve(fv_decoder *d, decoder_layer *layer) {
    const recurrence *is = is_of(layer);
    decoder_recurrence *r = &layer->recurrence;
    const size_t piece = (size_t)d->sizes.piece,
                 n = (size_t)round_up((int64_t)is->n_head * is->n_value);
    r->at_state = arena_reserve(&d->kept, state_size(is), sizeof(float));
    for (int s = 0; s < N_STRANDS; s++) {
        size_t features = (size_t)strand_features(is, (enum strand)s);
        r->at_past[s] = arena_reserve(&d->kept, past_size(is, s), sizeof(float));
        r->at_mapped[s] = arena_reserve(
            &d->working, past_size(is, s) + (piece + 1) * features + FV_LANES, sizeof(float));
        r->at_strand[s] =
            arena_reserve(&d->working, (piece + 1) * features + FV_LANES, sizeof(float));
    }
    size_t decays = (size_t)is->n_head * (size_t)(is->channels ? is->n_key : 1);
    r->at_rate =
        arena_reserve(&d->working, (piece + 1) * (size_t)is->n_head + FV_LANES, sizeof(float));
    r->at_step = arena_reserve(&d->working, (piece + 1) * decays + FV_LANES, sizeof(float));
    r->at_decay = arena_reserve(&d->working, (piece + 1) * decays + FV_LANES, sizeof(float));
    r->at_heads = arena_reserve(&d->working, (piece + 1) * n, sizeof(float));
    r->at_gate = arena_reserve(&d->working, (piece + 1) * n, sizeof(float));
    r->at_row = arena_reserve(&d->working, 2 * (size_t)columns_of(is), sizeof(float));
}

static void forget(fv_decoder *d, decoder_layer *layer, int64_t n, int64_t left) {
    (void)n;
    if (left > 0) return;
    const recurrence *is = is_of(layer);
    memset(decoder_kept(d, layer->recurrence.at_state), 0, state_size(is) * sizeof(float));
    for (int s = 0; s < N_STRANDS; s++)
        memset(decoder_kept(d, layer->recurrence.at_past[s]), 0, past_size(is, s) * sizeof(float));
}

// --- a piece -------------------------------------------------------------------------------------

// y = silu(bias + sum over taps of w x); x begins taps - 1 rows before the first of n.
static void convolve(const decoder_layer *layer, int s, int64_t n, const float *x, float *y) {
    const recurrence *is = is_of(layer);
    const float *w = layer->array[TAPS + s], *bias = layer->array[TAPS_BIAS + s];
    const size_t features = (size_t)strand_features(is, (enum strand)s);
    for (size_t t = 0; t < (size_t)n; t++) {
        float *restrict to = y + t * features;
        for (size_t f = 0; f < features; f++) to[f] = bias ? bias[f] : 0;
        for (size_t k = 0; k < (size_t)is->taps; k++) {
            const float *restrict from = x + (t + k) * features, *restrict tap = w + k * features;
            for (size_t f = 0; f < features; f++) to[f] += tap[f] * from[f];
        }
    }
    size_t whole = (size_t)round_up(n * (int64_t)features);
    kernels_get()->activate(FV_KERNEL_SILU, whole, y, y);
}

// Rows of `width` numbers become rows of length 1; those of nothing stay 0.
static void to_unit(int64_t n, int width, float *x) {
    for (int64_t r = 0; r < n; r++, x += width) {
        float square = 0;
        for (int i = 0; i < width; i++) square += x[i] * x[i];
        float inverse = 1 / (sqrtf(square / (float)width + 1e-5f) * sqrtf((float)width));
        for (int i = 0; i < width; i++) x[i] *= inverse;
    }
}

// Queries, keys or values of n positions; returns where they are.
static float *strand_of(fv_decoder *d, decoder_layer *layer, int s, int64_t n, const float *x) {
    const recurrence *is = is_of(layer);
    const int features = strand_features(is, (enum strand)s);
    const size_t past = past_size(is, s);
    float *mapped = decoder_working(d, layer->recurrence.at_mapped[s]);
    float *y = decoder_working(d, layer->recurrence.at_strand[s]);
    float *kept = decoder_kept(d, layer->recurrence.at_past[s]);
    memcpy(mapped, kept, past * sizeof *mapped);
    decoder_project(d, &layer->map[MAP_STRAND + s], n, x, mapped + past);
    if (is->taps > 0) {
        memcpy(kept, mapped + n * features, past * sizeof *kept);
        convolve(layer, s, n, mapped, y);
    } else {
        y = mapped;
    }
    if (s == STRAND_V) return y;
    if (is->positive)
        kernels_get()->activate(FV_KERNEL_ELU_PLUS_ONE, (size_t)round_up(n * features), y, y);
    if (is->unit) to_unit(n * strand_heads(is, (enum strand)s), is->n_key, y);
    return y;
}

static float sigmoid_of(float x) {
    return 1 / (1 + expf(-x));
}
static float softplus_of(float x) {
    return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
}

// Rates [n][H] and decays [n][decays], in working memory.
static void rates_and_decays(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x) {
    const recurrence *is = is_of(layer);
    const int H = is->n_head;
    const int64_t decays = (int64_t)H * (is->channels ? is->n_key : 1);
    float *rate = decoder_working(d, layer->recurrence.at_rate),
          *step = decoder_working(d, layer->recurrence.at_step);
    float *decay = decoder_working(d, layer->recurrence.at_decay);
    if (is->decay == RECURRENCE_FIXED_DECAY)
        for (int64_t i = 0; i < n * H; i++) decay[i] = 1 - ldexpf(1, -5 - (int)(i % H));
    if (is->decay > RECURRENCE_FIXED_DECAY) {
        const bool steps = is->decay == RECURRENCE_STEP_DECAY;
        decoder_project(d, &layer->map[MAP_DECAY], n, x, step);
        for (int64_t i = 0; i < n * decays; i++) {
            step[i] =
                softplus_of(steps ? step[i] + layer->array[DECAY_BIAS][i % decays] : -step[i]);
            decay[i] = expf(step[i] * (steps ? layer->array[FACTORS][i % decays] : -0.0625f));
        }
    }
    if (is->rate == RECURRENCE_STEP_RATE) memcpy(rate, step, (size_t)(n * H) * sizeof *rate);
    if (is->rate != RECURRENCE_SIGMOID_RATE) return;
    decoder_project(d, &layer->map[MAP_RATE], n, x, rate);
    for (int64_t i = 0; i < n * H; i++) rate[i] = sigmoid_of(rate[i]);
}

// One head at one position: its state moves on, and where y is not NULL, y [V] is read from it.
static void recur(fv_decoder *d, decoder_layer *layer, int h, int64_t t, const float *q,
                  const float *k, const float *v, float *y) {
    const recurrence *is = is_of(layer);
    const int H = is->n_head, K = is->n_key, V = is->n_value;
    const int64_t columns = columns_of(is);
    const float *rate = decoder_working(d, layer->recurrence.at_rate);
    const float *decay = decoder_working(d, layer->recurrence.at_decay);
    float *value = decoder_working(d, layer->recurrence.at_row), *sum = value + columns;
    memset(value, 0, (size_t)columns * sizeof *value);
    memcpy(value, v + (t * H + h) * V, (size_t)V * sizeof *value);
    if (is->counts) value[V] = 1;
    kernel_state_step step = {.n_key = K,
                              .n_columns = (int)columns,
                              .replaces = is->replaces,
                              .rate = is->rate == RECURRENCE_NO_RATE ? 1 : rate[t * H + h],
                              .k = k + (is->shared ? t : t * H + h) * K,
                              .q = y ? q + (is->shared ? t : t * H + h) * K : NULL,
                              .v = value,
                              .state = decoder_kept(d, layer->recurrence.at_state) +
                                       (int64_t)h * K * columns,
                              .y = sum};
    if (is->decay != RECURRENCE_NO_DECAY)
        step.decay = decay + (is->channels ? (t * H + h) * K : t * H + h);
    step.n_decay = recurrence_decays(is);
    kernels_get()->state_step(&step);
    if (y == NULL) return;
    const float scale = is->scaled ? 1 / sqrtf((float)K) : 1;
    for (int f = 0; f < V; f++)
        y[f] = is->counts ? sum[f] / (sum[V] + FV_RATIO_LEAST)
                          : sum[f] * scale + (is->skips ? layer->array[D_SKIP][h] * value[f] : 0);
}

static void rms(int width, const float *w, float *x) {
    float square = 0;
    for (int i = 0; i < width; i++) square += x[i] * x[i];
    float inverse = 1 / sqrtf(square / (float)width + 1e-5f);
    for (int i = 0; i < width; i++) x[i] *= inverse * w[i];
}

// Norms and gates of n rows [H V], which lie one behind the other.
static void gate_rows(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                      float *heads) {
    const recurrence *is = is_of(layer);
    const int width = is->n_head * is->n_value;
    float *gate = decoder_working(d, layer->recurrence.at_gate);
    if (is->norm == RECURRENCE_HEAD_NORM)
        for (int64_t r = 0; r < n * is->n_head; r++)
            rms(is->n_value, layer->array[NORM_SCALE], heads + r * is->n_value);
    if (is->gated) {
        decoder_project(d, &layer->map[MAP_GATE], n, x, gate);
        kernels_get()->activate(FV_KERNEL_SILU, (size_t)round_up(n * width), gate, gate);
        for (int64_t i = 0; i < n * width; i++) heads[i] *= gate[i];
    }
    if (is->norm == RECURRENCE_WHOLE_NORM)
        for (int64_t r = 0; r < n; r++) rms(width, layer->array[NORM_SCALE], heads + r * width);
}

static fv_status pass(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                      const decoder_rows *rows, float *y, fv_error *error) {
    (void)error;
    const recurrence *is = is_of(layer);
    const int64_t width = (int64_t)is->n_head * is->n_value;
    float *heads = decoder_working(d, layer->recurrence.at_heads);
    const float *strands[N_STRANDS];
    for (int s = 0; s < N_STRANDS; s++) strands[s] = strand_of(d, layer, s, n, x);
    rates_and_decays(d, layer, n, x);
    int64_t run = 0, done = 0;
    for (int64_t t = 0; t < n; t++) { // asked rows of heads one behind the other
        while (run < rows->n_runs && t >= rows->runs[run].first + rows->runs[run].n) run++;
        bool asked = run < rows->n_runs && t >= rows->runs[run].first;
        for (int h = 0; h < is->n_head; h++)
            recur(d, layer, h, t, strands[STRAND_Q], strands[STRAND_K], strands[STRAND_V],
                  asked ? heads + done * width + h * is->n_value : NULL);
        done += asked;
    }
    for (int64_t r = 0; r < rows->n_runs; r++) { // rows of one run lie together in x, too
        const decoder_run asked = rows->runs[r];
        gate_rows(d, layer, asked.n, x + asked.first * d->sizes.d, heads);
        decoder_project(d, &layer->map[MAP_OUT], asked.n, heads, y);
        heads += asked.n * width;
        y += asked.n * d->sizes.d;
    }
    return FV_OK;
}

static double operations(const fv_decoder *d, const decoder_layer *layer, double n, bool last) {
    (void)d;
    const recurrence *is = is_of(layer);
    double state = (double)is->n_head * is->n_key * (is->n_value + is->counts);
    double each = state * (2 + is->replaces + 0.5 * (is->decay != RECURRENCE_NO_DECAY));
    for (int s = 0; s < N_STRANDS; s++)
        each += is->taps * (double)strand_features(is, (enum strand)s);
    for (int i = 0; i < MAP_OUT; i++) each += decoder_map_operations(&layer->map[i]);
    return n * each + (last ? 1 : n) * decoder_map_operations(&layer->map[MAP_OUT]);
}

#define KIND(NAME, name)                                                                           \
    const decoder_kind decoder_kind_##name = {.norm = "blocks.%d.ln_" #name,                       \
                                              .mixes_positions = true,                             \
                                              .load = load,                                        \
                                              .reserve = reserve,                                  \
                                              .pass = pass,                                        \
                                              .reaches = decoder_state_reaches,                    \
                                              .forget = forget,                                    \
                                              .operations = operations};
DECODER_RECURRENCES(KIND)
