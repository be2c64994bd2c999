// Attention to compressed entries and a window (the compressed sparse attention and the heavily compressed
// attention of DeepSeek-V4): blocks of model.compress_block keys become one entry each by a learned map
// (compress.h), values likewise, and one softmax weighs entries and the last model.compress_window keys together:
//
//     rows of keys     | entry 0 | entry 1 | ... | key 0 | key 1 | ...
//     query t sees     whole blocks up to t: all of them, or the compress_k    the window's
//                      that its heads weigh most
//
// compress_k 0 keeps all entries (HCA), more that many (CSA). Heads that share keys choose together, by the mean
// of what a softmax of the entries alone would give them; the choice is not differentiated. Rotary positions
// turn an entry as they turn its block's last key.
//
// Of the report it leaves out overlapping blocks, weights within a block that depend on its content, the
// indexer, and keys that are their own values.
#include "model/attention_keys.h"
#include "model/attention_rows.h"
#include "model/compress.h"
#include "model/hooks.h"
#include "model/positions.h"
#include "model/rotary.h"

#include <fovea/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum param { W_Q, W_K, W_V, W_O };
enum buffer {
    Q,     // [out.n][d]
    RAW_K, // [in.n][kv], before they are turned
    RAW_V,
    K, // [entries, in.n][kv]
    V,
    P,       // [heads out.n][entries, in.n]
    Z,       // [out.n][d]
    ENTRY_P, // [heads out.n][entries]: of a softmax of entries alone
    RANKS,   // [out.n][entries][16] of one group
    UNITS,   // [out.n][entries] bits of one group
    KEPT,    // [heads of keys][G][out.n][entries, in.n] bits
    COMPACT, // [out.n][d]
    ENTRIES, // [entries][kv] of keys, then of values, or their gradients
    D_RAW_K,
    D_RAW_V,
    D_K,
    D_V,
    D_Z,
    D_Q,
    SPARE,   // [out.n][d]
    SCRATCH, // [out.n][entries, in.n][16]
    D_NORMED,
};

typedef struct compressed {
    attention_heads heads;
    compression map[2];              // of keys and of values
    int k, window, n_blocks, n_rows; // of keys: entries and positions
    int *n_whole, *n_keys;           // [out.n]: entries, and rows of keys
    rotary rotary;
    real *turned_q, *turned_k; // cosines, then sines, of `out` and of the rows of keys
} compressed;

static compressed *of(const model_layer *layer) {
    return layer->own;
}

static real *at(const model_layer *layer, const model_tile *tile, int buffer) {
    return tile_buffer(tile, layer->buffer[buffer]);
}

// --- what it owns --------------------------------------------------------------------------------

static fv_status create(model_layer *layer, int i, fv_error *error) {
    const fv_model_config *config = &layer->model->config.model;
    compressed *a = calloc(1, sizeof *a);
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for compressed attention");
    a->heads = heads_of(config, i);
    a->k = config->compress_k;
    a->window = config->compress_window;
    layer->own = a;
    return FV_OK;
}

static void free_compressed(model_layer *layer) {
    compressed *a = of(layer);
    if (a == NULL) return;
    rotary_free(&a->rotary);
    free(a->turned_q);
    free(a->turned_k);
    free(a->n_whole);
    free(a->n_keys);
    free(a);
}

