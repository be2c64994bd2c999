// A short convolution in pieces of positions: its last inputs go from one to the next.
#include "decode/decoder_plan.h"

#include <string.h>

enum { TAPS };

static size_t past_of(const fv_decoder *d) {
    return (size_t)(d->config.model.conv_taps - 1) * (size_t)d->sizes.d;
}

// [d][taps] to [taps][d]: the features are the vector.
static void load(decoder_loader *l, decoder_layer *layer) {
    const fv_tensor *w = decoder_tensor(l, layer, "blocks.%d.conv.w");
    float *to = decoder_load_array(l, w);
    const int n = w->shape[0], taps = w->shape[1];
    layer->array[TAPS] = to;
    for (int f = 0; to && f < n; f++)
        for (int k = 0; k < taps; k++) to[k * n + f] = decoder_loader_values(l, w)[f * taps + k];
}

static void reserve(fv_decoder *d, decoder_layer *layer) {
    size_t rows = past_of(d) + (size_t)d->sizes.piece * (size_t)d->sizes.d;
    layer->conv.at_past = arena_reserve(&d->kept, past_of(d), sizeof(float));
    layer->conv.at_inputs = arena_reserve(&d->working, rows, sizeof(float));
}

static void forget(fv_decoder *d, decoder_layer *layer, int64_t n, int64_t left) {
    (void)n;
    if (left == 0) memset(decoder_kept(d, layer->conv.at_past), 0, past_of(d) * sizeof(float));
}

static fv_status pass(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                      const decoder_rows *rows, float *y, fv_error *error) {
    (void)error;
    const size_t width = (size_t)d->sizes.d, taps = (size_t)d->config.model.conv_taps;
    float *inputs = decoder_working(d, layer->conv.at_inputs);
    float *past = decoder_kept(d, layer->conv.at_past);
    memcpy(inputs, past, past_of(d) * sizeof *inputs);
    memcpy(inputs + past_of(d), x, (size_t)n * width * sizeof *inputs);
    for (int64_t r = 0; r < rows->n_runs; r++)
        for (int64_t t = rows->runs[r].first; t < rows->runs[r].first + rows->runs[r].n;
             t++, y += width) {
            memset(y, 0, width * sizeof *y);
            for (size_t k = 0; k < taps; k++) {
                const float *from = inputs + ((size_t)t + k) * width,
                            *tap = layer->array[TAPS] + k * width;
                for (size_t f = 0; f < width; f++) y[f] += tap[f] * from[f];
            }
        }
    memcpy(past, inputs + (size_t)n * width, past_of(d) * sizeof *past);
    return FV_OK;
}

static double operations(const fv_decoder *d, const decoder_layer *layer, double n, bool last) {
    (void)layer;
    return (last ? 1 : n) * (double)d->sizes.d * d->config.model.conv_taps;
}

const decoder_kind decoder_kind_short_convolution = {.norm = "blocks.%d.ln_conv",
                                                     .mixes_positions = true,
                                                     .load = load,
                                                     .reserve = reserve,
                                                     .pass = pass,
                                                     .reaches = decoder_state_reaches,
                                                     .forget = forget,
                                                     .operations = operations};
