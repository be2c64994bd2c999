#include "model/nsa.h"

#include "model/attention_rows.h"
#include "model/hooks.h"

#include <fovea/config.h>
#include <stdlib.h>
#include <string.h>

static fv_status create(model_layer *layer, int i, fv_error *error) {
    const fv_model_config *config = &layer->model->config.model;
    nsa *a = calloc(1, sizeof *a);
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for nsa");
    a->heads = heads_of(config, i);
    a->block = nsa_block_of(config);
    a->k = config->compress_k;
    a->first = config->nsa_first;
    a->window = config->compress_window;
    layer->own = a;
    return FV_OK;
}

static void free_nsa(model_layer *layer) {
    nsa *a = nsa_of(layer);
    if (a == NULL) return;
    rotary_free(&a->rotary);
    free(a->turned_q);
    free(a->turned_k);
    free(a->n_whole);
    free(a->n_keys);
    free(a->first_key);
    free(a->n_past);
    free(a);
}

// --- what stages share ---------------------------------------------------------------------------

static real *at(const model_layer *layer, const model_tile *tile, int buffer) {
    return tile_buffer(tile, layer->buffer[buffer]);
}

static model_linear linear(const model_layer *layer, int param, int n_out) {
    return (model_linear){layer->param[param], SIZE_MAX, layer->model->config.model.n_embd, n_out};
}

static size_t size_of(const model_tile *tile, int n_rows, int width) {
    return (size_t)tile->n_groups * (size_t)n_rows * (size_t)width * FV_LANES;
}

static void clear(const model_layer *layer, const model_tile *tile, int buffer, int n_rows,
                  int width) {
    memset(at(layer, tile, buffer), 0, size_of(tile, n_rows, width) * sizeof(real));
}

static bool is_empty(const model_layer *layer, nsa_branch b) {
    return b == NSA_COMPRESSED && nsa_of(layer)->n_blocks == 0;
}

// Queries, or keys, by their positions.
static void turn(const model_layer *layer, const model_tile *tile, int buffer, bool keys,
                 bool back) {
    const nsa *a = nsa_of(layer);
    rotate_heads(tile, &a->rotary, keys ? a->turned_k : a->turned_q,
                 keys ? layer->in.n : layer->out.n, keys ? a->heads.n_kv : a->heads.n,
                 a->heads.width, at(layer, tile, buffer), back);
}

static kernel_sigmoid_gate gate(const model_layer *layer, const model_tile *tile, nsa_branch b) {
    const attention_heads *heads = &nsa_of(layer)->heads;
    return (kernel_sigmoid_gate){.n_gates = (size_t)tile->n_groups * (size_t)layer->out.n *
                                            (size_t)heads->n,
                                 .width = heads->width,
                                 .g = at(layer, tile, GATES + b),
                                 .x = at(layer, tile, Z + b),
                                 .y = at(layer, tile, b == 0 ? SUM : GATED)};
}

// --- forward -------------------------------------------------------------------------------------

static void project(const model_layer *layer, const model_tile *tile, real *x) {
    const attention_heads *heads = &nsa_of(layer)->heads;
    const int d = layer->model->config.model.n_embd;
    const int n_in = tile->n_groups * layer->in.n, n_out = tile->n_groups * layer->out.n;
    kernel_rows outputs = rows_of_output(layer, tile, x, at(layer, tile, COMPACT), false);
    linear_forward(tile, linear(layer, W_Q, d), n_out, outputs, rows_dense(at(layer, tile, Q), d),
                   false);
    for (int b = 0; b < NSA_BRANCHES; b++) {
        linear_forward(tile, linear(layer, W_K + b, heads->kv), n_in, rows_dense(x, d),
                       rows_dense(at(layer, tile, K + b), heads->kv), false);
        linear_forward(tile, linear(layer, W_V + b, heads->kv), n_in, rows_dense(x, d),
                       rows_dense(at(layer, tile, V + b), heads->kv), false);
        linear_forward(tile, linear(layer, W_G + b, heads->n), n_out, outputs,
                       rows_dense(at(layer, tile, GATES + b), heads->n), false);
    }
    if (nsa_of(layer)->rotary.n_pairs > 0)
        memcpy(at(layer, tile, TURNED_Q), at(layer, tile, Q),
               size_of(tile, layer->out.n, d) * sizeof(real));
    turn(layer, tile, TURNED_Q, false, false);
    turn(layer, tile, K + NSA_SELECTED, true, false);
    turn(layer, tile, K + NSA_WINDOW, true, false);
    const compression *map = nsa_of(layer)->map;
    compress_forward(tile, &map[0], at(layer, tile, K), at(layer, tile, ENTRIES_K));
    compress_forward(tile, &map[1], at(layer, tile, V), at(layer, tile, ENTRIES_V));
}

