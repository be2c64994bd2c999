#include "model/key_index.h"

#include "model/attention_layer.h"
#include "model/attention_rows.h"
#include "model/positions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };
enum { INDEX_W_Q = SELECTOR_PARAM, INDEX_W_K, INDEX_W_W };
enum { INDEX_Q = SELECTOR_BUFFER, INDEX_K, INDEX_W, D_INDEX_Q, D_INDEX_K, D_INDEX_W, INDEX };

// What turns the index's queries and keys: cosines, then sines.
typedef struct turning {
    rotary rotary;
    real *q, *k;
} turning;

static int q_width(const key_index *index) {
    return index->n_choices * index->n_heads * index->width;
}

// --- what it owns --------------------------------------------------------------------------------

static void plan_params(fv_model *model, model_layer *layer, const key_index *index) {
    int d = model->config.model.n_embd;
    layer->param[INDEX_W_Q] = selector_add(model, layer, "W_Q", d, q_width(index));
    layer->param[INDEX_W_K] = selector_add(model, layer, "W_K", d, index->width);
    if (index->weighted)
        layer->param[INDEX_W_W] = selector_add(model, layer, "W_w", d, index->n_heads);
}

fv_status index_turning(const fv_config *config, const key_index *index, int longest, rotary *to,
                        fv_error *error) {
    fv_config narrow = *config;
    narrow.model.n_embd = index->width;
    narrow.model.n_head = 1;
    narrow.model.rope_width = 0;
    return rotary_create(&narrow, longest, to, error);
}

