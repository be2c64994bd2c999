// One new query against a cache of keys and values: reading them is all it costs.
//
// The mask is walked once: what the query sees is the same for all heads. The tiles found are cut
// into pieces of a fixed number, each with a state of its own, and the states are joined in order,
// so that threads change no result.
#include "attention/plan.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LOG2_E = 1.4426950408889634;

enum { TILES_OF_PIECE = 8 };

// Keys of one tile: rows first, first + step, ... or, where step is 0, rows[first ..] of the pass.
typedef struct seen_tile {
    int n;
    int64_t first, step;
} seen_tile;

typedef struct decode_pass {
    fv_attention *plan;
    int64_t n_rows;      // of the cache
    int64_t position;    // of the query
    const double *sinks; // [n_batch][n_head] logits that join the sums, or NULL
    const float *q;
    const void *k, *v;
    seen_tile *tiles;
    int64_t n_tiles, tile_capacity;
    int64_t *rows;
    int64_t n_listed, list_capacity;
    int64_t n_splits;
    float *states; // [batch, head of keys][split][group][d_padded + FV_LANES]: o, largest, sum
} decode_pass;

static size_t state_width(const fv_attention *plan) {
    return (size_t)plan->d_padded + FV_LANES;
}

// What the query sees -----------------------------------------------------------------------------

static bool grow(void **array, int64_t *capacity, int64_t needed, size_t size) {
    if (needed <= *capacity) return true;
    int64_t larger = *capacity * 2 > needed ? *capacity * 2 : needed;
    void *grown = realloc(*array, (size_t)larger * size);
    if (grown == NULL) return false;
    *array = grown;
    *capacity = larger;
    return true;
}

static bool add_tile(decode_pass *pass, const index_list *list, const attention_key_tile *keys) {
    if (!grow((void **)&pass->tiles, &pass->tile_capacity, pass->n_tiles + 1, sizeof(seen_tile)))
        return false;
    seen_tile *tile = &pass->tiles[pass->n_tiles++];
    if (keys->contiguous && keys->seen == NULL && list->rows == NULL) {
        *tile = (seen_tile){keys->n, index_list_row(list, keys->first), list->row_step};
        return true;
    }
    if (!grow((void **)&pass->rows, &pass->list_capacity, pass->n_listed + keys->n,
              sizeof *pass->rows))
        return false;
    *tile = (seen_tile){0, pass->n_listed, 0};
    for (int i = 0; i < keys->n; i++) {
        if (keys->seen && !(keys->seen[i] & 1)) continue;
        int64_t index = keys->contiguous ? keys->first + i : keys->index[i];
        pass->rows[pass->n_listed++] = index_list_row(list, index);
        tile->n++;
    }
    return true;
}

static bool list_tiles(decode_pass *pass, int64_t n_cached) {
    fv_attention *plan = pass->plan;
    attention_worker *w = &plan->workers[0];
    query_state *query = &w->states[0];
    attention_placement last = {1, {{1, n_cached - 1, 1}}}, keys = {1, {{n_cached, 0, 1}}};
    components_set(&plan->mask, &last, &keys, &plan->components);
    for (int i = 0; i < plan->components.n; i++) {
        const mask_component *component = &plan->components.component[i];
        for (int j = 0; j < component->n_keys; j++) {
            const index_list *list = &component->keys[j];
            if (component->queries->n == 0 || list->residue != component->queries->residue)
                continue;
            query_tile_set(&plan->mask, component->queries, 0, list->kind, &query->queries);
            query->walk.gather = true;
            walk_start(&query->walk, &plan->mask, &query->queries, list, 0, list->n);
            while (walk_next(&query->walk, &w->keys))
                if (!add_tile(pass, list, &w->keys)) return false;
        }
    }
    return true;
}

// Work --------------------------------------------------------------------------------------------

// Rows that cannot be read in place: listed ones, and those whose width fills no whole vectors.
static void gather(const decode_pass *pass, attention_worker *w, const seen_tile *tile,
                   attention_head_rows at, decode_job *job) {
    const fv_attention *plan = pass->plan;
    for (int i = 0; i < tile->n; i++) {
        int64_t row = tile->step ? tile->first + i * tile->step : pass->rows[tile->first + i];
        size_t offset = at.base + (size_t)(row * at.row);
        kv_load(plan, pass->k, offset, w->k + (ptrdiff_t)i * plan->d_padded);
        kv_load(plan, pass->v, offset, w->v + (ptrdiff_t)i * plan->d_padded);
    }
    job->bfloat16 = false;
    job->k = (const char *)w->k;
    job->v = (const char *)w->v;
    job->k_stride = job->v_stride = plan->d_padded * (ptrdiff_t)sizeof(float);
}

