#include "model/compress.h"

#include "model/positions.h"
#include "model/selectors.h"

#include <fovea/config.h>
#include <math.h>
#include <string.h>

enum { L = FV_LANES };

compression compress_of(const fv_model_config *config, const attention_heads *heads, int n_rows) {
    const int block = config->compress_block;
    compression c = {.block = block,
                     .stride = config->compress_stride > 0 ? config->compress_stride : block,
                     .n_rows = n_rows,
                     .n_heads = heads->n_kv,
                     .width = heads->width,
                     .hidden = config->compress_hidden};
    c.n_blocks = compress_whole(&c, n_rows);
    return c;
}

static int mapped(const compression *c) {
    return c->hidden > 0 ? c->hidden : c->width;
}

void compress_plan(fv_model *model, const model_layer *layer, const char *name, compression *c) {
    const int block = c->block * c->width, l = layer->index;
    c->w = model_add(model, FV_INIT_LINEAR, block, mapped(c), block, "blocks.%d.%s", l, name);
    if (c->hidden == 0) return;
    c->b = model_add(model, FV_INIT_BIAS, c->hidden, 0, block, "blocks.%d.%s_b", l, name);
    c->w_out = model_add(model, FV_INIT_LINEAR, c->hidden, c->width, c->hidden, "blocks.%d.%s_out",
                         l, name);
    size_t *const kept[] = {&c->before, &c->active, &c->dactive, &c->dbefore};
    for (int i = 0; i < 4; i++)
        *kept[i] = model_reserve(model, c->n_blocks, c->n_heads * c->hidden);
}

// Head h's part, `width` wide, of every row at place p of an entry, or of every entry (stride 1, place 0).
static kernel_rows places(const compression *c, real *x, int g, int n_rows, int stride, int p,
                          int h, int width) {
    const ptrdiff_t row = (ptrdiff_t)c->n_heads * width * L;
    return (kernel_rows){x + ((ptrdiff_t)g * n_rows + p) * row + (ptrdiff_t)h * width * L,
                         stride * row};
}

static model_linear map_of(const compression *c, int p) {
    return (model_linear){c->w + (size_t)p * (size_t)c->width * (size_t)mapped(c),
                          c->hidden > 0 && p == 0 ? c->b : SIZE_MAX, c->width, mapped(c)};
}

static model_linear map_out(const compression *c) {
    return (model_linear){c->w_out, SIZE_MAX, c->hidden, c->width};
}

static size_t n_hidden(const model_tile *tile, const compression *c) {
    return (size_t)tile->n_groups * (size_t)c->n_blocks * (size_t)(c->n_heads * c->hidden) * L;
}

void compress_forward(const model_tile *tile, const compression *c, real *x, real *y) {
    real *to = c->hidden > 0 ? tile_buffer(tile, c->before) : y;
    for (int g = 0; g < tile->n_groups && c->n_blocks > 0; g++)
        for (int h = 0; h < c->n_heads; h++)
            for (int p = 0; p < c->block; p++)
                linear_forward(tile, map_of(c, p), c->n_blocks,
                               places(c, x, g, c->n_rows, c->stride, p, h, c->width),
                               places(c, to, g, c->n_blocks, 1, 0, h, mapped(c)), p > 0);
    if (c->hidden == 0 || c->n_blocks == 0) return;
    real *active = tile_buffer(tile, c->active);
    tile->kernels->activate(FV_KERNEL_GELU, n_hidden(tile, c), to, active);
    for (int g = 0; g < tile->n_groups; g++)
        for (int h = 0; h < c->n_heads; h++)
            linear_forward(tile, map_out(c), c->n_blocks,
                           places(c, active, g, c->n_blocks, 1, 0, h, c->hidden),
                           places(c, y, g, c->n_blocks, 1, 0, h, c->width), false);
}

// From dy to the gradient of what the hidden layer is given.
static real *hidden_backward(const model_tile *tile, const compression *c, real *dy) {
    real *active = tile_buffer(tile, c->active), *dactive = tile_buffer(tile, c->dactive);
    real *dbefore = tile_buffer(tile, c->dbefore);
    for (int g = 0; g < tile->n_groups; g++)
        for (int h = 0; h < c->n_heads; h++)
            linear_backward(tile, map_out(c), c->n_blocks,
                            places(c, active, g, c->n_blocks, 1, 0, h, c->hidden),
                            places(c, dy, g, c->n_blocks, 1, 0, h, c->width),
                            places(c, dactive, g, c->n_blocks, 1, 0, h, c->hidden), false);
    tile->kernels->activate_gradient(FV_KERNEL_GELU, n_hidden(tile, c),
                                     tile_buffer(tile, c->before), dactive, dbefore);
    return dbefore;
}

