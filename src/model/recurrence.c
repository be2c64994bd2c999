#include "model/recurrence_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- what it is ------------------------------------------------------------------------------------

void recurrence_heads(const fv_config *config, int taps, recurrence *is) {
    const fv_model_config *m = &config->model;
    is->n_head = m->n_head;
    is->n_value = m->n_embd / m->n_head;
    is->n_key = m->recurrent_key > 0 ? m->recurrent_key : is->n_value;
    is->taps = m->recurrent_conv < 0 ? taps : m->recurrent_conv;
}

fv_status recurrence_create(model_layer *layer, recurrence_describe *describe, fv_error *error) {
    recurrence *is = calloc(1, sizeof *is);
    if (is == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a layer");
    describe(&layer->model->config, is);
    layer->own = is;
    return FV_OK;
}

void recurrence_free(model_layer *layer) {
    free(layer->own);
}

fv_status recurrence_check(const config_checking *c, int i) {
    (void)i;
    const fv_model_config *m = &c->config->model;
    int n_key = m->recurrent_key > 0 ? m->recurrent_key : m->n_embd / m->n_head;
    if (n_key > FV_RECURRENCE_MAX_KEY)
        return check_refuse(c, "model.recurrent_key",
                            "a head of %d numbers a key is wider than %d: state a smaller "
                            "model.recurrent_key, or more heads",
                            n_key, FV_RECURRENCE_MAX_KEY);
    return FV_OK;
}

int recurrence_reach(const fv_config *config, int i) {
    (void)i;
    return config->task.context_length;
}

// The states of all heads, and what the convolutions remember.
double recurrence_state(const recurrence *is) {
    double past = 0, columns = is->n_value + is->counts;
    for (int s = 0; s < N_STRANDS && is->taps > 0; s++)
        past += (is->taps - 1.0) * strand_features(is, (enum strand)s);
    return is->n_head * is->n_key * columns + past;
}

// --- its tensors and buffers -----------------------------------------------------------------------

static size_t add(fv_model *model, const model_layer *layer, init_kind init, int rows, int columns,
                  int fan_in, const char *name) {
    return model_add(model, init, rows, columns, fan_in, "blocks.%d.%s.%s", layer->index,
                     recurrence_of(layer)->name, name);
}

static size_t reserve_numbers(fv_model *model, int n) {
    size_t whole = ((size_t)n + FV_LANES - 1) / FV_LANES * FV_LANES;
    return arena_reserve(&model->plan, whole, sizeof(real));
}

static void plan_steps(fv_model *model, model_layer *layer) {
    const recurrence *is = recurrence_of(layer);
    const int d = model->config.model.n_embd, H = is->n_head, n_in = layer->in.n;
    const int n = H * recurrence_decays(is);
    if (is->rate == RECURRENCE_SIGMOID_RATE) {
        layer->param[W_RATE] = add(model, layer, FV_INIT_LINEAR, d, H, d, "W_beta");
        static const int FOUR[] = {RATE_RAW, RATE, D_RATE_RAW, ONES};
        for (int i = 0; i < 4; i++) layer->buffer[FOUR[i]] = model_reserve(model, n_in, H);
    }
    if (is->rate != RECURRENCE_NO_RATE) layer->buffer[D_RATE] = model_reserve(model, n_in, H);
    if (n == 0) return;
    layer->buffer[DECAY] = model_reserve(model, n_in, n);
    layer->buffer[D_DECAY] = model_reserve(model, n_in, n);
    if (is->decay == RECURRENCE_FIXED_DECAY) return;
    layer->param[W_DECAY] = add(model, layer, FV_INIT_LINEAR, d, n, d, "W_decay");
    static const int THREE[] = {DECAY_RAW, STEP, D_DECAY_RAW};
    for (int i = 0; i < 3; i++) layer->buffer[THREE[i]] = model_reserve(model, n_in, n);
    layer->buffer[FACTOR] = reserve_numbers(model, 2 * (n + FV_LANES));
    if (is->decay != RECURRENCE_STEP_DECAY) return;
    layer->param[B_DECAY] = add(model, layer, FV_INIT_TIME_STEP, n, 0, d, "dt_bias");
    layer->param[A_LOG] = add(model, layer, FV_INIT_LOG_COLUMN, H, 0, H, "A_log");
}

static void plan_outputs(fv_model *model, model_layer *layer) {
    const recurrence *is = recurrence_of(layer);
    const int d = model->config.model.n_embd, n = recurrence_outputs(is), n_out = layer->out.n;
    const int counted = is->n_head * (is->n_value + is->counts);
    if (is->skips) layer->param[SKIP] = add(model, layer, FV_INIT_ONE, is->n_head, 0, n, "D");
    if (is->gated) layer->param[W_GATE] = add(model, layer, FV_INIT_LINEAR, d, n, d, "W_G");
    if (is->norm != RECURRENCE_NO_NORM) {
        int width = is->norm == RECURRENCE_HEAD_NORM ? is->n_value : n;
        layer->param[NORM_W] = add(model, layer, FV_INIT_ONE, width, 0, width, "norm.w");
    }
    layer->param[W_OUT] = add(model, layer, FV_INIT_OUTPUT, n, d, n, "W_O");
    static const int WIDE[] = {HEADS, NORMED, GATE_RAW, GATED};
    for (int i = 0; i < 4; i++) layer->buffer[WIDE[i]] = model_reserve(model, n_out, n);
    layer->buffer[RSTD] = model_reserve(model, n_out, is->n_head);
    static const int SUMMED[] = {SUMS, D_OUT, D_OUT_BEFORE, D_GATE};
    for (int i = 0; i < 4; i++)
        layer->buffer[SUMMED[i]] = model_reserve(model, n_out, counted > d ? counted : d);
}

fv_status recurrence_plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    const recurrence *is = recurrence_of(layer);
    const int d = model->config.model.n_embd, n_in = layer->in.n;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln_%s", layer->index, is->name);
    norm_plan(model, &layer->norm, model->config.model.norm, n_in, name);
    for (int s = 0; s < N_STRANDS; s++) strand_plan(model, layer, (enum strand)s);
    plan_steps(model, layer);
    plan_outputs(model, layer);
    layer->buffer[COMPACT] = model_reserve(model, layer->out.n, d);
    layer->buffer[D_NORMED_X] = layer->norm.present ? model_reserve(model, n_in, d) : 0;
    if (is->counts) {
        layer->buffer[COUNTED] = model_reserve(model, n_in, is->n_head * (is->n_value + 1));
        layer->buffer[D_COUNTED] = model_reserve(model, n_in, is->n_head * (is->n_value + 1));
    }
    layer->buffer[UNIT_LENGTHS] = reserve_numbers(model, 2 * is->n_key);
    layer->buffer[SCRATCH] = arena_reserve(&model->plan, (size_t)n_in * (size_t)(is->n_key + 1),
                                           FV_RECURRENCE_SCRATCH * sizeof(real));
    layer->y = model_reserve(model, layer->out.n, d);
    return FV_OK;
}