// Rows of the cache are positions.
static void set_bias(const decode_pass *pass, attention_worker *w, const seen_tile *tile,
                     int64_t shared, decode_job *job) {
    const fv_attention *plan = pass->plan;
    job->bias = w->decode_bias;
    for (int i = 0; i < plan->group; i++) {
        int64_t head = (shared * plan->group + i) % plan->config.n_head;
        double slope = plan->slopes[head] * LOG2_E;
        for (int j = 0; j < FV_TILE_KEYS; j++) {
            int64_t row = j >= tile->n ? pass->position
                          : tile->step ? tile->first + j * tile->step
                                       : pass->rows[tile->first + j];
            w->decode_bias[i * FV_TILE_KEYS + j] = (float)(slope * (double)(row - pass->position));
        }
    }
}

static void decode_tile(const decode_pass *pass, attention_worker *w, const seen_tile *tile,
                        int64_t shared, attention_head_rows at, decode_job *job) {
    const fv_attention *plan = pass->plan;
    job->n_keys = job->n_rows = tile->n;
    if (tile->step == 0 || plan->d_padded != plan->config.d_head) {
        gather(pass, w, tile, at, job);
    } else {
        job->bfloat16 = plan->config.kv_type == FV_BFLOAT16;
        ptrdiff_t size = job->bfloat16 ? sizeof(uint16_t) : sizeof(float);
        ptrdiff_t offset = ((ptrdiff_t)at.base + tile->first * at.row) * size;
        job->k = (const char *)pass->k + offset;
        job->v = (const char *)pass->v + offset;
        job->k_stride = job->v_stride = tile->step * at.row * size;
        int64_t rows = (pass->n_rows - 1 - tile->first) / tile->step + 1;
        job->n_rows = (int)(rows < INT_MAX ? rows : INT_MAX);
    }
    if (plan->slopes) set_bias(pass, w, tile, shared, job);
    plan->kernels->decode(job);
    w->work.pairs += tile->n * plan->group;
    w->work.tiles++;
}

static void load_query(const decode_pass *pass, attention_worker *w, int64_t shared) {
    const fv_attention *plan = pass->plan;
    size_t d = (size_t)plan->config.d_head;
    for (int i = 0; i < plan->group; i++) {
        float *q = w->decode_q + (ptrdiff_t)i * plan->d_padded;
        size_t head = (size_t)(shared * plan->group + i);
        memcpy(q, (const char *)pass->q + head * d * sizeof *q, d * sizeof *q);
        for (size_t f = 0; f < d; f++) q[f] *= plan->column_factor;
    }
}

static void decode_piece(void *context, int piece, int worker) {
    const decode_pass *pass = context;
    const fv_attention *plan = pass->plan;
    const fv_attention_config *c = &plan->config;
    attention_worker *w = &plan->workers[worker];
    int64_t shared = piece / pass->n_splits, split = piece % pass->n_splits;
    attention_head_rows at = head_rows_of(plan, pass->n_rows, c->n_kv_head, shared / c->n_kv_head,
                                          shared % c->n_kv_head);
    float *state = pass->states + (size_t)piece * (size_t)plan->group * state_width(plan);
    float *largest = state + (ptrdiff_t)plan->group * plan->d_padded;
    decode_job job = {.d_padded = plan->d_padded,
                      .n_heads = plan->group,
                      .score = plan->score,
                      .q = w->decode_q,
                      .p = w->decode_p,
                      .paired = w->decode_paired,
                      .o = state,
                      .largest = largest,
                      .sum = largest + plan->group};
    for (int i = 0; i < plan->group; i++) largest[i] = FV_NO_SCORE;
    load_query(pass, w, shared);
    int64_t end = (split + 1) * TILES_OF_PIECE;
    if (end > pass->n_tiles) end = pass->n_tiles;
    for (int64_t i = split * TILES_OF_PIECE; i < end; i++)
        decode_tile(pass, w, &pass->tiles[i], shared, at, &job);
}

