// Mamba (Gu & Dao, 2023): a recurrence whose state of fixed size chooses, token by token, what to
// keep.
//
//     x, z    = split(input W_in)                   E = expand * d channels each
//     u       = silu(conv(x))                       causal, one filter of a few taps a channel
//     s, B, C = split(u W_x)                        dt_rank, N and N numbers a position
//     delta   = softplus(s W_dt + b_dt)             [E]
//     h_t     = exp(delta_t A) h_{t-1} + delta_t B_t u_t     [E][N], A = -exp(A_log)
//     y       = ((C_t . h_t + D u_t) silu(z_t)) W_out
//
// B is by Euler's rule.
//
// What a position needs of later layers alone (z, C, the sum over the state, W_out) is computed
// where an output is wanted; x, u, delta, B and the state at all earlier positions. The gradient
// keeps no states: it runs the recurrence of each channel once more, in the scan kernel's own
// scratch.
#include "model/hooks.h"

#include <stdio.h>
#include <string.h>

enum param { W_IN, W_CONV, B_CONV, W_X, W_DT, B_DT, A_LOG, D_SKIP, W_OUT };
enum buffer {
    COMPACT,  // [out][d]   inputs at the outputs, where they are no view
    X,        // [in][E]    before the convolution
    U,        // [in][E]
    U_OUT,    // [out][E]   u at the outputs, where it is no view
    STEP_B,   // [in][R + N] s and B
    C,        // [out][N]
    RAW,      // [in][E]    s W_dt
    DELTA,    // [in][E]
    Z,        // [out][E]
    SUM,      // [out][E]   C . h + D u
    Y,        // [out][E]   gated
    A,        // [E][N]     -exp(A_log); then its gradient
    D_NORMED, // [in][d]
    D_INNER,  // [in][E]    du, then nothing
    D_RAW,    // [in][E]    then dx
    D_STEP_B, // [in][R + N]
    D_C,      // [out][N]
    D_Y,      // [out][E]
    D_Z,      // [out][E]
    SCRATCH,  // of the scan's gradient
};

// The sizes of a layer.
typedef struct sizes {
    int d, inner, n_state, width, rank;
    int n_in, n_out; // positions
} sizes;

static sizes sizes_of(const model_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    int d = config->n_embd;
    return (sizes){.d = d,
                   .inner = config->mamba_expand * d,
                   .n_state = config->mamba_state,
                   .width = config->mamba_conv,
                   .rank = config->mamba_dt_rank > 0 ? config->mamba_dt_rank : (d + 15) / 16,
                   .n_in = layer->in.n,
                   .n_out = layer->out.n};
}