// --- rates and decays ------------------------------------------------------------------------------

static kernel_rows wide(const model_layer *layer, const model_tile *tile,
                        enum recurrence_buffer which, int width) {
    return rows_dense(recurrence_at(layer, tile, which), width);
}

static int rows_in(const model_layer *layer, const model_tile *tile) {
    return tile->n_groups * layer->in.n;
}
static int rows_out(const model_layer *layer, const model_tile *tile) {
    return tile->n_groups * layer->out.n;
}

static model_linear rate_map(const model_layer *layer) {
    return (model_linear){layer->param[W_RATE], SIZE_MAX, layer->model->config.model.n_embd,
                          recurrence_of(layer)->n_head};
}
static model_linear decay_map(const model_layer *layer) {
    const recurrence *is = recurrence_of(layer);
    return (model_linear){layer->param[W_DECAY], SIZE_MAX, layer->model->config.model.n_embd,
                          is->n_head * recurrence_decays(is)};
}

static kernel_sigmoid_gate sigmoid_rate(const model_layer *layer, const model_tile *tile) {
    size_t n = (size_t)rows_in(layer, tile) * (size_t)recurrence_of(layer)->n_head;
    return (kernel_sigmoid_gate){.n_gates = n,
                                 .width = 1,
                                 .g = recurrence_at(layer, tile, RATE_RAW),
                                 .x = recurrence_at(layer, tile, ONES),
                                 .y = recurrence_at(layer, tile, RATE)};
}

static void rates_forward(const model_layer *layer, const model_tile *tile, kernel_rows x) {
    const int H = recurrence_of(layer)->n_head, n = rows_in(layer, tile);
    if (recurrence_of(layer)->rate != RECURRENCE_SIGMOID_RATE) return;
    linear_forward(tile, rate_map(layer), n, x, wide(layer, tile, RATE_RAW, H), false);
    real *ones = recurrence_at(layer, tile, ONES);
    for (size_t i = 0; i < (size_t)n * (size_t)H * FV_LANES; i++) ones[i] = 1;
    kernel_sigmoid_gate gate = sigmoid_rate(layer, tile);
    tile->kernels->sigmoid_gate(&gate);
}

