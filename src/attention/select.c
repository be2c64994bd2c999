// Blocks of keys that each block of queries chooses (the mask's `selected`): mixture of block attention
// (MoBA, arXiv 2502.13189) by tiles of queries. A block stands for its mean, so that choosing costs
//
//     one pass over q and k, and (n / block)^2 / 2 scores of means where attention has n^2 / 2 of keys.
//
// Heads of queries that share keys choose together: what one of them reads is in the cache for the others.
#include "attention/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

fv_status selections_create(fv_attention *plan, fv_error *error) {
    const attention_mask *mask = &plan->mask;
    if (mask->n_selected == 0) return FV_OK;
    plan->selections = calloc((size_t)mask->n_bitmaps, sizeof *plan->selections);
    if (plan->selections == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for selections");
    for (int64_t i = 0; i < mask->n_bitmaps; i++) {
        plan->selections[i] = *mask;
        plan->selections[i].bitmap += (size_t)(i * mask->n_block_rows) * mask->bitmap_row;
    }
    return FV_OK;
}

static size_t bytes_of(const attention_mask *mask) {
    return (size_t)(mask->n_bitmaps * mask->n_block_rows) * mask->bitmap_row;
}

static fv_status check_selects(const fv_attention *plan, fv_error *error) {
    if (plan->selections != NULL) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "attention: the mask selects nothing; give it `selected` blocks, 1 or more");
}

fv_status fv_attention_set_selection(fv_attention *plan, const uint8_t *bitmap, size_t bytes,
                                     fv_error *error) {
    const attention_mask *mask = &plan->mask;
    fv_status status = check_selects(plan, error);
    if (status != FV_OK) return status;
    if (bitmap == NULL || bytes != bytes_of(mask))
        return fv_fail(error, FV_USAGE,
                       "attention: the selection has %zu bytes; %" PRId64 " heads of keys, %" PRId64
                       " block rows and %" PRId64 " block columns of %" PRId64
                       " positions need %" PRId64 " x %" PRId64 " x %zu bytes",
                       bitmap ? bytes : 0, mask->n_bitmaps, mask->n_block_rows,
                       mask->n_block_columns, mask->block, mask->n_bitmaps, mask->n_block_rows,
                       mask->bitmap_row);
    memcpy(plan->mask.bitmap, bitmap, bytes);
    return FV_OK;
}

const uint8_t *fv_attention_selection(const fv_attention *plan, size_t *bytes) {
    *bytes = plan->selections ? bytes_of(&plan->mask) : 0;
    return plan->selections ? plan->mask.bitmap : NULL;
}

// --- means ---------------------------------------------------------------------------------------

typedef struct selecting {
    fv_attention *plan;
    const float *q;
    const void *k;
    float *memory; // of each worker: means and scores
    size_t per_worker;
    int64_t first_row; // of blocks that have a query
} selecting;

// What a worker has: rows of means of queries, columns of means of keys, and one row's scores.
typedef struct select_means {
    float *row;     // [d]
    float *one;     // [d], a key of halves as floats
    float *columns; // [d][n_columns]
    float *scores;  // [n_columns]
    float *best;    // [n_selected]
    int32_t *which; // [n_selected]
} select_means;

static size_t numbers_of(const fv_attention *plan) {
    size_t d = (size_t)plan->config.d_head, columns = (size_t)plan->mask.n_block_columns;
    return 2 * d + d * columns + columns + 2 * (size_t)plan->mask.n_selected;
}

static select_means means_of(const selecting *s, int worker) {
    const attention_mask *mask = &s->plan->mask;
    size_t d = (size_t)s->plan->config.d_head, columns = (size_t)mask->n_block_columns;
    select_means m = {.row = s->memory + (size_t)worker * s->per_worker};
    m.one = m.row + d;
    m.columns = m.one + d;
    m.scores = m.columns + d * columns;
    m.best = m.scores + columns;
    m.which = (int32_t *)(void *)(m.best + mask->n_selected);
    return m;
}