static void look(const model_layer *layer, const model_tile *tile, nsa_branch b) {
    if (b == NSA_SELECTED) nsa_select(layer, tile);
    if (is_empty(layer, b)) clear(layer, tile, Z + b, layer->out.n, nsa_of(layer)->heads.q);
    for (int h = 0; h < nsa_of(layer)->heads.n && !is_empty(layer, b); h++) {
        kernel_attend attend = nsa_attend(layer, tile, b, h);
        tile->kernels->attend(&attend);
    }
    kernel_sigmoid_gate gated = gate(layer, tile, b);
    tile->kernels->sigmoid_gate(&gated);
    real *sum = at(layer, tile, SUM);
    for (size_t i = 0, n = size_of(tile, layer->out.n, nsa_of(layer)->heads.q); b > 0 && i < n; i++)
        sum[i] += gated.y[i];
}

static void forward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    project(layer, tile, norm_forward(&layer->norm, tile, layer->in.n, x));
    for (int b = 0; b < NSA_BRANCHES; b++) look(layer, tile, b);
    if (layer->residual) rows_copy_outputs(layer, tile, x, y);
    linear_forward(tile, linear(layer, W_O, d), tile->n_groups * layer->out.n,
                   rows_dense(at(layer, tile, SUM), d), rows_dense(y, d), layer->residual);
}

// --- backward ------------------------------------------------------------------------------------

// From D_SUM to the gradients of one branch's gates, queries, entries or keys, and values.
static void look_back(const model_layer *layer, const model_tile *tile, nsa_branch b) {
    const attention_heads *heads = &nsa_of(layer)->heads;
    const bool entries = b == NSA_COMPRESSED;
    const int n_out = layer->out.n;
    real *dz = at(layer, tile, D_Z), *part = at(layer, tile, D_PART);
    tile->kernels->sigmoid_gate_gradient(
        &(kernel_sigmoid_gate_gradient){.forward = gate(layer, tile, b),
                                        .dy = at(layer, tile, D_SUM),
                                        .dg = at(layer, tile, D_GATES + b),
                                        .dx = dz});
    if (is_empty(layer, b)) return;
    clear(layer, tile, D_PART, n_out, heads->q);
    for (int h = 0; h < heads->n; h++) {
        kernel_attend_gradient job = {.forward = nsa_attend(layer, tile, b, h),
                                      .scratch = at(layer, tile, SCRATCH)};
        job.dz = job.forward.z;
        job.dz.data += dz - at(layer, tile, Z + b);
        job.dq = job.forward.z;
        job.dq.data += part - at(layer, tile, Z + b);
        job.dk = job.forward.k;
        job.dk.data += at(layer, tile, entries ? D_ENTRIES_K : D_K + b) -
                       at(layer, tile, entries ? ENTRIES_K : K + b);
        job.dv = job.forward.v;
        job.dv.data += at(layer, tile, entries ? D_ENTRIES_V : D_V + b) -
                       at(layer, tile, entries ? ENTRIES_V : V + b);
        tile->kernels->attend_gradient(&job);
    }
    real *dq = at(layer, tile, entries ? D_Q : D_TURNED_Q);
    for (size_t i = 0, n = size_of(tile, n_out, heads->q); i < n; i++) dq[i] += part[i];
}

static void clear_gradients(const model_layer *layer, const model_tile *tile) {
    const attention_heads *heads = &nsa_of(layer)->heads;
    for (int b = 0; b < NSA_BRANCHES; b++) {
        clear(layer, tile, D_K + b, layer->in.n, heads->kv);
        clear(layer, tile, D_V + b, layer->in.n, heads->kv);
    }
    clear(layer, tile, D_ENTRIES_K, nsa_of(layer)->n_blocks, heads->kv);
    clear(layer, tile, D_ENTRIES_V, nsa_of(layer)->n_blocks, heads->kv);
    clear(layer, tile, D_Q, layer->out.n, heads->q);
    clear(layer, tile, D_TURNED_Q, layer->out.n, heads->q);
}

// Through a map of the inputs at the outputs' positions.
static void outputs_back(const model_layer *layer, const model_tile *tile, model_linear map,
                         real *x, real *dx, int dy) {
    const int d = map.n_in, n = tile->n_groups * layer->out.n;
    kernel_rows spare = rows_dense(at(layer, tile, D_PART), d);
    linear_backward(tile, map, n, rows_of_output(layer, tile, x, at(layer, tile, COMPACT), false),
                    rows_dense(at(layer, tile, dy), map.n_out), spare, false);
    rows_add(layer, tile, spare, dx);
}