// Joins the states of one head of queries.
static void join(const decode_pass *pass, int64_t shared, int64_t member, float *o) {
    const fv_attention *plan = pass->plan;
    int64_t d = plan->config.d_head;
    size_t width = state_width(plan) * (size_t)plan->group;
    const float *states = pass->states + (size_t)(shared * pass->n_splits) * width;
    size_t at_largest = (size_t)plan->group * (size_t)plan->d_padded + (size_t)member;
    int64_t head = shared * plan->group + member;
    double largest = pass->sinks ? pass->sinks[head] * LOG2_E : FV_NO_SCORE, sum = 0;
    for (int64_t s = 0; s < pass->n_splits; s++) {
        float x = states[(size_t)s * width + at_largest];
        if (!(x <= largest)) largest = x;
    }
    for (int64_t s = 0; s < pass->n_splits; s++) {
        const float *state = states + (size_t)s * width;
        sum += state[at_largest + (size_t)plan->group] * exp2(state[at_largest] - largest);
    }
    if (pass->sinks) sum += exp2(pass->sinks[head] * LOG2_E - largest);
    for (int64_t f = 0; f < d; f++) {
        double total = 0;
        for (int64_t s = 0; s < pass->n_splits; s++) {
            const float *state = states + (size_t)s * width;
            total += state[member * plan->d_padded + f] * exp2(state[at_largest] - largest);
        }
        float y = sum == 0 ? 0 : (float)(total / sum);
        memcpy((char *)o + (size_t)((shared * plan->group + member) * d + f) * sizeof y, &y,
               sizeof y);
    }
}

static fv_status decode(decode_pass *pass, int64_t n_cached, float *o, fv_error *error) {
    fv_attention *plan = pass->plan;
    int64_t shared = plan->config.n_batch * plan->config.n_kv_head;
    bool listed = list_tiles(pass, n_cached);
    pass->n_splits = (pass->n_tiles + TILES_OF_PIECE - 1) / TILES_OF_PIECE;
    size_t n = (size_t)(shared * pass->n_splits) * (size_t)plan->group * state_width(plan);
    // calloc gives no alignment to vectors; aligned_alloc wants whole multiples of it.
    size_t whole = (n * sizeof(float) / FV_ALIGNMENT + 1) * FV_ALIGNMENT;
    if (listed) pass->states = aligned_alloc(FV_ALIGNMENT, whole);
    if (pass->states == NULL)
        return fv_fail(error, FV_NO_MEMORY,
                       "out of memory for the tiles of a cache of %" PRId64 " keys", n_cached);
    memset(pass->states, 0, n * sizeof(float));
    pool_run(plan->pool, (int)(shared * pass->n_splits), decode_piece, pass);
    for (int64_t i = 0; i < shared; i++)
        for (int64_t member = 0; member < plan->group; member++) join(pass, i, member, o);
    return FV_OK;
}

fv_status fv_attention_decode(fv_attention *plan, int64_t n_cached, const float *q, const void *k,
                              const void *v, float *o, fv_error *error) {
    return attention_decode(plan, n_cached, q, k, v, NULL, o, error);
}

fv_status attention_decode(fv_attention *plan, int64_t n_cached, const float *q, const void *k,
                           const void *v, const double *sinks, float *o, fv_error *error) {
    const fv_attention_config *c = &plan->config;
    if (plan->selections != NULL)
        return fv_fail(error, FV_USAGE,
                       "attention: the selection is of whole sequences, and a new query has none; "
                       "decoding needs a mask without `selected`");
    if (n_cached < 1 || n_cached > c->n_key)
        return fv_fail(error, FV_USAGE,
                       "attention: n_cached is %" PRId64 "; the cache has room for 1 to %" PRId64,
                       n_cached, c->n_key);
    if (n_cached > c->first_query + c->n_query)
        return fv_fail(error, FV_USAGE,
                       "attention: the new query is at position %" PRId64
                       ", behind the last one planned, %" PRId64 "; n_query must reach it",
                       n_cached - 1, c->first_query + c->n_query - 1);
    decode_pass pass = {.plan = plan,
                        .n_rows = c->n_key,
                        .position = n_cached - 1,
                        .sinks = sinks,
                        .q = q,
                        .k = k,
                        .v = v};
    fv_status status = decode(&pass, n_cached, o, error);
    free(pass.tiles);
    free(pass.rows);
    free(pass.states);
    return status;
}