static void rates_backward(const model_layer *layer, const model_tile *tile, kernel_rows x,
                           kernel_rows dx) {
    if (recurrence_of(layer)->rate != RECURRENCE_SIGMOID_RATE) return;
    tile->kernels->sigmoid_gate_gradient(
        &(kernel_sigmoid_gate_gradient){.forward = sigmoid_rate(layer, tile),
                                        .dy = recurrence_at(layer, tile, D_RATE),
                                        .dx = recurrence_at(layer, tile, RATE), // of the ones
                                        .dg = recurrence_at(layer, tile, D_RATE_RAW)});
    linear_backward(tile, rate_map(layer), rows_in(layer, tile), x,
                    wide(layer, tile, D_RATE_RAW, recurrence_of(layer)->n_head), dx, true);
}

// Every row the same: 1 - 2^(-5 - h).
static void fix_decays(const model_layer *layer, const model_tile *tile) {
    const int H = recurrence_of(layer)->n_head;
    real *decay = recurrence_at(layer, tile, DECAY);
    for (size_t i = 0; i < (size_t)rows_in(layer, tile) * (size_t)H * FV_LANES; i++)
        decay[i] = 1 - (real)ldexp(1, -5 - (int)(i / FV_LANES % (size_t)H));
}

// -exp(A_log) of the head of every decay, or what the sixteenth root has.
static void fill_factors(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    const int each = recurrence_decays(is), n = is->n_head * each;
    real *factor = recurrence_at(layer, tile, FACTOR);
    for (int i = 0; i < n; i++)
        factor[i] = is->decay == RECURRENCE_ROOT_DECAY
                        ? (real)-0.0625
                        : tile->params[layer->param[A_LOG] + (size_t)(i / each)];
    if (is->decay == RECURRENCE_ROOT_DECAY) return;
    size_t whole = ((size_t)n + FV_LANES - 1) / FV_LANES * FV_LANES;
    memset(factor + n, 0, (whole - (size_t)n) * sizeof *factor);
    tile->kernels->exp_array(whole, factor, factor);
    for (int i = 0; i < n; i++) factor[i] = -factor[i];
}

static kernel_decay decay_arguments(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    const int n = is->n_head * recurrence_decays(is);
    bool steps = is->decay == RECURRENCE_STEP_DECAY;
    return (kernel_decay){.n_rows = rows_in(layer, tile),
                          .n_features = n,
                          .negative = !steps,
                          .factor = recurrence_at(layer, tile, FACTOR),
                          .bias = steps ? tile->params + layer->param[B_DECAY] : NULL,
                          .x = wide(layer, tile, DECAY_RAW, n),
                          .step = wide(layer, tile, STEP, n),
                          .decay = wide(layer, tile, DECAY, n)};
}

static void decays_forward(const model_layer *layer, const model_tile *tile, kernel_rows x) {
    const recurrence *is = recurrence_of(layer);
    if (is->decay == RECURRENCE_FIXED_DECAY) fix_decays(layer, tile);
    if (is->decay <= RECURRENCE_FIXED_DECAY) return;
    fill_factors(layer, tile);
    kernel_decay decay = decay_arguments(layer, tile);
    linear_forward(tile, decay_map(layer), decay.n_rows, x, decay.x, false);
    tile->kernels->decay(&decay);
}

static void decays_backward(const model_layer *layer, const model_tile *tile, kernel_rows x,
                            kernel_rows dx) {
    const recurrence *is = recurrence_of(layer);
    if (is->decay <= RECURRENCE_FIXED_DECAY) return;
    const int each = recurrence_decays(is), n = is->n_head * each;
    bool steps = is->decay == RECURRENCE_STEP_DECAY;
    real *factor = recurrence_at(layer, tile, FACTOR), *dfactor = factor + n + FV_LANES;
    memset(dfactor, 0, (size_t)n * sizeof *dfactor);
    tile->kernels->decay_gradient(&(kernel_decay_gradient){
        .forward = decay_arguments(layer, tile),
        .dstep = {is->rate == RECURRENCE_STEP_RATE ? recurrence_at(layer, tile, D_RATE) : NULL,
                  (ptrdiff_t)n * FV_LANES},
        .ddecay = wide(layer, tile, D_DECAY, n),
        .dx = wide(layer, tile, D_DECAY_RAW, n),
        .dfactor = steps ? dfactor : NULL,
        .dbias = steps ? tile->gradient + layer->param[B_DECAY] : NULL});
    for (int i = 0; i < n && steps; i++)
        tile->gradient[layer->param[A_LOG] + (size_t)(i / each)] += dfactor[i] * factor[i];
    linear_backward(tile, decay_map(layer), rows_in(layer, tile), x,
                    wide(layer, tile, D_DECAY_RAW, n), dx, true);
}