static void add_row(int64_t d, const char *from, float *restrict sum) {
    for (int64_t f = 0; f < d; f++) {
        float x;
        memcpy(&x, from + (size_t)f * sizeof x, sizeof x);
        sum[f] += x;
    }
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void average_keys(const selecting *s, int64_t shared, select_means *m) {
    const fv_attention *plan = s->plan;
    const fv_attention_config *c = &plan->config;
    const attention_mask *mask = &plan->mask;
    attention_head_rows at =
        head_rows_of(plan, c->n_key, c->n_kv_head, shared / c->n_kv_head, shared % c->n_kv_head);
    for (int64_t u = 0; u < mask->n_block_columns; u++) {
        int64_t first = u * mask->block, end = least(first + mask->block, c->n_key);
        memset(m->row, 0, (size_t)c->d_head * sizeof *m->row);
        for (int64_t j = first; j < end; j++) {
            size_t offset = at.base + (size_t)(j * at.row);
            if (c->kv_type == FV_FLOAT32) {
                add_row(c->d_head, (const char *)s->k + offset * sizeof(float), m->row);
            } else {
                kv_load(plan, s->k, offset, m->one);
                add_row(c->d_head, (const char *)m->one, m->row);
            }
        }
        for (int64_t f = 0; f < c->d_head; f++)
            m->columns[f * mask->n_block_columns + u] = m->row[f] / (float)(end - first);
    }
}

// Of the queries of block row `row`, of all heads that share the keys.
static void average_queries(const selecting *s, int64_t shared, int64_t row, select_means *m) {
    const fv_attention *plan = s->plan;
    const fv_attention_config *c = &plan->config;
    int64_t first = row * plan->mask.block - c->first_query, end = first + plan->mask.block;
    if (first < 0) first = 0;
    end = least(end, c->n_query);
    memset(m->row, 0, (size_t)c->d_head * sizeof *m->row);
    for (int64_t h = shared * plan->group; h < (shared + 1) * plan->group; h++) {
        attention_head_rows at =
            head_rows_of(plan, c->n_query, c->n_head, h / c->n_head, h % c->n_head);
        for (int64_t i = first; i < end; i++)
            add_row(c->d_head,
                    (const char *)s->q + (at.base + (size_t)(i * at.row)) * sizeof(float), m->row);
    }
    for (int64_t f = 0; f < c->d_head; f++) m->row[f] /= (float)((end - first) * plan->group);
}

// --- choosing ------------------------------------------------------------------------------------

static void score_columns(const fv_attention *plan, int64_t n, select_means *m) {
    const int64_t stride = plan->mask.n_block_columns, d = plan->config.d_head;
    float *restrict scores = m->scores;
    memset(scores, 0, (size_t)n * sizeof *scores);
    for (int64_t f = 0; f < d; f++) {
        const float x = m->row[f], *restrict column = m->columns + f * stride;
        if (score_is_metric(plan->score.kind))
            for (int64_t u = 0; u < n; u++) scores[u] -= (x - column[u]) * (x - column[u]);
        else
            for (int64_t u = 0; u < n; u++) scores[u] += x * column[u];
    }
}

// The k largest of n scores in m->which, the first among equals; returns how many there are.
static int64_t choose(int64_t n, int64_t k, int64_t own, select_means *m) {
    int64_t found = 0;
    for (int64_t u = 0; u < n; u++) {
        float score = m->scores[u];
        if (u == own || (found == k && !(score > m->best[k - 1]))) continue;
        int64_t at = found < k ? found++ : k - 1;
        for (; at > 0 && score > m->best[at - 1]; at--) {
            m->best[at] = m->best[at - 1];
            m->which[at] = m->which[at - 1];
        }
        m->best[at] = score;
        m->which[at] = (int32_t)u;
    }
    return found;
}

static void select_row(const selecting *s, int64_t shared, int64_t row, select_means *m) {
    const fv_attention *plan = s->plan;
    const attention_mask *mask = &plan->mask;
    uint8_t *bits = plan->selections[shared].bitmap + (size_t)row * mask->bitmap_row;
    int64_t n = mask->causal ? least(row + 1, mask->n_block_columns) : mask->n_block_columns;
    bool has_own = row < mask->n_block_columns;
    int64_t k = mask->n_selected - has_own, found = 0;
    memset(bits, 0, mask->bitmap_row);
    average_queries(s, shared, row, m);
    score_columns(plan, n, m);
    if (k > 0) found = choose(n, k, has_own ? row : -1, m);
    if (has_own) bits[row / 8] |= (uint8_t)(1u << row % 8);
    for (int64_t i = 0; i < found; i++) bits[m->which[i] / 8] |= (uint8_t)(1u << m->which[i] % 8);
}

static void select_head(void *context, int shared, int worker) {
    const selecting *s = context;
    select_means m = means_of(s, worker);
    average_keys(s, shared, &m);
    for (int64_t row = s->first_row; row < s->plan->mask.n_block_rows; row++)
        select_row(s, shared, row, &m);
}

fv_status fv_attention_select(fv_attention *plan, const float *q, const void *k, fv_error *error) {
    fv_status status = check_selects(plan, error);
    if (status != FV_OK) return status;
    selecting s = {.plan = plan, .q = q, .k = k, .per_worker = numbers_of(plan)};
    s.first_row = plan->config.first_query / plan->mask.block;
    s.memory = malloc((size_t)plan->n_workers * s.per_worker * sizeof *s.memory);
    if (s.memory == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for means of blocks");
    pool_run(plan->pool, (int)plan->mask.n_bitmaps, select_head, &s);
    free(s.memory);
    return FV_OK;
}
