// The tile loop, forward (FlashAttention-style tiling): each piece of work is a few neighbouring
// tiles of queries of one head, all of which meet a tile of keys before the next one comes:
//
//     for each tile of keys:   queries 0 .. 63,  queries 64 .. 127,  ...
//
// The first of them brings keys and values from memory, the others find them in the second-level
// cache. Every tile of queries keeps the order in which it meets keys, and pieces share nothing, so
// that neither their width nor threads change a result.
#include "attention/plan.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LOG2_E = 1.4426950408889634, LOG_2 = 0.6931471805599453;

// Rows --------------------------------------------------------------------------------------------

void head_rows_load(const fv_attention *plan, const float *from, attention_head_rows at,
                    const int64_t *rows, int n, float *to) {
    size_t d = (size_t)plan->config.d_head;
    for (int i = 0; i < n; i++)
        memcpy(to + (ptrdiff_t)i * plan->d_padded,
               (const char *)from + (at.base + (size_t)(rows[i] * at.row)) * sizeof(float),
               d * sizeof(float));
    memset(to + (ptrdiff_t)n * plan->d_padded, 0,
           (size_t)(FV_TILE_QUERIES - n) * (size_t)plan->d_padded * sizeof(float));
}

void head_rows_store(const fv_attention *plan, const float *from, attention_head_rows at,
                     const int64_t *rows, int n, float *to) {
    for (int i = 0; i < n; i++)
        memcpy((char *)to + (at.base + (size_t)(rows[i] * at.row)) * sizeof(float),
               from + (ptrdiff_t)i * plan->d_padded, (size_t)plan->config.d_head * sizeof(float));
}

// Numbers at addresses that are no multiple of four are copied out and back.
void head_rows_add(const fv_attention *plan, const float *from, attention_head_rows at,
                   const int64_t *rows, int n, float *to) {
    int d = (int)plan->config.d_head;
    for (int i = 0; i < n; i++) {
        char *row = (char *)to + (at.base + (size_t)(rows[i] * at.row)) * sizeof(float);
        const float *x = from + (ptrdiff_t)i * plan->d_padded;
        for (int f = 0; f < d; f++) {
            float y;
            memcpy(&y, row + (size_t)f * sizeof y, sizeof y);
            y += x[f];
            memcpy(row + (size_t)f * sizeof y, &y, sizeof y);
        }
    }
}

