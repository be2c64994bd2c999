// A Mamba block (Gu & Dao, 2023) in pieces of positions: the scan's state and the last inputs of
// the convolution are all that goes from one to the next. src/model/mamba.c has the equations.
#include "decode/decoder_plan.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum mamba_map { IN_U, IN_Z, TO_STEP, TO_B, TO_C, STEP, OUT };
enum mamba_array { CONV, CONV_BIAS, STEP_BIAS, A, D_SKIP };

// --- weights -------------------------------------------------------------------------------------

// [E][width] to [width][E]: the channels are the vector.
static void transpose_taps(const decoder_sizes *s, const float *from, float *to) {
    for (int64_t e = 0; e < s->E; e++)
        for (int64_t k = 0; k < s->conv_width; k++) to[k * s->E + e] = from[e * s->conv_width + k];
}

// A = -exp(A_log), by the lab's own exponential.
static void negative_exp(size_t n, float *a) {
    kernels_get()->exp_array((n + FV_LANES - 1) / FV_LANES * FV_LANES, a, a);
    for (size_t i = 0; i < n; i++) a[i] = -a[i];
}

static void load(decoder_loader *l, decoder_layer *layer) {
    static const char *const names[] = {"blocks.%d.mamba.conv.w", "blocks.%d.mamba.conv.b",
                                        "blocks.%d.mamba.dt_proj.b", "blocks.%d.mamba.A_log",
                                        "blocks.%d.mamba.D"};
    const decoder_sizes *s = decoder_loader_sizes(l);
    const fv_tensor *in = decoder_tensor(l, layer, "blocks.%d.mamba.in_proj");
    const fv_tensor *x = decoder_tensor(l, layer, "blocks.%d.mamba.x_proj");
    const fv_tensor *step = decoder_tensor(l, layer, "blocks.%d.mamba.dt_proj.w");
    const fv_tensor *out = decoder_tensor(l, layer, "blocks.%d.mamba.out_proj");
    int E = (int)s->E, N = (int)s->N, R = (int)s->R;
    layer->map[IN_U] = decoder_load_map(l, in, 0, E, NULL);
    layer->map[IN_Z] = decoder_load_map(l, in, E, E, NULL);
    layer->map[TO_STEP] = decoder_load_map(l, x, 0, R, NULL);
    layer->map[TO_B] = decoder_load_map(l, x, R, N, NULL);
    layer->map[TO_C] = decoder_load_map(l, x, R + N, N, NULL);
    layer->map[STEP] = decoder_load_map(l, step, 0, E, NULL);
    layer->map[OUT] = decoder_load_map(l, out, 0, (int)s->d, NULL);
    for (int i = CONV; i <= D_SKIP; i++) {
        const fv_tensor *tensor = decoder_tensor(l, layer, names[i]);
        float *to = decoder_load_array(l, tensor);
        layer->array[i] = to;
        if (to && i == CONV) transpose_taps(s, decoder_loader_values(l, tensor), to);
        if (to && i == A) negative_exp(tensor->size, to);
    }
}

// --- what is kept --------------------------------------------------------------------------------

static size_t past_of(const fv_decoder *d) {
    return (size_t)(d->sizes.conv_width - 1) * (size_t)d->sizes.E;
}

static void reserve(fv_decoder *d, decoder_layer *layer) {
    layer->mamba.at_state =
        arena_reserve(&d->kept, (size_t)d->sizes.N * (size_t)d->sizes.E, sizeof(float));
    layer->mamba.at_past = arena_reserve(&d->kept, past_of(d), sizeof(float));
}

static void forget(fv_decoder *d, decoder_layer *layer, int64_t n, int64_t left) {
    (void)n;
    if (left > 0) return;
    size_t state = (size_t)(d->sizes.N * d->sizes.E) * sizeof(float);
    memset(decoder_kept(d, layer->mamba.at_state), 0, state);
    memset(decoder_kept(d, layer->mamba.at_past), 0, past_of(d) * sizeof(float));
}

// --- a piece -------------------------------------------------------------------------------------

// u = silu(bias + sum over taps of w x), channel by channel.
static void convolve(const fv_decoder *d, const decoder_layer *layer, int64_t n, const float *inner,
                     float *u) {
    const float *w = layer->array[CONV], *bias = layer->array[CONV_BIAS];
    size_t E = (size_t)d->sizes.E, padded = (E + FV_LANES - 1) / FV_LANES * FV_LANES;
    float *restrict gate = decoder_working(d, d->at.gate);
    for (size_t t = 0; t < (size_t)n; t++) {
        float *restrict y = u + t * E;
        memcpy(y, bias, E * sizeof *y);
        for (size_t k = 0; k < (size_t)d->sizes.conv_width; k++) {
            const float *x = inner + (t + k) * E, *tap = w + k * E;
            for (size_t e = 0; e < E; e++) y[e] += tap[e] * x[e];
        }
        for (size_t e = 0; e < E; e++) gate[e] = -fabsf(y[e]);
        kernels_get()->exp_array(padded, gate, gate);
        for (size_t e = 0; e < E; e++) y[e] *= (y[e] < 0 ? gate[e] : 1) / (1 + gate[e]);
    }
}