static fv_status plan_turning(const fv_model *model, const model_layer *layer, fv_error *error) {
    compressed *a = of(layer);
    fv_status status = rotary_create(&model->config, model->n_positions, &a->rotary, error);
    if (status != FV_OK || a->rotary.n_pairs == 0) return status;
    int *places = malloc((size_t)a->n_rows * sizeof *places);
    for (int j = 0; places != NULL && j < a->n_rows; j++)
        places[j] = j < a->n_blocks ? j * a->map[0].stride + a->map[0].block - 1 : j - a->n_blocks;
    a->turned_q = rotary_table(&a->rotary, layer->out.n, layer->out.at);
    if (places != NULL) a->turned_k = rotary_table(&a->rotary, a->n_rows, places);
    free(places);
    if (a->turned_q != NULL && a->turned_k != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for compressed attention");
}

static fv_status plan_places(const fv_model *model, const model_layer *layer, fv_error *error) {
    compressed *a = of(layer);
    const size_t n = (size_t)layer->out.n;
    if (a->n_whole != NULL) return FV_OK; // layers are planned twice
    for (int i = 0; i < 2; i++)
        a->map[i] = compress_of(&model->config.model, &a->heads, layer->in.n);
    a->n_blocks = a->map[0].n_blocks;
    a->n_rows = a->n_blocks + layer->in.n;
    a->n_whole = malloc(n * sizeof *a->n_whole);
    a->n_keys = malloc(n * sizeof *a->n_keys);
    if (a->n_whole == NULL || a->n_keys == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for compressed attention");
    for (int i = 0; i < layer->out.n; i++) {
        a->n_whole[i] = compress_whole(&a->map[0], layer->out.at[i] + 1);
        a->n_keys[i] = a->n_blocks + layer->out.at[i] + 1;
    }
    return plan_turning(model, layer, error);
}

static void plan_params(fv_model *model, model_layer *layer) {
    compressed *a = of(layer);
    const int d = model->config.model.n_embd, l = layer->index, kv = a->heads.kv;
    static const char *const names[] = {"W_Q", "W_K", "W_V", "W_O"};
    for (int i = 0; i < 4; i++)
        layer->param[W_Q + i] =
            model_add(model, i == W_O ? FV_INIT_OUTPUT : FV_INIT_LINEAR, d,
                      i == W_K || i == W_V ? kv : d, d, "blocks.%d.compressed.%s", l, names[i]);
    compress_plan(model, layer, "compressed.compress_K", &a->map[0]);
    compress_plan(model, layer, "compressed.compress_V", &a->map[1]);
}

static void plan_buffers(fv_model *model, model_layer *layer) {
    static const int of_outputs[] = {Q, Z, COMPACT, D_Z, D_Q, SPARE};
    static const int of_inputs[] = {RAW_K, RAW_V, D_RAW_K, D_RAW_V}, of_keys[] = {K, V, D_K, D_V};
    const compressed *a = of(layer);
    const int d = model->config.model.n_embd, n_in = layer->in.n, n_out = layer->out.n;
    const size_t rows = (size_t)n_out * (size_t)a->n_rows, one = sizeof(real);
    const size_t units = (size_t)n_out * (size_t)(a->n_blocks + 1);
    for (int i = 0; i < 6; i++) layer->buffer[of_outputs[i]] = model_reserve(model, n_out, d);
    for (int i = 0; i < 4; i++) {
        layer->buffer[of_inputs[i]] = model_reserve(model, n_in, a->heads.kv);
        layer->buffer[of_keys[i]] = model_reserve(model, a->n_rows, a->heads.kv);
    }
    layer->buffer[P] = model_reserve(model, n_out * a->heads.n, a->n_rows);
    layer->buffer[ENTRY_P] = model_reserve(model, n_out * a->heads.n, a->n_blocks);
    layer->buffer[ENTRIES] = model_reserve(model, a->n_blocks, 2 * a->heads.kv);
    layer->buffer[RANKS] = arena_reserve(&model->plan, units * FV_LANES, one);
    layer->buffer[UNITS] = arena_reserve(&model->plan, units, sizeof(uint16_t));
    layer->buffer[KEPT] = arena_reserve(
        &model->plan, (size_t)(model->group_capacity * a->heads.n_kv) * rows, sizeof(uint16_t));
    layer->buffer[SCRATCH] = arena_reserve(&model->plan, rows * FV_LANES, one);
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, n_in, d) : 0;
    layer->y = model_reserve(model, n_out, d);
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln_compressed", layer->index);
    fv_status status = plan_places(model, layer, error);
    if (status != FV_OK) return status;
    norm_plan(model, &layer->norm, model->config.model.norm, layer->in.n, name);
    plan_params(model, layer);
    plan_buffers(model, layer);
    return FV_OK;
}

// --- arguments -----------------------------------------------------------------------------------

static model_linear linear(const model_layer *layer, int param, int n_out) {
    return (model_linear){layer->param[param], SIZE_MAX, layer->model->config.model.n_embd, n_out};
}

static uint16_t *kept_of(const model_layer *layer, const model_tile *tile, int group) {
    uint16_t *kept = arena_at(tile->workspace, layer->buffer[KEPT]);
    return kept +
           (ptrdiff_t)group * layer->model->group_capacity * layer->out.n * of(layer)->n_rows;
}

static kernel_attend attend_of(const model_layer *layer, const model_tile *tile, int h) {
    const compressed *a = of(layer);
    const attention_heads *heads = &a->heads;
    const int n_out = layer->out.n, shared = attention_kv_first(heads, h);
    real *p = at(layer, tile, P) + (ptrdiff_t)h * n_out * a->n_rows * FV_LANES;
    kernel_attend_rows weights = attend_rows(p, n_out * heads->n, a->n_rows, 0);
    return (kernel_attend){.n_groups = tile->n_groups,
                           .n_queries = n_out,
                           .n_rows_keys = a->n_rows,
                           .d_key = heads->width,
                           .d_value = heads->width,
                           .n_keys = a->n_keys,
                           .score = FV_KERNEL_DOT,
                           .scale = 1 / real_sqrt((real)heads->width),
                           .normaliser = FV_NORMALISE_SOFTMAX,
                           .kept = kept_of(layer, tile, h * heads->n_kv / heads->n),
                           .q = attend_rows(at(layer, tile, Q), n_out, heads->q, h * heads->width),
                           .k = attend_rows(at(layer, tile, K), a->n_rows, heads->kv, shared),
                           .v = attend_rows(at(layer, tile, V), a->n_rows, heads->kv, shared),
                           .z = attend_rows(at(layer, tile, Z), n_out, heads->q, h * heads->width),
                           .p = weights,
                           .slopes = weights};
}

// Queries, or rows of keys, by their positions.
static void turn(const model_layer *layer, const model_tile *tile, int buffer, bool keys,
                 bool back) {
    const compressed *a = of(layer);
    rotate_heads(tile, &a->rotary, keys ? a->turned_k : a->turned_q,
                 keys ? a->n_rows : layer->out.n, keys ? a->heads.n_kv : a->heads.n, a->heads.width,
                 at(layer, tile, buffer), back);
}

// --- the choice ----------------------------------------------------------------------------------

// What heads would give to the entries alone.
static void weigh_entries(const model_layer *layer, const model_tile *tile) {
    const compressed *a = of(layer);
    for (int h = 0; h < a->heads.n; h++) {
        kernel_attend attend = attend_of(layer, tile, h);
        real *p = at(layer, tile, ENTRY_P) + (ptrdiff_t)h * layer->out.n * a->n_blocks * FV_LANES;
        attend.p = attend.slopes = attend_rows(p, layer->out.n * a->heads.n, a->n_blocks, 0);
        attend.n_rows_keys = a->n_blocks;
        attend.n_keys = a->n_whole;
        attend.kept = NULL;
        attend.d_value = 0;
        tile->kernels->attend(&attend);
    }
}

static void choose(const model_layer *layer, const model_tile *tile, int group, int g) {
    const compressed *a = of(layer);
    uint16_t *units = arena_at(tile->workspace, layer->buffer[UNITS]);
    uint16_t *kept = kept_of(layer, tile, group) + (ptrdiff_t)g * layer->out.n * a->n_rows;
    const bool chooses = a->k > 0 && a->n_blocks > 0;
    if (chooses) {
        // What has no weight among entries has none among those that are kept: which of it is does not matter.
        const compress_ranking ranking = {.heads = &a->heads,
                                          .n_rows = layer->out.n,
                                          .n_units = a->n_blocks,
                                          .k = a->k,
                                          .n_choosable = a->n_whole,
                                          .n_whole = a->n_whole,
                                          .weights = at(layer, tile, ENTRY_P)};
        real *ranks = at(layer, tile, RANKS);
        compress_rank(tile, &a->map[0], &ranking, group, g, ranks);
        tile->kernels->select(&(kernel_select){.n_rows = layer->out.n,
                                               .n_units = a->n_blocks,
                                               .k = a->k,
                                               .ranks = ranks,
                                               .kept = units});
    }
    for (int i = 0; i < layer->out.n; i++)
        for (int j = 0; j < a->n_rows; j++) {
            const int key = j - a->n_blocks, t = layer->out.at[i];
            uint16_t bits = j < a->n_whole[i] ? UINT16_MAX : 0;
            if (bits != 0 && chooses) bits = units[i * a->n_blocks + j];
            if (key >= 0) bits = key <= t && key > t - a->window ? UINT16_MAX : 0;
            kept[i * a->n_rows + j] = bits;
        }
}

// --- forward -------------------------------------------------------------------------------------

static size_t size_of(const model_tile *tile, int n_rows, int width) {
    return (size_t)tile->n_groups * (size_t)n_rows * (size_t)width * FV_LANES;
}

// Entries and keys one behind the other, or back: dkeys [entries, in.n] to gradients of both.
static void join(const model_layer *layer, const model_tile *tile, real *entries, real *keys,
                 real *all, bool back) {
    const compressed *a = of(layer);
    const size_t row = (size_t)a->heads.kv * FV_LANES;
    const size_t n_entries = (size_t)a->n_blocks * row, n_keys = (size_t)layer->in.n * row;
    for (int g = 0; g < tile->n_groups; g++, all += n_entries + n_keys) {
        real *entry = entries + (size_t)g * n_entries, *key = keys + (size_t)g * n_keys;
        memcpy(back ? entry : all, back ? all : entry, n_entries * sizeof *all);
        memcpy(back ? key : all + n_entries, back ? all + n_entries : key, n_keys * sizeof *all);
    }
}

static void project(const model_layer *layer, const model_tile *tile, real *x) {
    const attention_heads *heads = &of(layer)->heads;
    const int d = layer->model->config.model.n_embd, n_in = tile->n_groups * layer->in.n;
    real *entries = at(layer, tile, ENTRIES);
    linear_forward(tile, linear(layer, W_Q, d), tile->n_groups * layer->out.n,
                   rows_of_output(layer, tile, x, at(layer, tile, COMPACT), false),
                   rows_dense(at(layer, tile, Q), d), false);
    for (int i = 0; i < 2; i++) { // keys, values
        real *raw = at(layer, tile, RAW_K + i);
        linear_forward(tile, linear(layer, W_K + i, heads->kv), n_in, rows_dense(x, d),
                       rows_dense(raw, heads->kv), false);
        compress_forward(tile, &of(layer)->map[i], raw, entries);
        join(layer, tile, entries, raw, at(layer, tile, K + i), false);
    }
    turn(layer, tile, Q, false, false);
    turn(layer, tile, K, true, false);
}

static void forward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd;
    const compressed *a = of(layer);
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    project(layer, tile, norm_forward(&layer->norm, tile, layer->in.n, x));
    if (a->k > 0 && a->n_blocks > 0) weigh_entries(layer, tile);
    for (int group = 0; group < a->heads.n_kv; group++)
        for (int g = 0; g < tile->n_groups; g++) choose(layer, tile, group, g);
    for (int h = 0; h < a->heads.n; h++) {
        kernel_attend attend = attend_of(layer, tile, h);
        tile->kernels->attend(&attend);
    }
    if (layer->residual) rows_copy_outputs(layer, tile, x, y);
    linear_forward(tile, linear(layer, W_O, d), tile->n_groups * layer->out.n,
                   rows_dense(at(layer, tile, Z), d), rows_dense(y, d), layer->residual);
}