void kv_load(const fv_attention *plan, const void *from, size_t offset, float *to) {
    size_t d = (size_t)plan->config.d_head;
    if (plan->config.kv_type == FV_FLOAT32) {
        memcpy(to, (const char *)from + offset * sizeof(float), d * sizeof(float));
        return;
    }
    const char *halves = (const char *)from + offset * sizeof(uint16_t);
    for (size_t f = 0; f < d; f++) {
        uint16_t half;
        memcpy(&half, halves + f * sizeof half, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(to + f, &bits, sizeof bits);
    }
}

static double bias_at(const fv_attention *plan, int64_t head, int64_t distance) {
    return plan->slopes[head % plan->config.n_head] * LOG2_E * (double)distance;
}

void bias_of_queries(const fv_attention *plan, int64_t head, const query_tile *queries,
                     float *bias) {
    for (int i = 0; i < FV_TILE_QUERIES; i++) {
        int64_t behind = i < queries->n ? queries->positions[i] - queries->positions[0] : 0;
        bias[i] = (float)-bias_at(plan, head, behind);
    }
}

void bias_of_keys(const fv_attention *plan, int64_t head, int64_t from, const index_list *list,
                  const attention_key_tile *keys, float *bias) {
    for (int i = 0; i < keys->n; i++) {
        int64_t index = keys->contiguous ? keys->first + i : keys->index[i];
        bias[i] = (float)bias_at(plan, head, index_list_position(list, index) - from);
    }
}

int64_t component_tiles(const mask_component *component) {
    int64_t n = 0;
    for (int i = 0; i < component->n_queries; i++)
        n += (component->queries[i].n + FV_TILE_QUERIES - 1) / FV_TILE_QUERIES;
    return n;
}

const index_list *component_tile(const mask_component *component, int64_t tile,
                                 int64_t *first_query) {
    const index_list *s = component->queries;
    for (int64_t n; tile >= (n = (s->n + FV_TILE_QUERIES - 1) / FV_TILE_QUERIES); s++) tile -= n;
    *first_query = tile * FV_TILE_QUERIES;
    return s;
}

// One tile of queries -----------------------------------------------------------------------------

typedef struct forward_pass {
    fv_attention *plan;
    const local_queries *queries;
    const local_keys *keys;
    const mask_component *component;
    bool fresh;
    int block_tiles;
    int64_t n_tiles, n_blocks, first_piece; // of one head
} forward_pass;

// A piece of work: neighbouring tiles of queries of one head, which meet the same keys one after
// the other.
typedef struct query_block {
    const forward_pass *pass;
    attention_worker *worker;
    const attention_mask *mask;
    int64_t head;
    attention_head_rows q_at, k_at;
    int n;
    attention_interval fetched; // keys of the list that were prefetched last
    attention_interval copied;  // and that the worker's k and v hold, where they stand in a row
} query_block;

static float *logsumexp_of(const forward_pass *pass, int64_t head) {
    return pass->queries->logsumexp + head * placement_rows(&pass->queries->at);
}

static float float_at(const float *x, int64_t i) {
    float y;
    memcpy(&y, (const char *)x + (size_t)i * sizeof y, sizeof y);
    return y;
}

static void clear_state(const query_block *b, query_state *s) {
    for (int i = 0; i < FV_TILE_QUERIES; i++) {
        s->largest[i] = FV_NO_SCORE;
        s->sum[i] = 0;
    }
    memset(s->ot, 0, (size_t)b->pass->plan->d_padded * FV_TILE_QUERIES * sizeof *s->ot);
}

static void load_state(const query_block *b, query_state *s) {
    const fv_attention *plan = b->pass->plan;
    const query_tile *tile = &s->queries;
    attention_worker *w = b->worker;
    s->loaded = true;
    head_rows_load(plan, b->pass->queries->q, b->q_at, tile->rows, tile->n, w->q);
    plan->kernels->to_columns(plan->d_padded, w->q, plan->column_factor, s->qt);
    if (plan->slopes) bias_of_queries(plan, b->head, tile, s->bias);
    clear_state(b, s);
    if (b->pass->fresh) return;
    head_rows_load(plan, b->pass->queries->o, b->q_at, tile->rows, tile->n, w->o);
    plan->kernels->to_columns(plan->d_padded, w->o, 1, s->ot);
    for (int i = 0; i < tile->n; i++) {
        float logsumexp = float_at(logsumexp_of(b->pass, b->head), tile->rows[i]);
        if (logsumexp == -INFINITY) continue;
        s->largest[i] = (float)(logsumexp * LOG2_E);
        s->sum[i] = 1;
    }
}

static void store_state(const query_block *b, const query_state *s) {
    const fv_attention *plan = b->pass->plan;
    const query_tile *tile = &s->queries;
    attention_worker *w = b->worker;
    for (int i = 0; i < FV_TILE_QUERIES; i++) w->factors[i] = s->sum[i] == 0 ? 0 : 1 / s->sum[i];
    plan->kernels->to_rows(plan->d_padded, s->ot, w->factors, w->o);
    head_rows_store(plan, w->o, b->q_at, tile->rows, tile->n, b->pass->queries->o);
    for (int i = 0; i < tile->n; i++) {
        float logsumexp =
            s->sum[i] == 0 ? -INFINITY : (float)(s->largest[i] * LOG_2 + log((double)s->sum[i]));
        memcpy((char *)logsumexp_of(b->pass, b->head) + (size_t)tile->rows[i] * sizeof logsumexp,
               &logsumexp, sizeof logsumexp);
    }
}

// A stride's rows that are farther apart than so many floats are copied together: they would share
// few sets of the first-level cache, and several tiles of queries read them.
enum { FARTHEST_ROWS = 512 };

// Whether keys and values can be read as floats at even distances, where they lie.
static bool in_place(const query_block *b, const index_list *list, const attention_key_tile *tile) {
    const local_keys *keys = b->pass->keys;
    bool near = list->row_step == 1 || list->row_step * b->k_at.row <= FARTHEST_ROWS;
    return b->pass->plan->config.kv_type == FV_FLOAT32 && tile->contiguous && !list->rows && near &&
           ((uintptr_t)keys->k | (uintptr_t)keys->v) % sizeof(float) == 0;
}

// Copies the keys and values of a tile, unless the tile of queries before this one did.
static void copy_keys(query_block *b, const index_list *list) {
    const fv_attention *plan = b->pass->plan;
    const local_keys *keys = b->pass->keys;
    attention_worker *w = b->worker;
    const attention_key_tile *tile = &w->keys;
    attention_interval wanted = {tile->first, tile->first + tile->n};
    if (!tile->contiguous) wanted = (attention_interval){0, 0};
    if (tile->contiguous && wanted.low == b->copied.low && wanted.high == b->copied.high) return;
    b->copied = wanted;
    for (int i = 0; i < tile->n; i++) {
        int64_t index = tile->contiguous ? tile->first + i : tile->index[i];
        size_t offset = b->k_at.base + (size_t)(index_list_row(list, index) * b->k_at.row);
        kv_load(plan, keys->k, offset, w->k + (ptrdiff_t)i * plan->d_padded);
        kv_load(plan, keys->v, offset, w->v + (ptrdiff_t)i * plan->d_padded);
    }
}

// Keys and values of a tile: where they lie (true), else copied.
static bool point_at_keys(query_block *b, const index_list *list, tile_job *job) {
    const fv_attention *plan = b->pass->plan;
    attention_worker *w = b->worker;
    const attention_key_tile *tile = &w->keys;
    const local_keys *keys = b->pass->keys;
    job->n_keys = tile->n;
    job->seen = tile->seen;
    if (in_place(b, list, tile)) {
        size_t offset = b->k_at.base + (size_t)(index_list_row(list, tile->first) * b->k_at.row);
        job->k = (const float *)keys->k + offset;
        job->v = (const float *)keys->v + offset;
        job->k_stride = job->v_stride = list->row_step * b->k_at.row;
        return true;
    }
    copy_keys(b, list);
    job->k = w->k;
    job->v = w->v;
    job->k_stride = job->v_stride = plan->d_padded;
    return false;
}

// Asks for the keys that come next, unless another tile of queries did.
static void look_ahead(query_block *b, const attention_walk *walk, tile_job *job) {
    attention_interval next = walk_ahead(walk);
    if (next.low >= b->fetched.low && next.low <= b->fetched.high)
        next.low = b->fetched.high;
    else
        b->fetched = next;
    if (next.low >= next.high) return;
    job->ahead = next.low - b->worker->keys.first;
    job->n_ahead = (int)(next.high - next.low);
    b->fetched.high = next.high;
}

// The next keys of one tile of queries; false where it has met them all.
static bool meet_keys(query_block *b, query_state *s, const index_list *list) {
    const fv_attention *plan = b->pass->plan;
    attention_worker *w = b->worker;
    if (!walk_next(&s->walk, &w->keys)) return false;
    if (!s->loaded) load_state(b, s);
    tile_job job = {.d = (int)plan->config.d_head,
                    .score = plan->score,
                    .qt = s->qt,
                    .p = w->p,
                    .ot = s->ot,
                    .largest = s->largest,
                    .sum = s->sum};
    if (plan->slopes) {
        bias_of_keys(plan, b->head, s->queries.positions[0], list, &w->keys, w->key_bias);
        job.query_bias = s->bias;
        job.key_bias = w->key_bias;
    }
    if (point_at_keys(b, list, &job)) look_ahead(b, &s->walk, &job);
    plan->kernels->tile(&job);
    w->work.pairs += w->keys.pairs;
    w->work.tiles++;
    return true;
}

// Neighbouring tiles of queries -----------------------------------------------------------------

static query_block query_block_of(const forward_pass *pass, int64_t number, int worker) {
    fv_attention *plan = pass->plan;
    const fv_attention_config *c = &plan->config;
    int64_t head = number / pass->n_blocks;
    query_block b = {.pass = pass, .worker = &plan->workers[worker], .head = head};
    b.mask = mask_of(plan, head / plan->group);
    b.q_at = head_rows_of(plan, placement_rows(&pass->queries->at), c->n_head, head / c->n_head,
                          head % c->n_head);
    b.k_at = head_rows_of(plan, placement_rows(&pass->keys->at), c->n_kv_head, head / c->n_head,
                          head % c->n_head / plan->group);
    // The last tiles of a causal mask have the most keys: they go first.
    int64_t tile = (pass->n_blocks - 1 - number % pass->n_blocks) * pass->block_tiles;
    for (; b.n < pass->block_tiles && tile < pass->n_tiles; b.n++, tile++) {
        query_state *s = &b.worker->states[b.n];
        s->list = component_tile(pass->component, tile, &s->first);
        s->loaded = false;
        query_tile_set(b.mask, s->list, s->first, FV_BAND, &s->queries);
    }
    return b;
}

static void meet_list(query_block *b, const index_list *keys) {
    const attention_mask *mask = b->mask;
    query_state *states = b->worker->states, *walking[FV_MOST_BLOCK_TILES];
    int n = 0;
    b->fetched = b->copied = (attention_interval){0, 0};
    for (int i = 0; i < b->n; i++) {
        query_state *s = &states[i];
        if (keys->residue != s->list->residue) continue;
        query_tile_set(mask, s->list, s->first, keys->kind, &s->queries);
        s->walk.gather = true;
        walk_start(&s->walk, mask, &s->queries, keys, 0, keys->n);
        walking[n++] = s;
    }
    while (n > 0) {
        int left = 0;
        for (int i = 0; i < n; i++)
            if (meet_keys(b, walking[i], keys)) walking[left++] = walking[i];
        n = left;
    }
}

static void forward_piece(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    query_block b = query_block_of(pass, pass->first_piece + piece, worker);
    for (int i = 0; i < pass->component->n_keys; i++) meet_list(&b, &pass->component->keys[i]);
    for (int i = 0; i < b.n; i++) {
        query_state *s = &b.worker->states[i];
        if (!s->loaded && pass->fresh) clear_state(&b, s);
        if (s->loaded || pass->fresh) store_state(&b, s);
    }
}

// The whole ---------------------------------------------------------------------------------------

// Zeros and -infinity, where there are rows that no component visits: padding.
static void clear_padding(const fv_attention *plan, const local_queries *queries) {
    const fv_attention_config *c = &plan->config;
    const mask_component *first = &plan->components.component[0];
    int64_t local = placement_rows(&queries->at), n = 0, rows = c->n_batch * c->n_head * local;
    for (int i = 0; i < first->n_queries; i++) n += first->queries[i].n;
    if (n == local) return;
    memset(queries->o, 0, (size_t)(rows * c->d_head) * sizeof *queries->o);
    float none = -INFINITY;
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)queries->logsumexp + (size_t)i * sizeof none, &none, sizeof none);
}