// The scan's plan for n positions, which all layers share; that of a whole piece is used again and
// again.
static fv_status scan_of(fv_decoder *d, int64_t n, fv_selective_scan **out, fv_error *error) {
    fv_selective_scan **plan = n == 1 ? &d->one_step : &d->scan;
    if (n > 1 && d->scan_length != n) {
        fv_selective_scan_free(*plan);
        *plan = NULL;
        d->scan_length = n;
    }
    if (*plan == NULL) {
        fv_selective_scan_config config;
        fv_selective_scan_config_init(&config);
        config.n = n;
        config.n_channels = d->sizes.E;
        config.n_state = d->sizes.N;
        config.segments = config.n_threads = 1;
        fv_status status = fv_selective_scan_create(&config, plan, error);
        if (status != FV_OK) return status;
    }
    *out = *plan;
    return FV_OK;
}

// The convolution's output u and the gate z of n positions.
static void begin(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x) {
    size_t past = past_of(d);
    float *inner = decoder_working(d, d->at.inner), *kept = decoder_kept(d, layer->mamba.at_past);
    memcpy(inner, kept, past * sizeof *inner);
    decoder_project(d, &layer->map[IN_U], n, x, inner + past);
    decoder_project(d, &layer->map[IN_Z], n, x, decoder_working(d, d->at.z));
    convolve(d, layer, n, inner, decoder_working(d, d->at.u));
    memcpy(kept, inner + n * d->sizes.E, past * sizeof *inner);
}

static fv_status scan(fv_decoder *d, decoder_layer *layer, int64_t n, fv_error *error) {
    const float *u = decoder_working(d, d->at.u);
    float *step = decoder_working(d, d->at.step), *delta = decoder_working(d, d->at.delta);
    float *b = decoder_working(d, d->at.b), *c = decoder_working(d, d->at.c);
    float *state = decoder_kept(d, layer->mamba.at_state);
    float *gated = decoder_working(d, d->at.gated);
    fv_selective_scan *scan;
    fv_status status = scan_of(d, n, &scan, error);
    if (status != FV_OK) return status;
    decoder_project(d, &layer->map[TO_STEP], n, u, step);
    decoder_project(d, &layer->map[TO_B], n, u, b);
    decoder_project(d, &layer->map[TO_C], n, u, c);
    decoder_project(d, &layer->map[STEP], n, step, delta);
    const fv_selective_scan_input input = {.u = u,
                                           .delta = delta,
                                           .A = layer->array[A],
                                           .B = b,
                                           .C = c,
                                           .D = layer->array[D_SKIP],
                                           .bias = layer->array[STEP_BIAS],
                                           .z = decoder_working(d, d->at.z),
                                           .initial = state};
    return n == 1 ? fv_selective_scan_step(scan, &input, state, gated, error)
                  : fv_selective_scan_forward(scan, &input, gated, state, false, error);
}

static fv_status pass(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                      const decoder_rows *rows, float *y, fv_error *error) {
    begin(d, layer, n, x);
    fv_status status = scan(d, layer, n, error);
    const float *gated = decoder_working(d, d->at.gated);
    for (int64_t r = 0; r < rows->n_runs && status == FV_OK; r++) {
        decoder_run run = rows->runs[r];
        decoder_project(d, &layer->map[OUT], run.n, gated + run.first * d->sizes.E, y);
        y += run.n * d->sizes.d;
    }
    return status;
}

static double operations(const fv_decoder *d, const decoder_layer *layer, double n, bool last) {
    double each = (double)(d->sizes.E * (3 * d->sizes.N + d->sizes.conv_width));
    for (int i = IN_U; i < OUT; i++) each += decoder_map_operations(&layer->map[i]);
    return n * each + (last ? 1 : n) * decoder_map_operations(&layer->map[OUT]);
}

const decoder_kind decoder_kind_mamba = {.norm = "blocks.%d.ln_mamba",
                                         .mixes_positions = true,
                                         .load = load,
                                         .reserve = reserve,
                                         .pass = pass,
                                         .reaches = decoder_state_reaches,
                                         .forget = forget,
                                         .operations = operations};