// --- the state -------------------------------------------------------------------------------------

// Copies V numbers of every head between rows of V and rows of V + 1; with `ones` behind the latter.
static void spread(const model_layer *layer, const model_tile *tile, real *narrow, real *counted,
                   bool to_counted) {
    const recurrence *is = recurrence_of(layer);
    size_t V = (size_t)is->n_value * FV_LANES,
           n = (size_t)rows_in(layer, tile) * (size_t)is->n_head;
    for (size_t i = 0; i < n; i++, narrow += V, counted += V + FV_LANES) {
        memcpy(to_counted ? counted : narrow, to_counted ? narrow : counted, V * sizeof *narrow);
        for (int l = 0; l < FV_LANES && to_counted; l++) counted[V + (size_t)l] = 1;
    }
}

static kernel_recurrence state_arguments(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    const int each = recurrence_decays(is), value = is->n_value + is->counts;
    kernel_recurrence a = {.n_groups = tile->n_groups,
                           .n_rows = layer->in.n,
                           .n_outputs = layer->out.n,
                           .n_heads = is->n_head,
                           .n_key = is->n_key,
                           .n_value = value,
                           .rows = layer->rows,
                           .replaces = is->replaces,
                           .shared = is->shared,
                           .n_decay = each,
                           .scale = is->scaled ? 1 / real_sqrt((real)is->n_key) : 1,
                           .skip = is->skips ? tile->params + layer->param[SKIP] : NULL,
                           .q = strand_result(layer, tile, STRAND_Q),
                           .k = strand_result(layer, tile, STRAND_K),
                           .v = strand_result(layer, tile, STRAND_V)};
    if (is->counts) a.v = wide(layer, tile, COUNTED, is->n_head * value);
    if (each > 0) a.decay = wide(layer, tile, DECAY, is->n_head * each);
    if (is->rate == RECURRENCE_SIGMOID_RATE) a.rate = wide(layer, tile, RATE, is->n_head);
    if (is->rate == RECURRENCE_STEP_RATE) a.rate = wide(layer, tile, STEP, is->n_head);
    a.y = wide(layer, tile, is->counts ? SUMS : HEADS, is->n_head * value);
    return a;
}

static kernel_ratio ratio_arguments(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    return (kernel_ratio){.n_rows = rows_out(layer, tile) * is->n_head,
                          .n_features = is->n_value,
                          .x = wide(layer, tile, SUMS, is->n_value + 1),
                          .y = wide(layer, tile, HEADS, is->n_value)};
}

// From dy of the heads, in D_OUT or D_OUT_BEFORE, to the gradients of strands, decays and rates.
static void state_backward(const model_layer *layer, const model_tile *tile, real *dheads,
                           real *other) {
    const recurrence *is = recurrence_of(layer);
    const int H = is->n_head, value = is->n_value + is->counts;
    kernel_recurrence_gradient b = {.forward = state_arguments(layer, tile)};
    if (is->counts) {
        tile->kernels->ratio_gradient(
            &(kernel_ratio_gradient){.forward = ratio_arguments(layer, tile),
                                     .dy = rows_dense(dheads, is->n_value),
                                     .dx = rows_dense(other, is->n_value + 1)});
        dheads = other;
    }
    b.dy = rows_dense(dheads, H * value);
    b.dq = wide(layer, tile, D_STRAND + STRAND_Q, strand_features(is, STRAND_Q));
    b.dk = wide(layer, tile, D_STRAND + STRAND_K, strand_features(is, STRAND_K));
    b.dv = wide(layer, tile, is->counts ? D_COUNTED : D_STRAND + STRAND_V, H * value);
    if (b.forward.n_decay > 0) b.ddecay = wide(layer, tile, D_DECAY, H * b.forward.n_decay);
    if (is->rate != RECURRENCE_NO_RATE) b.drate = wide(layer, tile, D_RATE, H);
    if (is->skips) b.dskip = tile->gradient + layer->param[SKIP];
    b.scratch = recurrence_at(layer, tile, SCRATCH);
    tile->kernels->recurrence_gradient(&b);
    if (is->counts)
        spread(layer, tile, recurrence_at(layer, tile, D_STRAND + STRAND_V),
               recurrence_at(layer, tile, D_COUNTED), false);
}