// Fewer tiles together where there are too few to keep all workers busy; one alone where each has
// blocks of its own and would only push the others' out of the cache.
static int block_tiles_of(const fv_attention *plan, int64_t n_tiles) {
    enum { PIECES = 4 }; // of a worker
    const attention_mask *mask = &plan->mask;
    bool bitmap = mask->bitmap != NULL && mask->n_selected == 0;
    bool alike = mask->everything || mask->window > 0 || mask->stride > 0 || bitmap;
    if (!alike) return 1;
    int64_t n = n_tiles / ((int64_t)PIECES * plan->n_workers);
    if (n < 1) return 1;
    return n < plan->block_tiles ? (int)n : plan->block_tiles;
}

void tiles_forward(fv_attention *plan, const local_queries *queries, const local_keys *keys,
                   bool fresh) {
    const fv_attention_config *c = &plan->config;
    int64_t heads = c->n_batch * c->n_head;
    components_set(&plan->mask, &queries->at, &keys->at, &plan->components);
    if (fresh) clear_padding(plan, queries);
    for (int i = 0; i < plan->components.n; i++) {
        forward_pass pass = {.plan = plan,
                             .queries = queries,
                             .keys = keys,
                             .component = &plan->components.component[i],
                             .fresh = fresh && i == 0,
                             .n_tiles = component_tiles(&plan->components.component[i])};
        pass.block_tiles = block_tiles_of(plan, pass.n_tiles * heads);
        pass.n_blocks = (pass.n_tiles + pass.block_tiles - 1) / pass.block_tiles;
        int64_t n = pass.n_blocks * heads;
        for (; pass.first_piece < n; pass.first_piece += INT_MAX) {
            int64_t left = n - pass.first_piece;
            pool_run(plan->pool, left < INT_MAX ? (int)left : INT_MAX, forward_piece, &pass);
        }
    }
}

