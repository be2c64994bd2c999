// The way of queries, keys or values from the input of a recurrent layer to its state (recurrence.h).
#include "model/recurrence_plan.h"

#include <string.h>

static bool is_cut(const recurrence *is, enum strand s) {
    return s == STRAND_Q && is->taps > 0;
}
static bool is_positive(const recurrence *is, enum strand s) {
    return s != STRAND_V && is->positive;
}
static bool is_unit(const recurrence *is, enum strand s) {
    return s != STRAND_V && is->unit;
}

// Rows of a group that are mapped.
static int mapped_rows(const model_layer *layer, enum strand s) {
    return recurrence_of(layer)->taps > 0 ? layer->in.n : strand_rows(layer, s);
}

static model_linear map_of(const model_layer *layer, enum strand s) {
    return (model_linear){layer->param[W_STRAND + s], SIZE_MAX, layer->model->config.model.n_embd,
                          strand_features(recurrence_of(layer), s)};
}

void strand_plan(fv_model *model, model_layer *layer, enum strand s) {
    static const char *const NAMES[] = {"Q", "K", "V"}, *const CONVS[] = {"q", "k", "v"};
    const recurrence *is = recurrence_of(layer);
    const int d = model->config.model.n_embd, n = strand_features(is, s),
              rows = strand_rows(layer, s);
    layer->param[W_STRAND + s] = model_add(model, FV_INIT_LINEAR, d, n, d, "blocks.%d.%s.W_%s",
                                           layer->index, is->name, NAMES[s]);
    layer->buffer[MAPPED + s] = model_reserve(model, mapped_rows(layer, s), n);
    if (is->taps > 0) {
        layer->param[CONV_W + s] =
            model_add(model, FV_INIT_FAN_IN, n, is->taps, is->taps, "blocks.%d.%s.conv_%s.w",
                      layer->index, is->name, CONVS[s]);
        if (is->taps_biased)
            layer->param[CONV_B + s] =
                model_add(model, FV_INIT_FAN_IN, n, 0, is->taps, "blocks.%d.%s.conv_%s.b",
                          layer->index, is->name, CONVS[s]);
        layer->buffer[CONVOLVED + s] = model_reserve(model, layer->in.n, n);
    }
    if (is_cut(is, s)) layer->buffer[CUT + s] = model_reserve(model, rows, n);
    if (is_positive(is, s)) layer->buffer[POSITIVE + s] = model_reserve(model, rows, n);
    if (is_unit(is, s)) {
        layer->buffer[UNIT + s] = model_reserve(model, rows, n);
        layer->buffer[UNIT_RSTD + s] = model_reserve(model, rows, strand_heads(is, s));
    }
    layer->buffer[D_STRAND + s] = model_reserve(model, layer->in.n, n);
    layer->buffer[D_BEFORE + s] = model_reserve(model, layer->in.n, n);
}

static kernel_conv conv_of(const model_layer *layer, const model_tile *tile, enum strand s) {
    const recurrence *is = recurrence_of(layer);
    return (kernel_conv){.n_groups = tile->n_groups,
                         .n_rows = layer->in.n,
                         .n_features = strand_features(is, s),
                         .width = is->taps,
                         .x = recurrence_at(layer, tile, MAPPED + s),
                         .w = tile->params + layer->param[CONV_W + s],
                         .b = is->taps_biased ? tile->params + layer->param[CONV_B + s] : NULL,
                         .y = recurrence_at(layer, tile, CONVOLVED + s)};
}

// RMS norm with weights of 1 / sqrt(K) leaves vectors of length 1; those of nothing stay 0.
static kernel_norm unit_of(const model_layer *layer, const model_tile *tile, enum strand s,
                           real *x) {
    const recurrence *is = recurrence_of(layer);
    const int width = strand_width(is, s);
    return (kernel_norm){.n_rows = tile->n_groups * strand_rows(layer, s) * strand_heads(is, s),
                         .n_features = width,
                         .w = recurrence_at(layer, tile, UNIT_LENGTHS),
                         .x = rows_dense(x, width),
                         .y = rows_dense(recurrence_at(layer, tile, UNIT + s), width),
                         .rstd = recurrence_at(layer, tile, UNIT_RSTD + s)};
}

static size_t numbers_of(const model_layer *layer, const model_tile *tile, enum strand s) {
    return (size_t)tile->n_groups * (size_t)strand_rows(layer, s) *
           (size_t)strand_features(recurrence_of(layer), s) * FV_LANES;
}

// Where queries, keys and values stand once they are mapped, convolved and cut.
static real *before_positive(const model_layer *layer, const model_tile *tile, enum strand s) {
    const recurrence *is = recurrence_of(layer);
    if (is->taps == 0) return recurrence_at(layer, tile, MAPPED + s);
    real *convolved = recurrence_at(layer, tile, CONVOLVED + s);
    if (!is_cut(is, s)) return convolved;
    return rows_at_outputs(layer, tile, convolved, strand_features(is, s),
                           recurrence_at(layer, tile, CUT + s))
        .data;
}
static real *before_unit(const model_layer *layer, const model_tile *tile, enum strand s) {
    return is_positive(recurrence_of(layer), s) ? recurrence_at(layer, tile, POSITIVE + s)
                                                : before_positive(layer, tile, s);
}

