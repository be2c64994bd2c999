// What each position does for itself: embedding, norms, the mlp, unembedding. Rows are [n][d].
#include "decode/decoder_plan.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/layers.h"

#include <fovea/config.h>
#include <string.h>

enum { L = FV_LANES };

// --- embedding -----------------------------------------------------------------------------------

void decoder_embed(const fv_decoder *d, const int32_t *tokens, const decoder_rows *rows, float *x) {
    int64_t n = d->sizes.d;
    for (int64_t r = 0; r < rows->n_runs; r++) {
        int64_t first = rows->runs[r].first, end = first + rows->runs[r].n;
        if (d->fill_positions) d->fill_positions(d->n_seen + first, end - first, (int)n, x);
        for (int64_t t = first; t < end; t++, x += n) {
            const float *token = d->embedding + tokens[t] * n;
            const float *position = d->positions ? d->positions + (d->n_seen + t) * n : NULL;
            for (int64_t f = 0; f < n; f++)
                x[f] = d->fill_positions ? token[f] + x[f]
                       : position        ? token[f] + position[f]
                                         : token[f];
        }
    }
}

// --- norms ---------------------------------------------------------------------------------------

// The lab's kernel with sixteen positions in its lanes.
void decoder_normalise(const fv_decoder *d, const decoder_norm *norm, int64_t n, const float *x,
                       float *y) {
    int width = (int)d->sizes.d;
    float *in = decoder_working(d, d->at.lanes), *out = in + (ptrdiff_t)width * L;
    float *mean = out + (ptrdiff_t)width * L;
    for (int64_t first = 0; first < n; first += L, x += L * width, y += L * width) {
        int count = n - first < L ? (int)(n - first) : L;
        for (int l = 0; l < L; l++)
            for (int f = 0; f < width; f++) in[f * L + l] = l < count ? x[l * width + f] : 0;
        kernels_get()->norm(&(kernel_norm){.n_rows = 1,
                                           .n_features = width,
                                           .center = norm->center,
                                           .w = norm->w,
                                           .b = norm->b,
                                           .x = {in, (ptrdiff_t)width * L},
                                           .y = {out, (ptrdiff_t)width * L},
                                           .mean = mean,
                                           .rstd = mean + L});
        for (int l = 0; l < count; l++)
            for (int f = 0; f < width; f++) y[l * width + f] = out[f * L + l];
    }
}

static fv_status pass_norm(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                           const decoder_rows *rows, float *y, fv_error *error) {
    (void)rows, (void)error;
    decoder_normalise(d, &layer->norm, n, x, y);
    return FV_OK;
}

const decoder_kind decoder_kind_layer_norm = {.own_norm = FV_NORM_LAYER, .pass = pass_norm};
const decoder_kind decoder_kind_rms_norm = {.own_norm = FV_NORM_RMS, .pass = pass_norm};

// --- linear maps ---------------------------------------------------------------------------------

void decoder_project(const fv_decoder *d, const decode_projection *map, int64_t n, const float *x,
                     float *y) {
    decode_project(map, n, x, decoder_working(d, d->at.scratch), projected_rows(map, y));
}

static void read_out(const fv_decoder *d, int64_t n, const float *x, float *logits) {
    const fv_model_config *config = &d->config.model;
    if (config->readout == FV_READOUT_HARMONIC)
        decode_distances(&d->unembedding, n, x, (float)(readout_power(config) / 2),
                         (float)config->readout_floor, decoder_working(d, d->at.scratch),
                         projected_rows(&d->unembedding, logits));
    else
        decoder_project(d, &d->unembedding, n, x, logits);
}

void decoder_unembed(const fv_decoder *d, int64_t n, float *x, float *logits) {
    if (d->last_norm.present) decoder_normalise(d, &d->last_norm, n, x, x);
    int64_t at_once = decoder_unembedded_at_once(d), n_vocab = d->sizes.n_vocab;
    for (int64_t first = 0; first < n; first += at_once) {
        int64_t count = n - first < at_once ? n - first : at_once;
        read_out(d, count, x + first * d->sizes.d, logits + first * n_vocab);
    }
}

// --- the mlp -------------------------------------------------------------------------------------

enum mlp_map { W_IN, W_OUT, W_GATE };

static bool is_gated(const fv_decoder *d) {
    return activation_is_gated(d->config.model.activation);
}

static decode_projection load_mlp_map(decoder_loader *l, const decoder_layer *layer, const char *w,
                                      const char *b) {
    const fv_tensor *tensor = decoder_tensor(l, layer, w);
    return decoder_load_map(l, tensor, 0, tensor->shape[1], decoder_tensor(l, layer, b));
}

static void load_mlp(decoder_loader *l, decoder_layer *layer) {
    layer->map[W_IN] = load_mlp_map(l, layer, "blocks.%d.mlp.W_in", "blocks.%d.mlp.b_in");
    layer->map[W_OUT] = load_mlp_map(l, layer, "blocks.%d.mlp.W_out", "blocks.%d.mlp.b_out");
    if (decoder_tensor(l, layer, "blocks.%d.mlp.W_gate") != NULL)
        layer->map[W_GATE] = load_mlp_map(l, layer, "blocks.%d.mlp.W_gate", "blocks.%d.mlp.b_gate");
}

// A block of positions at a time, so that the hidden layer stays in the cache.
static fv_status pass_mlp(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                          const decoder_rows *rows, float *y, fv_error *error) {
    (void)rows, (void)error;
    float *hidden = decoder_working(d, d->at.hidden), *linear = decoder_working(d, d->at.linear);
    const kernel_activation kind = activation_applied(d->config.model.activation)->kernel;
    for (int64_t first = 0; first < n; first += FV_PROJECT_POSITIONS) {
        int64_t count = n - first < FV_PROJECT_POSITIONS ? n - first : FV_PROJECT_POSITIONS;
        size_t numbers = ((size_t)(count * d->sizes.d_mlp) + L - 1) / L * L;
        const float *from = x + first * d->sizes.d;
        if (is_gated(d)) {
            decoder_project(d, &layer->map[W_GATE], count, from, hidden);
            decoder_project(d, &layer->map[W_IN], count, from, linear);
            kernels_get()->gate(&(kernel_gate){kind, numbers, hidden, linear, hidden});
        } else {
            decoder_project(d, &layer->map[W_IN], count, from, hidden);
            kernels_get()->activate(kind, numbers, hidden, hidden);
        }
        decoder_project(d, &layer->map[W_OUT], count, hidden, y + first * d->sizes.d);
    }
    return FV_OK;
}

static double mlp_operations(const fv_decoder *d, const decoder_layer *layer, double n, bool last) {
    double outputs = last || layer->place > d->top ? 1 : n;
    return outputs *
           (decoder_map_operations(&layer->map[W_IN]) + decoder_map_operations(&layer->map[W_OUT]) +
            decoder_map_operations(&layer->map[W_GATE]));
}

const decoder_kind decoder_kind_mlp = {
    .norm = "blocks.%d.ln2", .load = load_mlp, .pass = pass_mlp, .operations = mlp_operations};