// --- norm and gate ---------------------------------------------------------------------------------

static kernel_norm norm_arguments(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    bool by_head = is->norm == RECURRENCE_HEAD_NORM;
    const int width = by_head ? is->n_value : recurrence_outputs(is);
    return (kernel_norm){.n_rows = rows_out(layer, tile) * (by_head ? is->n_head : 1),
                         .n_features = width,
                         .w = tile->params + layer->param[NORM_W],
                         .x = wide(layer, tile, is->gated && !by_head ? GATED : HEADS, width),
                         .y = wide(layer, tile, NORMED, width),
                         .rstd = recurrence_at(layer, tile, RSTD)};
}

static kernel_gate gate_arguments(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    enum recurrence_buffer from = is->norm == RECURRENCE_HEAD_NORM ? NORMED : HEADS;
    return (kernel_gate){.kind = FV_KERNEL_SILU,
                         .n = (size_t)rows_out(layer, tile) * (size_t)recurrence_outputs(is) *
                              FV_LANES,
                         .x = recurrence_at(layer, tile, GATE_RAW),
                         .u = recurrence_at(layer, tile, from),
                         .y = recurrence_at(layer, tile, GATED)};
}

static model_linear gate_map(const model_layer *layer) {
    return (model_linear){layer->param[W_GATE], SIZE_MAX, layer->model->config.model.n_embd,
                          recurrence_outputs(recurrence_of(layer))};
}
static model_linear out_map(const model_layer *layer) {
    return (model_linear){layer->param[W_OUT], SIZE_MAX, recurrence_outputs(recurrence_of(layer)),
                          layer->model->config.model.n_embd};
}

// What goes through W_O.
static enum recurrence_buffer last_of(const recurrence *is) {
    if (is->norm == RECURRENCE_WHOLE_NORM) return NORMED;
    if (is->gated) return GATED;
    return is->norm == RECURRENCE_HEAD_NORM ? NORMED : HEADS;
}

static void outputs_forward(const model_layer *layer, const model_tile *tile, real *x) {
    const recurrence *is = recurrence_of(layer);
    const int n = recurrence_outputs(is);
    kernel_norm norm = norm_arguments(layer, tile);
    if (is->norm == RECURRENCE_HEAD_NORM) tile->kernels->norm(&norm);
    if (is->gated) {
        linear_forward(tile, gate_map(layer), rows_out(layer, tile),
                       rows_of_output(layer, tile, x, recurrence_at(layer, tile, COMPACT), false),
                       wide(layer, tile, GATE_RAW, n), false);
        kernel_gate gate = gate_arguments(layer, tile);
        tile->kernels->gate(&gate);
    }
    if (is->norm == RECURRENCE_WHOLE_NORM) tile->kernels->norm(&norm);
}

// From the gradient in *at to that of the heads' outputs, which ends in *at; *other is the other buffer.
static void outputs_backward(const model_layer *layer, const model_tile *tile, real **at,
                             real **other) {
    const recurrence *is = recurrence_of(layer);
    kernel_norm norm = norm_arguments(layer, tile);
    for (int step = 0; step < 3; step++) {
        // The norm of all goes back first, that of heads last.
        bool here = step == 1
                        ? is->gated
                        : is->norm == (step == 0 ? RECURRENCE_WHOLE_NORM : RECURRENCE_HEAD_NORM);
        if (!here) continue;
        if (step == 1)
            tile->kernels->gate_gradient(
                &(kernel_gate_gradient){.forward = gate_arguments(layer, tile),
                                        .dy = *at,
                                        .dx = recurrence_at(layer, tile, D_GATE),
                                        .du = *other});
        else
            tile->kernels->norm_gradient(
                &(kernel_norm_gradient){.forward = norm,
                                        .dy = rows_dense(*at, norm.n_features),
                                        .dx = rows_dense(*other, norm.n_features),
                                        .dw = tile->gradient + layer->param[NORM_W]});
        real *before = *other;
        *other = *at;
        *at = before;
    }
}

// --- the layer -------------------------------------------------------------------------------------