static void plan_params(fv_model *model, model_layer *layer) {
    sizes s = sizes_of(layer);
    const struct {
        const char *name;
        init_kind init;
        int rows, columns, fan_in;
    } tensors[] = {
        [W_IN] = {"in_proj", FV_INIT_LINEAR, s.d, 2 * s.inner, s.d},
        [W_CONV] = {"conv.w", FV_INIT_FAN_IN, s.inner, s.width, s.width},
        [B_CONV] = {"conv.b", FV_INIT_FAN_IN, s.inner, 0, s.width},
        [W_X] = {"x_proj", FV_INIT_LINEAR, s.inner, s.rank + 2 * s.n_state, s.inner},
        [W_DT] = {"dt_proj.w", FV_INIT_FAN_IN, s.rank, s.inner, s.rank},
        [B_DT] = {"dt_proj.b", FV_INIT_TIME_STEP, s.inner, 0, s.rank},
        [A_LOG] = {"A_log", FV_INIT_LOG_COLUMN, s.inner, s.n_state, s.n_state},
        [D_SKIP] = {"D", FV_INIT_ONE, s.inner, 0, s.inner},
        [W_OUT] = {"out_proj", FV_INIT_OUTPUT, s.inner, s.d, s.inner},
    };
    for (int i = W_IN; i <= W_OUT; i++)
        layer->param[i] =
            model_add(model, tensors[i].init, tensors[i].rows, tensors[i].columns,
                      tensors[i].fan_in, "blocks.%d.mamba.%s", layer->index, tensors[i].name);
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    sizes s = sizes_of(layer);
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln_mamba", layer->index);
    norm_plan(model, &layer->norm, model->config.model.norm, s.n_in, name);
    plan_params(model, layer);
    static const enum buffer inner_in[] = {X, U, RAW, DELTA, D_INNER, D_RAW};
    static const enum buffer inner_out[] = {U_OUT, Z, SUM, Y, D_Y, D_Z};
    for (int i = 0; i < 6; i++) {
        layer->buffer[inner_in[i]] = model_reserve(model, s.n_in, s.inner);
        layer->buffer[inner_out[i]] = model_reserve(model, s.n_out, s.inner);
    }
    layer->buffer[STEP_B] = model_reserve(model, s.n_in, s.rank + s.n_state);
    layer->buffer[D_STEP_B] = model_reserve(model, s.n_in, s.rank + s.n_state);
    layer->buffer[C] = model_reserve(model, s.n_out, s.n_state);
    layer->buffer[D_C] = model_reserve(model, s.n_out, s.n_state);
    layer->buffer[COMPACT] = model_reserve(model, s.n_out, s.d);
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, s.n_in, s.d) : 0;
    size_t matrix = (size_t)s.inner * (size_t)s.n_state + FV_LANES; // exp takes sixteen at a time
    layer->buffer[A] = arena_reserve(&model->plan, 2 * matrix, sizeof(real));
    layer->buffer[SCRATCH] =
        arena_reserve(&model->plan, (size_t)s.n_in, FV_SCAN_SCRATCH * FV_LANES * sizeof(real));
    layer->y = model_reserve(model, s.n_out, s.d);
    return FV_OK;
}

static real *buffer(const model_layer *layer, const model_tile *tile, enum buffer which) {
    return tile_buffer(tile, layer->buffer[which]);
}

// Columns `first` .. first + n_out - 1 of a weight [n_in][width].
typedef struct part {
    enum param w;
    int n_in, width, first, n_out;
} part;

static void part_forward(const model_layer *layer, const model_tile *tile, part p, int n_rows,
                         kernel_rows x, kernel_rows y) {
    tile->kernels->map(&(kernel_map){.n_rows = n_rows,
                                     .n_in = p.n_in,
                                     .n_out = p.n_out,
                                     .x = x,
                                     .y = y,
                                     .w = tile->params + layer->param[p.w] + p.first,
                                     .w_in = p.width,
                                     .w_out = 1});
}

static void part_backward(const model_layer *layer, const model_tile *tile, part p, int n_rows,
                          kernel_rows x, kernel_rows dy, kernel_rows dx, bool accumulate) {
    tile->kernels->map_gradient(
        &(kernel_map_gradient){.n_rows = n_rows,
                               .n_in = p.n_in,
                               .n_out = p.n_out,
                               .x = x,
                               .dy = dy,
                               .dw = tile->gradient + layer->param[p.w] + p.first,
                               .w_in = p.width,
                               .w_out = 1});
    tile->kernels->map(&(kernel_map){.n_rows = n_rows,
                                     .n_in = p.n_out,
                                     .n_out = p.n_in,
                                     .x = dy,
                                     .y = dx,
                                     .w = tile->params + layer->param[p.w] + p.first,
                                     .w_in = 1,
                                     .w_out = p.width,
                                     .accumulate = accumulate});
}

static part part_x(sizes s) {
    return (part){W_IN, s.d, 2 * s.inner, 0, s.inner};
}
static part part_z(sizes s) {
    return (part){W_IN, s.d, 2 * s.inner, s.inner, s.inner};
}
static part part_step_b(sizes s) {
    return (part){W_X, s.inner, s.rank + 2 * s.n_state, 0, s.rank + s.n_state};
}
static part part_c(sizes s) {
    return (part){W_X, s.inner, s.rank + 2 * s.n_state, s.rank + s.n_state, s.n_state};
}
static part part_step(sizes s) {
    return (part){W_DT, s.rank, s.inner, 0, s.inner};
}
static part part_out(sizes s) {
    return (part){W_OUT, s.inner, s.d, 0, s.d};
}