// --- backward ------------------------------------------------------------------------------------

static void attend_back(const model_layer *layer, const model_tile *tile) {
    const compressed *a = of(layer);
    const int n_out = layer->out.n;
    for (int i = 0; i < 2; i++)
        memset(at(layer, tile, D_K + i), 0, size_of(tile, a->n_rows, a->heads.kv) * sizeof(real));
    for (int h = 0; h < a->heads.n; h++) {
        const int first = h * a->heads.width, shared = attention_kv_first(&a->heads, h);
        kernel_attend_gradient job = {
            .forward = attend_of(layer, tile, h),
            .scratch = at(layer, tile, SCRATCH),
            .dz = attend_rows(at(layer, tile, D_Z), n_out, a->heads.q, first),
            .dq = attend_rows(at(layer, tile, D_Q), n_out, a->heads.q, first),
            .dk = attend_rows(at(layer, tile, D_K), a->n_rows, a->heads.kv, shared),
            .dv = attend_rows(at(layer, tile, D_V), a->n_rows, a->heads.kv, shared)};
        tile->kernels->attend_gradient(&job);
    }
}

static void project_back(const model_layer *layer, const model_tile *tile, real *x, real *dx) {
    const attention_heads *heads = &of(layer)->heads;
    const int d = layer->model->config.model.n_embd, n_in = tile->n_groups * layer->in.n;
    real *entries = at(layer, tile, ENTRIES);
    kernel_rows spare = rows_dense(at(layer, tile, SPARE), d);
    turn(layer, tile, D_Q, false, true);
    turn(layer, tile, D_K, true, true);
    for (int i = 0; i < 2; i++) {
        real *draw = at(layer, tile, D_RAW_K + i);
        join(layer, tile, entries, draw, at(layer, tile, D_K + i), true);
        compress_backward(tile, &of(layer)->map[i], at(layer, tile, RAW_K + i), entries, draw);
        linear_backward(tile, linear(layer, W_K + i, heads->kv), n_in, rows_dense(x, d),
                        rows_dense(draw, heads->kv), rows_dense(dx, d), i > 0);
    }
    linear_backward(tile, linear(layer, W_Q, d), tile->n_groups * layer->out.n,
                    rows_of_output(layer, tile, x, at(layer, tile, COMPACT), false),
                    rows_dense(at(layer, tile, D_Q), d), spare, false);
    rows_add(layer, tile, spare, dx);
}