kernel_rows strand_result(const model_layer *layer, const model_tile *tile, enum strand s) {
    const recurrence *is = recurrence_of(layer);
    real *y = is_unit(is, s) ? recurrence_at(layer, tile, UNIT + s) : before_unit(layer, tile, s);
    return rows_dense(y, strand_features(is, s));
}

// The rows of x that are mapped.
static kernel_rows inputs_of(const model_layer *layer, const model_tile *tile, enum strand s,
                             real *x) {
    if (mapped_rows(layer, s) == layer->in.n)
        return rows_dense(x, layer->model->config.model.n_embd);
    return rows_of_output(layer, tile, x, recurrence_at(layer, tile, COMPACT), false);
}

kernel_rows strand_forward(const model_layer *layer, const model_tile *tile, enum strand s,
                           real *x) {
    const recurrence *is = recurrence_of(layer);
    linear_forward(tile, map_of(layer, s), tile->n_groups * mapped_rows(layer, s),
                   inputs_of(layer, tile, s, x),
                   rows_dense(recurrence_at(layer, tile, MAPPED + s), strand_features(is, s)),
                   false);
    if (is->taps > 0) {
        kernel_conv conv = conv_of(layer, tile, s);
        tile->kernels->conv(&conv);
    }
    if (is_positive(is, s))
        tile->kernels->activate(FV_KERNEL_ELU_PLUS_ONE, numbers_of(layer, tile, s),
                                before_positive(layer, tile, s),
                                recurrence_at(layer, tile, POSITIVE + s));
    if (is_unit(is, s)) {
        kernel_norm unit = unit_of(layer, tile, s, before_unit(layer, tile, s));
        tile->kernels->norm(&unit);
    }
    return strand_result(layer, tile, s);
}

// Each of these takes the gradient `dy` of its output and returns that of its input, in `other`.

static real *unit_back(const model_layer *layer, const model_tile *tile, enum strand s, real *dy,
                       real *other) {
    const int width = strand_width(recurrence_of(layer), s);
    tile->kernels->norm_gradient(&(kernel_norm_gradient){
        .forward = unit_of(layer, tile, s, before_unit(layer, tile, s)),
        .dy = rows_dense(dy, width),
        .dx = rows_dense(other, width),
        .dw = recurrence_at(layer, tile, UNIT_LENGTHS) + width}); // of no interest
    return other;
}

static real *positive_back(const model_layer *layer, const model_tile *tile, enum strand s,
                           real *dy, real *other) {
    tile->kernels->activate_gradient(FV_KERNEL_ELU_PLUS_ONE, numbers_of(layer, tile, s),
                                     before_positive(layer, tile, s), dy, other);
    return other;
}

static real *cut_back(const model_layer *layer, const model_tile *tile, enum strand s, real *dy,
                      real *other) {
    const int n = strand_features(recurrence_of(layer), s);
    size_t rows = (size_t)tile->n_groups * (size_t)layer->in.n;
    memset(other, 0, rows * (size_t)n * FV_LANES * sizeof *other);
    rows_add_at_outputs(layer, tile, rows_dense(dy, n), n, other);
    return other;
}

static real *conv_back(const model_layer *layer, const model_tile *tile, enum strand s, real *dy,
                       real *other) {
    const recurrence *is = recurrence_of(layer);
    tile->kernels->conv_gradient(&(kernel_conv_gradient){
        .forward = conv_of(layer, tile, s),
        .dy = dy,
        .dx = other,
        .dw = tile->gradient + layer->param[CONV_W + s],
        .db = is->taps_biased ? tile->gradient + layer->param[CONV_B + s] : NULL});
    return other;
}

void strand_backward(const model_layer *layer, const model_tile *tile, enum strand s, real *x,
                     real *dx) {
    const recurrence *is = recurrence_of(layer);
    real *at = recurrence_at(layer, tile, D_STRAND + s),
         *other = recurrence_at(layer, tile, D_BEFORE + s);
#define BACK(step)                                                                                 \
    do {                                                                                           \
        real *before = step(layer, tile, s, at, other);                                            \
        other = at;                                                                                \
        at = before;                                                                               \
    } while (0)
    if (is_unit(is, s)) BACK(unit_back);
    if (is_positive(is, s)) BACK(positive_back);
    if (is_cut(is, s)) BACK(cut_back);
    if (is->taps > 0) BACK(conv_back);
#undef BACK
    const int n = strand_features(is, s), d = layer->model->config.model.n_embd;
    const int rows = tile->n_groups * mapped_rows(layer, s);
    if (mapped_rows(layer, s) == layer->in.n) {
        linear_backward(tile, map_of(layer, s), rows, rows_dense(x, d), rows_dense(at, n),
                        rows_dense(dx, d), true);
        return;
    }
    real *back = recurrence_at(layer, tile, D_GATE); // has room for it, and is done with
    linear_backward(tile, map_of(layer, s), rows, inputs_of(layer, tile, s, x), rows_dense(at, n),
                    rows_dense(back, d), false);
    rows_add(layer, tile, rows_dense(back, d), dx);
}