static kernel_conv conv_arguments(const model_layer *layer, const model_tile *tile) {
    sizes s = sizes_of(layer);
    return (kernel_conv){.n_groups = tile->n_groups,
                         .n_rows = s.n_in,
                         .n_features = s.inner,
                         .width = s.width,
                         .x = buffer(layer, tile, X),
                         .w = tile->params + layer->param[W_CONV],
                         .b = tile->params + layer->param[B_CONV],
                         .y = buffer(layer, tile, U)};
}

static kernel_scan scan_arguments(const model_layer *layer, const model_tile *tile) {
    sizes s = sizes_of(layer);
    kernel_rows step_b = rows_dense(buffer(layer, tile, STEP_B), s.rank + s.n_state);
    return (kernel_scan){.n_groups = tile->n_groups,
                         .n_rows = s.n_in,
                         .n_outputs = s.n_out,
                         .n_channels = s.inner,
                         .n_state = s.n_state,
                         .rows = layer->rows,
                         .a = buffer(layer, tile, A),
                         .skip = tile->params + layer->param[D_SKIP],
                         .bias = tile->params + layer->param[B_DT],
                         .u = buffer(layer, tile, U),
                         .raw = buffer(layer, tile, RAW),
                         .b = {step_b.data + s.rank * FV_LANES, step_b.stride},
                         .c = buffer(layer, tile, C),
                         .z = buffer(layer, tile, Z),
                         .delta = buffer(layer, tile, DELTA),
                         .sum = buffer(layer, tile, SUM),
                         .y = buffer(layer, tile, Y)};
}

static void compute_a(const model_layer *layer, const model_tile *tile) {
    sizes s = sizes_of(layer);
    size_t n = (size_t)s.inner * (size_t)s.n_state,
           whole = (n + FV_LANES - 1) / FV_LANES * FV_LANES;
    real *a = buffer(layer, tile, A);
    memcpy(a, tile->params + layer->param[A_LOG], n * sizeof *a);
    memset(a + n, 0, (whole - n) * sizeof *a);
    tile->kernels->exp_array(whole, a, a);
    for (size_t i = 0; i < n; i++) a[i] = -a[i];
}

static void forward(const model_layer *layer, const model_tile *tile) {
    sizes s = sizes_of(layer);
    int n_in = tile->n_groups * s.n_in, n_out = tile->n_groups * s.n_out;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    real *normed = norm_forward(&layer->norm, tile, s.n_in, x), *u = buffer(layer, tile, U);
    kernel_rows step_b = rows_dense(buffer(layer, tile, STEP_B), s.rank + s.n_state);
    part_forward(layer, tile, part_x(s), n_in, rows_dense(normed, s.d),
                 rows_dense(buffer(layer, tile, X), s.inner));
    part_forward(layer, tile, part_z(s), n_out,
                 rows_of_output(layer, tile, normed, buffer(layer, tile, COMPACT), false),
                 rows_dense(buffer(layer, tile, Z), s.inner));
    kernel_conv conv = conv_arguments(layer, tile);
    tile->kernels->conv(&conv);
    part_forward(layer, tile, part_step_b(s), n_in, rows_dense(u, s.inner), step_b);
    part_forward(layer, tile, part_c(s), n_out,
                 rows_at_outputs(layer, tile, u, s.inner, buffer(layer, tile, U_OUT)),
                 rows_dense(buffer(layer, tile, C), s.n_state));
    part_forward(layer, tile, part_step(s), n_in, step_b,
                 rows_dense(buffer(layer, tile, RAW), s.inner));
    compute_a(layer, tile);
    kernel_scan scan = scan_arguments(layer, tile);
    tile->kernels->scan(&scan);
    if (layer->residual) rows_copy_outputs(layer, tile, x, y);
    linear_forward(tile, (model_linear){layer->param[W_OUT], SIZE_MAX, s.inner, s.d}, n_out,
                   rows_dense(scan.y, s.inner), rows_dense(y, s.d), layer->residual);
}