static void backward(const model_layer *layer, const model_tile *tile) {
    const int d = layer->model->config.model.n_embd;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? at(layer, tile, D_NORMED) : dx;
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    linear_backward(tile, linear(layer, W_O, d), tile->n_groups * layer->out.n,
                    rows_dense(at(layer, tile, Z), d), dy, rows_dense(at(layer, tile, D_Z), d),
                    false);
    attend_back(layer, tile);
    project_back(layer, tile, normed, dnormed);
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual) rows_add(layer, tile, dy, dx);
}

// --- the configuration, and what it costs ----------------------------------------------------------

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const compressed *a = of(layer);
    const double d = layer->model->config.model.n_embd, n_in = layer->in.n, n_out = layer->out.n;
    double pairs = 0, ranked = 0, all = 0, left = 0;
    for (int i = 0; i < layer->out.n; i++) {
        const int n = layer->out.at[i] + 1, near = n < a->window ? n : a->window;
        const int chosen = a->k > 0 && a->k < a->n_whole[i] ? a->k : a->n_whole[i];
        pairs += chosen + near;
        left += a->n_whole[i] - chosen; // ranked by their scores, and not kept
        ranked += a->k > 0 ? a->n_whole[i] : 0;
        all += a->n_keys[i];
    }
    const double maps =
        2 * n_out * d * d + 2 * n_in * d * a->heads.kv + 2 * compress_cost(&a->map[0]);
    *textbook = maps + 2 * pairs * d + left * d;
    *executed = maps + 2 * all * d + ranked * d;
    *exps = (all + ranked) * a->heads.n + 2 * compress_exps(&a->map[0]);
}