void compress_backward(const model_tile *tile, const compression *c, real *x, real *dy, real *dx) {
    if (c->n_blocks == 0) return;
    if (c->hidden > 0) dy = hidden_backward(tile, c, dy);
    for (int g = 0; g < tile->n_groups; g++)
        for (int h = 0; h < c->n_heads; h++)
            for (int p = 0; p < c->block; p++)
                linear_backward(tile, map_of(c, p), c->n_blocks,
                                places(c, x, g, c->n_rows, c->stride, p, h, c->width),
                                places(c, dy, g, c->n_blocks, 1, 0, h, mapped(c)),
                                places(c, dx, g, c->n_rows, c->stride, p, h, c->width), true);
}

// --- ranks ---------------------------------------------------------------------------------------

// The share of entry e's rows that is in unit u.
static real share_of(const compression *c, const compress_ranking *r, int e, int u) {
    if (r->unit == 0) return 1;
    const int first = e * c->stride, begin = u * r->unit;
    const int from = first > begin ? first : begin;
    const int to = first + c->block < begin + r->unit ? first + c->block : begin + r->unit;
    return to > from ? (real)(to - from) / (real)c->block : 0;
}

// Entries that may have rows in unit u, of the whole ones of query i: from *first to before *end.
static void entries_of(const compression *c, const compress_ranking *r, int i, int u, int *first,
                       int *end) {
    const int before = u * r->unit - c->block; // an entry from here on has none
    const int behind = ((u + 1) * r->unit + c->stride - 1) / c->stride;
    *first = r->unit == 0 ? u : before < 0 ? 0 : before / c->stride + 1;
    *end = r->unit == 0 ? u + 1 : behind;
    if (*end > r->n_whole[i]) *end = r->n_whole[i];
}

// Of query i: what a head gives, p, of the unit to its sum [16].
static void add_unit(const compression *c, const compress_ranking *r, int i, int u, const real *p,
                     real *sum) {
    const int together = r->heads->n / r->heads->n_kv;
    int first, end;
    entries_of(c, r, i, u, &first, &end);
    for (int e = first; e < end; e++) {
        const real share = share_of(c, r, e, u);
        for (int l = 0; l < L; l++) sum[l] += p[e * L + l] / (real)together * share;
    }
}

static const real *weights_of(const compression *c, const compress_ranking *r, int g, int h,
                              int i) {
    return r->weights + ((ptrdiff_t)(g * r->heads->n + h) * r->n_rows + i) * c->n_blocks * L;
}

static void rank_rows(const compression *c, const compress_ranking *r, int group, int g,
                      real *ranks) {
    const int together = r->heads->n / r->heads->n_kv;
    for (int i = 0; i < r->n_rows; i++)
        for (int u = 0; u < r->n_units; u++, ranks += L) {
            const bool choosable = u < r->n_choosable[i];
            for (int l = 0; l < L; l++) ranks[l] = choosable ? 0 : -1;
            for (int h = group * together; choosable && h < (group + 1) * together; h++)
                add_unit(c, r, i, u, weights_of(c, r, g, h, i), ranks);
        }
}

// log(exp(a) + exp(b))
static double log_sum(double a, double b) {
    const double larger = fmax(a, b);
    return larger == -INFINITY ? larger : larger + log(exp(a - larger) + exp(b - larger));
}

// Adds the logarithms of what the head gives to units, which lie where its weights, p of query i, end. Weights
// `flat` of scores times FV_FLATTENED tell all entries from the largest one.
static void add_far(const compression *c, const compress_ranking *r, int i, const real *p,
                    const real *flat, real *far) {
    for (int l = 0; l < L; l++) {
        int best = 0;
        for (int e = 1; e < r->n_whole[i]; e++)
            if (p[e * L + l] > p[best * L + l]) best = e;
        for (int u = 0, first, end; u < r->n_choosable[i]; u++) {
            entries_of(c, r, i, u, &first, &end);
            for (int e = first; e < end; e++) {
                const double less = log((double)flat[e * L + l]) - log((double)flat[best * L + l]);
                const double weight = log((double)p[best * L + l]) + less / (double)FV_FLATTENED;
                const double share = (double)share_of(c, r, e, u);
                if (share > 0)
                    far[u * L + l] = (real)log_sum((double)far[u * L + l], weight + log(share));
            }
        }
    }
}