// From dy to dz and, at all positions, to the gradients of u, B, C and the step's raw form.
static void backward_scan(const model_layer *layer, const model_tile *tile, kernel_rows dy) {
    sizes s = sizes_of(layer);
    int n_out = tile->n_groups * s.n_out;
    real *a = buffer(layer, tile, A), *da = a + (size_t)s.inner * (size_t)s.n_state + FV_LANES;
    kernel_rows dstep_b = rows_dense(buffer(layer, tile, D_STEP_B), s.rank + s.n_state);
    size_t n = (size_t)s.inner * (size_t)s.n_state;
    part_backward(layer, tile, part_out(s), n_out, rows_dense(buffer(layer, tile, Y), s.inner), dy,
                  rows_dense(buffer(layer, tile, D_Y), s.inner), false);
    memset(da, 0, n * sizeof *da);
    tile->kernels->scan_gradient(
        &(kernel_scan_gradient){.forward = scan_arguments(layer, tile),
                                .dy = buffer(layer, tile, D_Y),
                                .du = buffer(layer, tile, D_INNER),
                                .draw = buffer(layer, tile, D_RAW),
                                .dz = buffer(layer, tile, D_Z),
                                .db = {dstep_b.data + s.rank * FV_LANES, dstep_b.stride},
                                .dc = buffer(layer, tile, D_C),
                                .da = da,
                                .dskip = tile->gradient + layer->param[D_SKIP],
                                .scratch = buffer(layer, tile, SCRATCH)});
    for (size_t i = 0; i < n; i++) tile->gradient[layer->param[A_LOG] + i] += da[i] * a[i];
}

// From there to dx, the gradient before the convolution.
static real *backward_inner(const model_layer *layer, const model_tile *tile) {
    sizes s = sizes_of(layer);
    int n_in = tile->n_groups * s.n_in, n_out = tile->n_groups * s.n_out;
    real *u = buffer(layer, tile, U), *du = buffer(layer, tile, D_INNER);
    kernel_rows draw = rows_dense(buffer(layer, tile, D_RAW), s.inner);
    kernel_rows step_b = rows_dense(buffer(layer, tile, STEP_B), s.rank + s.n_state);
    kernel_rows dstep_b = rows_dense(buffer(layer, tile, D_STEP_B), s.rank + s.n_state);
    part_backward(layer, tile, part_step(s), n_in, step_b, draw, dstep_b, false);
    tile->kernels->bias_gradient(n_in, s.inner, draw, tile->gradient + layer->param[B_DT]);
    part_backward(layer, tile, part_step_b(s), n_in, rows_dense(u, s.inner), dstep_b,
                  rows_dense(du, s.inner), true);
    real *u_out = buffer(layer, tile, U_OUT), *du_out = buffer(layer, tile, D_Y);
    part_backward(layer, tile, part_c(s), n_out, rows_at_outputs(layer, tile, u, s.inner, u_out),
                  rows_dense(buffer(layer, tile, D_C), s.n_state), rows_dense(du_out, s.inner),
                  false);
    rows_add_at_outputs(layer, tile, rows_dense(du_out, s.inner), s.inner, du);
    tile->kernels->conv_gradient(
        &(kernel_conv_gradient){.forward = conv_arguments(layer, tile),
                                .dy = du,
                                .dx = draw.data,
                                .dw = tile->gradient + layer->param[W_CONV],
                                .db = tile->gradient + layer->param[B_CONV]});
    return draw.data;
}