static int reach(const fv_config *config, int i) {
    (void)i;
    return config->task.context_length;
}

// Entries, and keys and values of the window and of the block that is not whole.
static double state(const fv_config *config, int i) {
    const attention_heads heads = heads_of(&config->model, i);
    const int n = config->task.context_length, block = config->model.compress_block;
    int near = config->model.compress_window > block ? config->model.compress_window : block;
    const int stride = config->model.compress_stride;
    const int entries = n / (stride > 0 ? stride : block);
    return 2.0 * heads.kv * (entries + (near < n ? near : n));
}

static fv_status check(const config_checking *c, int i) {
    fv_status status = compress_check(c, i, "compressed_attention");
    if (status != FV_OK) return status;
    const fv_model_config *m = &c->config->model;
    const compression map =
        compress_of(m, &(attention_heads){.n_kv = 1}, c->config->task.context_length);
    const int n_blocks = map.n_blocks;
    if (m->compress_k <= n_blocks) return FV_OK;
    return check_refuse(c, "model.compress_k",
                        "model.compress_k %d is more than the %d whole blocks that "
                        "task.context_length %d has; it allows 1 to %d, and 0 for all",
                        m->compress_k, n_blocks, c->config->task.context_length, n_blocks);
}

static const layer_hook hooks[] = {FV_NORM_HOOKS("ln_compressed."), {0}};

const layer_type layer_compressed_attention = {
    .create = create,
    .free = free_compressed,
    .needs = needs_all_before,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part = {.help =
                 "attention to a window and to blocks of keys that a learned map made one each: "
                 "to all of these, or to the compress_k that are weighed most",
             .example = "model: {layers: [compressed_attention], n_embd: 8, n_head: 2, "
                        "compress_block: 2, compress_k: 0, compress_window: 2}",
             .reads = {FV_READS(model.residual), FV_READS(model.n_kv_head),
                       FV_READS(model.compress_block), FV_READS(model.compress_stride),
                       FV_READS(model.compress_hidden), FV_READS(model.compress_k),
                       FV_READS(model.compress_window)},
             .same = {{"model.compress_stride", compress_settle, "0 is model.compress_block",
                       NULL}},
             .check = check},
    .reach = reach,
    .state = state,
    .hooks = hooks,
};