// The head's weights from scores times FV_FLATTENED, of one group: [n_rows][n_blocks][16].
static void weigh_flat(const model_tile *tile, const compression *c, const compress_ranking *r,
                       int h, int g) {
    _Alignas(FV_ALIGNMENT) real stretch[L];
    for (int l = 0; l < L; l++) stretch[l] = (real)FV_FLATTENED;
    kernel_attend a = r->attend(r->layer, tile, h);
    kernel_attend_rows *const moved[] = {&a.q, &a.k, &a.v, &a.z};
    for (int i = 0; i < 4; i++) moved[i]->data += g * moved[i]->group_stride;
    a.n_groups = 1;
    a.d_value = 0;
    a.kept = NULL;
    a.stretch = (kernel_attend_rows){stretch, 0, 0};
    a.p = a.slopes = (kernel_attend_rows){r->flat, (ptrdiff_t)c->n_blocks * L, 0};
    tile->kernels->attend(&a);
}

void compress_rank(const model_tile *tile, const compression *c, const compress_ranking *r,
                   int group, int g, real *ranks) {
    const int together = r->heads->n / r->heads->n_kv;
    const selection s = {.n_queries = r->n_rows, .n_units = r->n_units, .ranks = ranks};
    const ptrdiff_t row = (ptrdiff_t)r->n_units * L, n = r->n_rows * row;
    rank_rows(c, r, group, g, ranks);
    if (r->far == NULL || !selection_is_flat(&s, r->k)) return;
    for (ptrdiff_t x = 0; x < n; x++) r->far[x] = -INFINITY;
    for (int h = group * together; h < (group + 1) * together; h++) {
        weigh_flat(tile, c, r, h, g);
        for (int i = 0; i < r->n_rows; i++)
            add_far(c, r, i, weights_of(c, r, g, h, i), r->flat + (ptrdiff_t)i * c->n_blocks * L,
                    r->far + i * row);
    }
    // In their order, between 0 and 1.
    for (ptrdiff_t x = 0; x < n; x++) r->far[x] = r->far[x] < 0 ? 1 / (1 - r->far[x]) : 1;
    selection_mend(&s, r->far);
}

// --- the configuration ---------------------------------------------------------------------------

double compress_cost(const compression *c) {
    const double rows = (double)c->n_blocks * c->n_heads;
    return rows * c->width * (c->block * mapped(c) + c->hidden);
}

double compress_exps(const compression *c) {
    return (double)c->n_blocks * c->n_heads * c->hidden;
}

void compress_settle(fv_config *config) {
    fv_model_config *m = &config->model;
    if (m->compress_stride == m->compress_block) m->compress_stride = 0;
}

fv_status compress_check(const config_checking *c, int i, const char *layer) {
    const fv_model_config *m = &c->config->model;
    const int context = c->config->task.context_length, block = m->compress_block;
    fv_status status = attention_check_heads(c, i);
    if (status != FV_OK) return status;
    if (positions_type_of(m->positions)->slopes != NULL)
        return check_refuse(c, "model.positions",
                            "model.positions alibi is a slope by the distance of single keys, and "
                            "an entry of %s stands for several; it needs none, learned, sinusoidal "
                            "or rope",
                            layer);
    if (context > FV_KEPT_CONTEXT)
        return check_refuse(c, "task.context_length",
                            "model.layers: %s keeps the weights of all pairs of positions, which "
                            "task.context_length %d makes too many; it allows up to %d",
                            layer, context, FV_KEPT_CONTEXT);
    if (block > context)
        return check_refuse(c, "model.compress_block",
                            "model.compress_block %d is more than the context has; "
                            "task.context_length %d allows 1 to %d",
                            block, context, context);
    if (m->compress_stride > block)
        return check_refuse(c, "model.compress_stride",
                            "model.compress_stride %d leaves keys between two entries of "
                            "model.compress_block %d; it allows 1 to %d, and 0 for as many",
                            m->compress_stride, block, block);
    return FV_OK;
}