static void fill_lengths(const model_layer *layer, const model_tile *tile) {
    const int n = recurrence_of(layer)->n_key;
    real *lengths = recurrence_at(layer, tile, UNIT_LENGTHS);
    for (int i = 0; i < n; i++) lengths[i] = 1 / real_sqrt((real)n);
}

void recurrence_forward(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    const int d = layer->model->config.model.n_embd, n_out = rows_out(layer, tile);
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    real *normed = norm_forward(&layer->norm, tile, layer->in.n, x);
    if (is->unit) fill_lengths(layer, tile);
    for (int s = 0; s < N_STRANDS; s++) strand_forward(layer, tile, (enum strand)s, normed);
    if (is->counts)
        spread(layer, tile, strand_result(layer, tile, STRAND_V).data,
               recurrence_at(layer, tile, COUNTED), true);
    rates_forward(layer, tile, rows_dense(normed, d));
    decays_forward(layer, tile, rows_dense(normed, d));
    kernel_recurrence state = state_arguments(layer, tile);
    tile->kernels->recurrence(&state);
    kernel_ratio ratio = ratio_arguments(layer, tile);
    if (is->counts) tile->kernels->ratio(&ratio);
    outputs_forward(layer, tile, normed);
    if (layer->residual) rows_copy_outputs(layer, tile, x, y);
    linear_forward(tile, out_map(layer), n_out,
                   wide(layer, tile, last_of(is), recurrence_outputs(is)), rows_dense(y, d),
                   layer->residual);
}

void recurrence_backward(const model_layer *layer, const model_tile *tile) {
    const recurrence *is = recurrence_of(layer);
    const int d = layer->model->config.model.n_embd, n_out = rows_out(layer, tile);
    const int n = recurrence_outputs(is);
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? recurrence_at(layer, tile, D_NORMED_X) : dx;
    real *at = recurrence_at(layer, tile, D_OUT), *other = recurrence_at(layer, tile, D_OUT_BEFORE);
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    linear_backward(tile, out_map(layer), n_out, wide(layer, tile, last_of(is), n), dy,
                    rows_dense(at, n), false);
    outputs_backward(layer, tile, &at, &other);
    state_backward(layer, tile, at, other);
    memset(dnormed, 0, (size_t)rows_in(layer, tile) * (size_t)d * FV_LANES * sizeof *dnormed);
    if (is->gated) {
        linear_backward(
            tile, gate_map(layer), n_out,
            rows_of_output(layer, tile, normed, recurrence_at(layer, tile, COMPACT), false),
            wide(layer, tile, D_GATE, n), rows_dense(at, d), false);
        rows_add(layer, tile, rows_dense(at, d), dnormed);
    }
    for (int s = 0; s < N_STRANDS; s++)
        strand_backward(layer, tile, (enum strand)s, normed, dnormed);
    rates_backward(layer, tile, rows_dense(normed, d), rows_dense(dnormed, d));
    decays_backward(layer, tile, rows_dense(normed, d), rows_dense(dnormed, d));
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

// A decay is half a multiply-add of each number of the state, what is held and what is added one each.
void recurrence_cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const recurrence *is = recurrence_of(layer);
    const double n_in = layer->in.n, n_out = layer->out.n, d = layer->model->config.model.n_embd;
    const double H = is->n_head, n = recurrence_outputs(is);
    const double state = H * is->n_key * (is->n_value + is->counts);
    double each = state * (1 + is->replaces + (is->decay != RECURRENCE_NO_DECAY) * 0.5), sum = 0;
    double exponentials = 0, decays = H * recurrence_decays(is);
    for (int s = 0; s < N_STRANDS; s++) {
        double features = strand_features(is, (enum strand)s);
        double rows = is->taps > 0 ? n_in : strand_rows(layer, (enum strand)s);
        sum += rows * features * (d + is->taps);
        exponentials += is->taps > 0 ? n_in * features : 0;
        if (s != STRAND_V && is->positive)
            exponentials += strand_rows(layer, (enum strand)s) * features;
    }
    if (is->rate == RECURRENCE_SIGMOID_RATE) sum += n_in * H * d, exponentials += n_in * H;
    if (is->decay > RECURRENCE_FIXED_DECAY)
        sum += n_in * decays * d, exponentials += 2 * n_in * decays;
    if (is->gated) sum += n_out * n * d, exponentials += n_out * n;
    *textbook = *executed = sum + n_in * each + n_out * (state + n * d);
    *exps = exponentials;
}