static void backward(const model_layer *layer, const model_tile *tile) {
    sizes s = sizes_of(layer);
    int n_in = tile->n_groups * s.n_in, n_out = tile->n_groups * s.n_out;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? buffer(layer, tile, D_NORMED) : dx;
    real *compact = buffer(layer, tile, COMPACT);
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), s.d);
    backward_scan(layer, tile, dy);
    real *dinner = backward_inner(layer, tile);
    part_backward(layer, tile, part_x(s), n_in, rows_dense(normed, s.d),
                  rows_dense(dinner, s.inner), rows_dense(dnormed, s.d), false);
    // Through the gate, which sits at the outputs only; D_Y has room for these rows as well.
    real *dgate = buffer(layer, tile, D_Y);
    part_backward(layer, tile, part_z(s), n_out,
                  rows_of_output(layer, tile, normed, compact, false),
                  rows_dense(buffer(layer, tile, D_Z), s.inner), rows_dense(dgate, s.d), false);
    rows_add(layer, tile, rows_dense(dgate, s.d), dnormed);
    norm_backward(&layer->norm, tile, s.n_in, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

// For every number of the state and position two products (the step times A and times B u) and the
// multiply-add of the recurrence, which together count as two multiply-adds; an exponential; one
// multiply-add more where the state is read out.
static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    sizes s = sizes_of(layer);
    double n_in = s.n_in, n_out = s.n_out, inner = s.inner, state = inner * s.n_state;
    double around = (n_in + 2 * n_out) * inner * s.d; // in for x and z, out
    double between =
        n_in * inner * (s.width + 2.0 * s.rank + s.n_state) + n_out * inner * s.n_state;
    *textbook = *executed = around + between + (2 * n_in + n_out) * state;
    *exps = n_in * state + (2 * n_in + n_out) * inner; // decays; softplus, SiLU, gate
}

static int reach(const fv_config *config, int i) {
    (void)i;
    return config->task.context_length;
}

// The state, and what the convolution remembers.
static double state(const fv_config *config, int i) {
    (void)i;
    const fv_model_config *m = &config->model;
    return (double)m->mamba_expand * m->n_embd * (m->mamba_state + m->mamba_conv - 1);
}

static void settle_dt_rank(fv_config *c) {
    if (c->model.mamba_dt_rank == (c->model.n_embd + 15) / 16) c->model.mamba_dt_rank = 0;
}

// Rows of E channels.
static model_lanes lanes_inner(const model_layer *layer, const model_tile *tile,
                               enum buffer which) {
    return lanes_dense(buffer(layer, tile, which), layer->out.n, sizes_of(layer).inner);
}
static model_lanes lanes_x(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_inner(layer, tile, X);
}
static model_lanes lanes_u(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_inner(layer, tile, U);
}
static model_lanes lanes_delta(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_inner(layer, tile, DELTA);
}
static model_lanes lanes_z(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_inner(layer, tile, Z);
}
static model_lanes lanes_y(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_inner(layer, tile, Y);
}
static model_lanes lanes_b(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    sizes s = sizes_of(layer);
    model_lanes lanes = lanes_dense(buffer(layer, tile, STEP_B), layer->out.n, s.rank + s.n_state);
    lanes.data += s.rank * FV_LANES;
    return lanes;
}
static model_lanes lanes_c(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(buffer(layer, tile, C), layer->out.n, sizes_of(layer).n_state);
}

static const layer_hook hooks[] = {FV_NORM_HOOKS("ln_mamba."),
                                   {"mamba.hook_x", "TE", lanes_x, FV_HOOK_LIES, NULL},
                                   {"mamba.hook_u", "TE", lanes_u, FV_HOOK_LIES, NULL},
                                   {"mamba.hook_delta", "TE", lanes_delta, FV_HOOK_LIES, NULL},
                                   {"mamba.hook_B", "TN", lanes_b, FV_HOOK_LIES, NULL},
                                   {"mamba.hook_C", "TN", lanes_c, FV_HOOK_LIES, NULL},
                                   {"mamba.hook_z", "TE", lanes_z, FV_HOOK_LIES, NULL},
                                   {"mamba.hook_y", "TE", lanes_y, FV_HOOK_LIES, NULL},
                                   {0}};

const layer_type layer_mamba = {
    .needs = needs_all_before,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {
            .help =
                "selective state space: a gated recurrence over positions with a state of its own",
            .example = "model: {layers: [mamba], n_embd: 8, mamba_state: 4}",
            .reads = {FV_READS(model.residual), FV_READS(model.mamba_state),
                      FV_READS(model.mamba_expand), FV_READS(model.mamba_conv),
                      FV_READS(model.mamba_dt_rank)},
            .same = {{"model.mamba_dt_rank", settle_dt_rank, "0 is a sixteenth of model.n_embd",
                      NULL}},
        },
    .reach = reach,
    .state = state,
    .hooks = hooks,
};