// Counting ----------------------------------------------------------------------------------------

// Walks all tiles on memory of its own: the plan is not changed. Stops at the first with `any`.
static fv_attention_work count(const fv_attention *plan, const attention_placement *queries,
                               const attention_placement *keys, bool any) {
    fv_attention_work work = {0};
    const attention_mask *mask = &plan->mask;
    const int64_t n_masks = mask->n_bitmaps;
    mask_components components = {0};
    attention_walk walk = {.gather = true,
                           .intervals = malloc(walk_capacity(mask) * sizeof *walk.intervals)};
    query_tile tile;
    attention_key_tile key_tile;
    if (walk.intervals == NULL || components_create(mask, &components, NULL) != FV_OK) {
        free(walk.intervals);
        return (fv_attention_work){-1, -1};
    }
    components_set(mask, queries, keys, &components);
    for (int64_t m = 0; m < components.n * n_masks; m++) {
        const mask_component *component = &components.component[m / n_masks];
        mask = mask_of(plan, m % n_masks);
        int64_t n = component_tiles(component), first_query;
        for (int64_t t = 0; t < n; t++) {
            const index_list *list = component_tile(component, t, &first_query);
            for (int j = 0; j < component->n_keys && !(any && work.tiles > 0); j++) {
                if (component->keys[j].residue != list->residue) continue;
                query_tile_set(mask, list, first_query, component->keys[j].kind, &tile);
                walk_start(&walk, mask, &tile, &component->keys[j], 0, component->keys[j].n);
                while (walk_next(&walk, &key_tile) && !(any && work.tiles > 0)) {
                    work.pairs += key_tile.pairs;
                    work.tiles++;
                }
            }
        }
    }
    components_free(&components);
    free(walk.intervals);
    return work;
}

fv_attention_work tiles_count(const fv_attention *plan, const attention_placement *queries,
                              const attention_placement *keys) {
    return count(plan, queries, keys, false);
}

bool tiles_any(const fv_attention *plan, const attention_placement *queries,
               const attention_placement *keys) {
    return count(plan, queries, keys, true).tiles != 0;
}