static void project_back(const model_layer *layer, const model_tile *tile, real *x, real *dx) {
    const attention_heads *heads = &nsa_of(layer)->heads;
    const int d = layer->model->config.model.n_embd, n_in = tile->n_groups * layer->in.n;
    for (int i = 0; i < 2; i++)
        compress_backward(tile, &nsa_of(layer)->map[i], at(layer, tile, i == 0 ? K : V),
                          at(layer, tile, D_ENTRIES_K + i), at(layer, tile, i == 0 ? D_K : D_V));
    turn(layer, tile, D_TURNED_Q, false, true);
    turn(layer, tile, D_K + NSA_SELECTED, true, true);
    turn(layer, tile, D_K + NSA_WINDOW, true, true);
    real *dq = at(layer, tile, D_Q), *turned = at(layer, tile, D_TURNED_Q);
    for (size_t i = 0, n = size_of(tile, layer->out.n, d); i < n; i++) dq[i] += turned[i];
    memset(dx, 0, size_of(tile, layer->in.n, d) * sizeof *dx);
    for (int b = 0; b < NSA_BRANCHES; b++) {
        linear_backward(tile, linear(layer, W_K + b, heads->kv), n_in, rows_dense(x, d),
                        rows_dense(at(layer, tile, D_K + b), heads->kv), rows_dense(dx, d), true);
        linear_backward(tile, linear(layer, W_V + b, heads->kv), n_in, rows_dense(x, d),
                        rows_dense(at(layer, tile, D_V + b), heads->kv), rows_dense(dx, d), true);
        outputs_back(layer, tile, linear(layer, W_G + b, heads->n), x, dx, D_GATES + b);
    }
    outputs_back(layer, tile, linear(layer, W_Q, d), x, dx, D_Q);
}

static void backward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? at(layer, tile, D_NORMED) : dx;
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    linear_backward(tile, linear(layer, W_O, d), tile->n_groups * layer->out.n,
                    rows_dense(at(layer, tile, SUM), d), dy, rows_dense(at(layer, tile, D_SUM), d),
                    false);
    clear_gradients(layer, tile);
    for (int b = 0; b < NSA_BRANCHES; b++) look_back(layer, tile, b);
    project_back(layer, tile, normed, dnormed);
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

// --- the configuration ---------------------------------------------------------------------------

static int reach(const fv_config *config, int i) {
    (void)i;
    return config->task.context_length;
}

// Entries, keys and values of everything, and those of the window.
static double state(const fv_config *config, int i) {
    const attention_heads heads = heads_of(&config->model, i);
    double n = config->task.context_length, window = config->model.compress_window;
    const int stride = config->model.compress_stride;
    const double entries = n / (stride > 0 ? stride : config->model.compress_block);
    return 2.0 * heads.kv * (entries + n + (window < n ? window : n));
}

static fv_status check(const config_checking *c, int i) {
    const fv_model_config *m = &c->config->model;
    const int context = c->config->task.context_length, block = nsa_block_of(m);
    fv_status status = compress_check(c, i, "nsa");
    if (status != FV_OK) return status;
    if (block > context)
        return check_refuse(c, "model.nsa_block",
                            "model.nsa_block %d is more than the context has; task.context_length "
                            "%d allows 1 to %d, and 0 for model.compress_block",
                            block, context, context);
    const int n_blocks = (context + block - 1) / block;
    if (m->compress_k < 1 || m->compress_k > n_blocks)
        return check_refuse(c, "model.compress_k",
                            "model.compress_k %d: nsa selects 1 block, the query's own, to all %d "
                            "that task.context_length %d has",
                            m->compress_k, n_blocks, context);
    if (m->nsa_first >= m->compress_k)
        return check_refuse(c, "model.nsa_first",
                            "model.nsa_first %d blocks and the query's own are more than the "
                            "model.compress_k %d that it selects; it allows 0 to %d",
                            m->nsa_first, m->compress_k, m->compress_k - 1);
    return FV_OK;
}

// Before version 7 blocks to which the entries give nothing were all alike, however far below the others.
static int numerics(const fv_config *config) {
    return config->model.compress_k > 1 ? 7 : 0;
}

static void settle_block(fv_config *config) {
    fv_model_config *m = &config->model;
    if (m->nsa_block == m->compress_block) m->nsa_block = 0;
}

static const layer_hook hooks[] = {FV_NORM_HOOKS("ln_nsa."), {0}};

const layer_type layer_nsa = {
    .create = create,
    .free = free_nsa,
    .needs = needs_all_before,
    .plan = nsa_plan,
    .forward = forward,
    .backward = backward,
    .cost = nsa_cost,
    .part = {.help = "native sparse attention: compressed blocks of keys, the blocks that these "
                     "select, and a window, each gated and summed",
             .example = "model: {layers: [nsa], n_embd: 8, n_head: 2, compress_block: 2, "
                        "compress_k: 1, compress_window: 3}",
             .reads = {FV_READS(model.residual), FV_READS(model.n_kv_head),
                       FV_READS(model.compress_block), FV_READS(model.compress_stride),
                       FV_READS(model.compress_hidden), FV_READS(model.compress_k),
                       FV_READS(model.compress_window), FV_READS(model.nsa_block),
                       FV_READS(model.nsa_first)},
             .same = {{"model.compress_stride", compress_settle, "0 is model.compress_block", NULL},
                      {"model.nsa_block", settle_block, "0 is model.compress_block", NULL}},
             .check = check,
             .numerics = numerics},
    .reach = reach,
    .state = state,
    .hooks = hooks,
};