static fv_status plan_turning(const fv_model *model, model_layer *layer, const key_index *index,
                              fv_error *error) {
    attention_layer *a = model_attention_of(layer);
    if (a->selector.own != NULL) return FV_OK; // layers are planned twice
    turning *t = a->selector.own = calloc(1, sizeof *t);
    if (t == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for an index");
    fv_status status = index_turning(&model->config, index, model->n_positions, &t->rotary, error);
    if (status != FV_OK || t->rotary.n_pairs == 0) return status;
    t->q = rotary_table(&t->rotary, layer->out.n, layer->out.at);
    t->k = rotary_table(&t->rotary, layer->in.n, layer->in.at);
    if (t->q != NULL && t->k != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for an index");
}

void index_free(model_layer *layer) {
    turning *t = model_attention_of(layer)->selector.own;
    if (t == NULL) return;
    rotary_free(&t->rotary);
    free(t->q);
    free(t->k);
    free(t);
}

fv_status index_plan(fv_model *model, model_layer *layer, const key_index *index, fv_error *error) {
    plan_params(model, layer, index);
    for (int back = 0; back < 2; back++) {
        int by = back * (D_INDEX_Q - INDEX_Q);
        layer->buffer[INDEX_Q + by] = model_reserve(model, layer->out.n, q_width(index));
        layer->buffer[INDEX_K + by] = model_reserve(model, layer->in.n, index->width);
        if (index->weighted)
            layer->buffer[INDEX_W + by] = model_reserve(model, layer->out.n, index->n_heads);
    }
    int n_keys = model_attention_of(layer)->seen.n_keys[layer->out.n - 1];
    layer->buffer[INDEX] = model_reserve(model, index->n_choices * layer->out.n, n_keys);
    return plan_turning(model, layer, index, error);
}

// --- queries and keys ----------------------------------------------------------------------------

// One of the three maps: of rows at the outputs, or at the inputs.
typedef struct part {
    int param, buffer, width, n_rows;
    bool keys;
} part;

static part part_of(const model_layer *layer, const key_index *index, int i) {
    const int widths[] = {q_width(index), index->width, index->n_heads};
    return (part){INDEX_W_Q + i, INDEX_Q + i, widths[i], i == 1 ? layer->in.n : layer->out.n,
                  i == 1};
}

static kernel_rows inputs_of(const model_layer *layer, const model_tile *tile, const part *p,
                             real *x) {
    if (p->keys) return rows_dense(x, layer->model->config.model.n_embd);
    return rows_of_output(layer, tile, x, tile_buffer(tile, layer->buffer[COMPACT]), false);
}

static model_linear linear_of(const model_layer *layer, const part *p) {
    return (model_linear){layer->param[p->param], SIZE_MAX, layer->model->config.model.n_embd,
                          p->width};
}

static void turn(const model_layer *layer, const model_tile *tile, const key_index *index,
                 int buffer, const part *p, bool back) {
    const turning *t = model_attention_of(layer)->selector.own;
    const real *table = p->keys ? t->k : t->q;
    if (p->param == INDEX_W_W) return;
    rotate_heads(tile, &t->rotary, table, p->n_rows, p->width / index->width, index->width,
                 tile_buffer(tile, layer->buffer[buffer]), back);
}

void index_prepare(const model_layer *layer, const model_tile *tile, const key_index *index,
                   real *x) {
    for (int i = 0; i < 2 + index->weighted; i++) {
        part p = part_of(layer, index, i);
        linear_forward(tile, linear_of(layer, &p), tile->n_groups * p.n_rows,
                       inputs_of(layer, tile, &p, x),
                       rows_dense(tile_buffer(tile, layer->buffer[p.buffer]), p.width), false);
        turn(layer, tile, index, p.buffer, &p, false);
    }
    size_t keys = (size_t)(tile->n_groups * layer->in.n * index->width) * L;
    if (tile->gradient != NULL)
        memset(tile_buffer(tile, layer->buffer[D_INDEX_K]), 0, keys * sizeof(real));
}

void index_differentiate(const model_layer *layer, const model_tile *tile, const key_index *index,
                         real *x) {
    for (int i = 0; i < 2 + index->weighted; i++) {
        part p = part_of(layer, index, i);
        int back = p.buffer + D_INDEX_Q - INDEX_Q;
        turn(layer, tile, index, back, &p, true);
        linear_backward(tile, linear_of(layer, &p), tile->n_groups * p.n_rows,
                        inputs_of(layer, tile, &p, x),
                        rows_dense(tile_buffer(tile, layer->buffer[back]), p.width),
                        (kernel_rows){NULL, 0}, false);
    }
}

// --- one group -----------------------------------------------------------------------------------

// Row i of a buffer of one group: [width][16].
static real *row_of(const selection *s, int buffer, int rows, int width, int i) {
    return tile_buffer(s->lab->tile, s->lab->layer->buffer[buffer]) +
           ((ptrdiff_t)s->lab->group * rows + i) * width * L;
}

static real *query_row(const selection *s, const key_index *index, int buffer, int i) {
    return row_of(s, buffer, s->lab->layer->out.n, q_width(index), i) +
           (ptrdiff_t)s->lab->choice * index->n_heads * index->width * L;
}

// [query][key][16] of a choice.
static real *index_of(const selection *s, const key_index *index) {
    return row_of(s, INDEX, index->n_choices * s->lab->layer->out.n, s->n_keys,
                  s->lab->choice * s->lab->layer->out.n);
}

static real scale_of(const key_index *index) {
    return 1 / real_sqrt((real)(index->width * (index->weighted ? index->n_heads : 1)));
}

static void product(const real *restrict q, const real *restrict k, int width, real *restrict sum) {
    for (int l = 0; l < L; l++) sum[l] = 0;
    for (int f = 0; f < width; f++)
        for (int l = 0; l < L; l++) sum[l] += q[f * L + l] * k[f * L + l];
}

void index_of_pair(const key_index *index, const real *restrict q, const real *restrict w,
                   const real *restrict k, real *restrict to) {
    const real scale = scale_of(index);
    for (int l = 0; l < L; l++) to[l] = 0;
    for (int h = 0; h < index->n_heads; h++) {
        real sum[L];
        product(q + (ptrdiff_t)h * index->width * L, k, index->width, sum);
        for (int l = 0; l < L; l++)
            to[l] += w == NULL ? sum[l] : w[h * L + l] * (sum[l] > 0 ? sum[l] : 0);
    }
    for (int l = 0; l < L; l++) to[l] *= scale;
}

static void index_row(const selection *s, const key_index *index, int i, real *restrict to) {
    const real *q = query_row(s, index, INDEX_Q, i);
    const real *w =
        index->weighted ? row_of(s, INDEX_W, s->lab->layer->out.n, index->n_heads, i) : NULL;
    for (int j = 0; j < s->n_keys; j++, to += L)
        if (attend_sees(s->lab->attend, i, j))
            index_of_pair(index, q, w, row_of(s, INDEX_K, s->lab->layer->in.n, index->width, j),
                          to);
        else
            for (int l = 0; l < L; l++) to[l] = -INFINITY;
}

void index_rank_row(const selection *s, const kernel_set *kernels, const real *row, real *ranks) {
    real best[L];
    for (int l = 0; l < L; l++) best[l] = -INFINITY;
    for (int u = 0; u < s->n_units * L; u++) ranks[u] = -INFINITY;
    for (int j = 0; j < s->n_keys; j++) {
        real *rank = ranks + (ptrdiff_t)(s->key_at[j] / s->block) * L;
        for (int l = 0; l < L; l++) {
            if (row[j * L + l] > rank[l]) rank[l] = row[j * L + l];
            if (row[j * L + l] > best[l]) best[l] = row[j * L + l];
        }
    }
    for (int u = 0; u < s->n_units; u++)
        for (int l = 0; l < L; l++) {
            real less = ranks[u * L + l] - best[l];
            ranks[u * L + l] = less > -80 ? less : -80; // of unseen units, too
        }
    kernels->exp_array((size_t)s->n_units * L, ranks, ranks);
}

void index_rank(const selection *s, const key_index *index) {
    for (int i = 0; i < s->n_queries; i++) {
        real *row = index_of(s, index) + (ptrdiff_t)i * s->n_keys * L;
        index_row(s, index, i, row);
        index_rank_row(s, s->lab->tile->kernels, row, s->ranks + (ptrdiff_t)i * s->n_units * L);
    }
}

// sum t log t of a query, of each lane.
static void add_entropy(const selection *s, const selection_lesson *lesson, int i, real *entropy) {
    const int n_keys = s->n_keys;
    const uint16_t *compared = lesson->compared + (ptrdiff_t)i * n_keys;
    const real *target = lesson->target + (ptrdiff_t)i * n_keys * L;
    _Alignas(FV_ALIGNMENT) real some[L], logs[L];
    for (int j = 0; j < n_keys; j++) {
        if (compared[j] == 0) continue;
        for (int l = 0; l < L; l++) {
            real t = compared[j] >> l & 1 ? target[j * L + l] : 0;
            some[l] = t > FV_LEAST ? t : 1;
        }
        s->lab->tile->kernels->log_array(L, some, logs);
        for (int l = 0; l < L; l++) entropy[l] += some[l] * logs[l]; // 1 log 1 is 0
    }
}

// A query's row of the index becomes exp(index - best) of the keys that it compares, 0 of others; sum
// t (index - best) less log of their sum.
static void exponentiate(const selection *s, const selection_lesson *lesson, int i,
                         real *restrict row, real *restrict sum, real *restrict expected) {
    const int n_keys = s->n_keys;
    const uint16_t *compared = lesson->compared + (ptrdiff_t)i * n_keys;
    const real *target = lesson->target + (ptrdiff_t)i * n_keys * L;
    real best[L];
    for (int l = 0; l < L; l++) {
        best[l] = -INFINITY;
        sum[l] = expected[l] = 0;
    }
    for (int j = 0; j < n_keys; j++)
        for (int l = 0; l < L; l++)
            if (compared[j] >> l & 1 && row[j * L + l] > best[l]) best[l] = row[j * L + l];
    for (int j = 0; j < n_keys; j++)
        for (int l = 0; l < L; l++) {
            bool is = compared[j] >> l & 1;
            real less = is ? row[j * L + l] - best[l] : -80, t = is ? target[j * L + l] : 0;
            expected[l] += t * less;
            row[j * L + l] = less > -80 ? less : -80;
        }
    s->lab->tile->kernels->exp_array((size_t)n_keys * L, row, row);
    for (int j = 0; j < n_keys; j++)
        for (int l = 0; l < L; l++) {
            bool counts = compared[j] >> l & 1 && row[j * L + l] > FV_LEAST_SHARE;
            row[j * L + l] = counts ? row[j * L + l] : 0;
            sum[l] += row[j * L + l];
        }
}

// The divergence of one query, and in place of the index what it weighs times d divergence / d index.
static void diverge(const selection *s, const selection_lesson *lesson, int i, real *restrict row) {
    const int n_keys = s->n_keys;
    const uint16_t *compared = lesson->compared + (ptrdiff_t)i * n_keys;
    const real *target = lesson->target + (ptrdiff_t)i * n_keys * L;
    _Alignas(FV_ALIGNMENT) real sum[L], logs[L], expected[L], entropy[L] = {0};
    exponentiate(s, lesson, i, row, sum, expected);
    add_entropy(s, lesson, i, entropy);
    for (int l = 0; l < L; l++) sum[l] = sum[l] > 0 ? sum[l] : 1;
    s->lab->tile->kernels->log_array(L, sum, logs);
    for (int j = 0; j < n_keys; j++) {
        if (compared[j] == 0) continue;
        for (int l = 0; l < L; l++) {
            real t = compared[j] >> l & 1 ? target[j * L + l] : 0;
            real d = (row[j * L + l] / sum[l] - t) * lesson->weight[l];
            row[j * L + l] = kernel_flush(d, FV_LEAST);
        }
    }
    for (int l = 0; l < L; l++) lesson->loss[l] += entropy[l] - expected[l] + logs[l];
}

// What the gradient d of one pair of query and key adds to those of the index's queries, keys, weights.
static void pair_backward(const selection *s, const key_index *index, int i, int j,
                          const real *restrict d) {
    const int width = index->width, rows = s->lab->layer->out.n;
    const real *k = row_of(s, INDEX_K, s->lab->layer->in.n, width, j), scale = scale_of(index);
    real *dk = row_of(s, D_INDEX_K, s->lab->layer->in.n, width, j);
    for (int h = 0; h < index->n_heads; h++) {
        const real *q = query_row(s, index, INDEX_Q, i) + (ptrdiff_t)h * width * L;
        real *dq = query_row(s, index, D_INDEX_Q, i) + (ptrdiff_t)h * width * L;
        real slope[L], sum[L];
        for (int l = 0; l < L; l++) slope[l] = d[l] * scale;
        if (index->weighted) {
            const real *w = row_of(s, INDEX_W, rows, index->n_heads, i) + h * L;
            real *dw = row_of(s, D_INDEX_W, rows, index->n_heads, i) + h * L;
            product(q, k, width, sum);
            for (int l = 0; l < L; l++) {
                dw[l] += sum[l] > 0 ? slope[l] * sum[l] : 0;
                slope[l] = sum[l] > 0 ? slope[l] * w[l] : 0;
            }
        }
        for (int f = 0; f < width; f++)
            for (int l = 0; l < L; l++) {
                dq[f * L + l] += slope[l] * k[f * L + l];
                dk[f * L + l] += slope[l] * q[f * L + l];
            }
    }
}

void index_learn(const selection *s, const key_index *index, const selection_lesson *lesson) {
    const int n_keys = s->n_keys;
    for (int i = 0; i < s->n_queries; i++) {
        real *row = index_of(s, index) + (ptrdiff_t)i * n_keys * L;
        size_t width = (size_t)(index->n_heads * index->width) * L;
        memset(query_row(s, index, D_INDEX_Q, i), 0, width * sizeof(real));
        if (index->weighted && s->lab->choice == 0)
            memset(row_of(s, D_INDEX_W, s->lab->layer->out.n, index->n_heads, i), 0,
                   (size_t)index->n_heads * L * sizeof(real));
        diverge(s, lesson, i, row);
        for (int j = 0; j < n_keys; j++)
            if (lesson->compared[(ptrdiff_t)i * n_keys + j] != 0)
                pair_backward(s, index, i, j, row + (ptrdiff_t)j * L);
    }
}

double index_cost(const model_layer *layer, const key_index *index, double pairs) {
    double d = layer->model->config.model.n_embd, heads = index->n_choices * index->n_heads;
    double maps = layer->out.n * d * (q_width(index) + (index->weighted ? index->n_heads : 0)) +
                  layer->in.n * d * index->width;
    return maps + pairs * heads * (index->width + index->weighted);
}

fv_status index_check(const config_checking *c, const char *selector) {
    const fv_config *config = c->config;
    if (config->train.indexer_weight == 0 && !config->train.indexer_frozen)
        return check_refuse(c, "train.indexer_weight",
                            "train.indexer_weight 0 takes the loss from model.selector %s, which "
                            "nothing else reaches; it needs more than 0, and "
                            "train.indexer_frozen: true is the control that learns nothing",
                            selector);
    if (positions_type_of(config->model.positions)->turn != NULL &&
        config->model.indexer_width % 2 != 0)
        return check_refuse(c, "model.indexer_width",
                            "model.indexer_width %d has no pairs for model.positions rope to turn; "
                            "it must be even",
                            config->model.indexer_width);
    return FV_OK;
}
