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

int64_t phase_tiles(const attention_phase *phase) {
    int64_t n = 0;
    for (int i = 0; i < phase->n_queries; i++)
        n += (phase->queries[i].n + FV_TILE_QUERIES - 1) / FV_TILE_QUERIES;
    return n;
}

const attention_strand *phase_tile(const attention_phase *phase, int64_t tile,
                                   int64_t *first_query) {
    const attention_strand *s = phase->queries;
    for (int64_t n; tile >= (n = (s->n + FV_TILE_QUERIES - 1) / FV_TILE_QUERIES); s++) tile -= n;
    *first_query = tile * FV_TILE_QUERIES;
    return s;
}

// One tile of queries -----------------------------------------------------------------------------

typedef struct forward_pass {
    fv_attention *plan;
    const local_queries *queries;
    const local_keys *keys;
    const attention_phase *phase;
    bool fresh;
    int abreast;
    int64_t n_tiles, n_fronts, first_piece; // of one head
} forward_pass;

// A piece of work: neighbouring tiles of queries of one head.
typedef struct front {
    const forward_pass *pass;
    attention_worker *worker;
    int64_t head;
    attention_head_rows q_at, k_at;
    int n;
    attention_interval fetched; // keys of the strand that were prefetched last
} front;

static float *log_sum_of(const forward_pass *pass, int64_t head) {
    return pass->queries->row_log_sum + head * placement_rows(&pass->queries->at);
}

static float float_at(const float *x, int64_t i) {
    float y;
    memcpy(&y, (const char *)x + (size_t)i * sizeof y, sizeof y);
    return y;
}

static void clear_state(const front *f, query_state *s) {
    for (int i = 0; i < FV_TILE_QUERIES; i++) {
        s->largest[i] = FV_NO_SCORE;
        s->sum[i] = 0;
    }
    memset(s->ot, 0, (size_t)f->pass->plan->d_padded * FV_TILE_QUERIES * sizeof *s->ot);
}

static void load_state(const front *f, query_state *s) {
    const fv_attention *plan = f->pass->plan;
    const query_tile *tile = &s->queries;
    attention_worker *w = f->worker;
    s->loaded = true;
    head_rows_load(plan, f->pass->queries->q, f->q_at, tile->rows, tile->n, w->q);
    plan->kernels->to_columns(plan->d_padded, w->q, plan->column_factor, s->qt);
    clear_state(f, s);
    if (f->pass->fresh) return;
    head_rows_load(plan, f->pass->queries->o, f->q_at, tile->rows, tile->n, w->o);
    plan->kernels->to_columns(plan->d_padded, w->o, 1, s->ot);
    for (int i = 0; i < tile->n; i++) {
        float log_sum = float_at(log_sum_of(f->pass, f->head), tile->rows[i]);
        if (log_sum == -INFINITY) continue;
        s->largest[i] = (float)(log_sum * LOG2_E);
        s->sum[i] = 1;
    }
}

static void store_state(const front *f, const query_state *s) {
    const fv_attention *plan = f->pass->plan;
    const query_tile *tile = &s->queries;
    attention_worker *w = f->worker;
    for (int i = 0; i < FV_TILE_QUERIES; i++) w->factors[i] = s->sum[i] == 0 ? 0 : 1 / s->sum[i];
    plan->kernels->to_rows(plan->d_padded, s->ot, w->factors, w->o);
    head_rows_store(plan, w->o, f->q_at, tile->rows, tile->n, f->pass->queries->o);
    for (int i = 0; i < tile->n; i++) {
        float log_sum =
            s->sum[i] == 0 ? -INFINITY : (float)(s->largest[i] * LOG_2 + log((double)s->sum[i]));
        memcpy((char *)log_sum_of(f->pass, f->head) + (size_t)tile->rows[i] * sizeof log_sum,
               &log_sum, sizeof log_sum);
    }
}

// Keys and values of a tile: where they lie (true) if that can be read as floats at even distances,
// else copied.
static bool point_at_keys(const front *f, const attention_strand *strand, tile_job *job) {
    const fv_attention *plan = f->pass->plan;
    attention_worker *w = f->worker;
    const attention_key_tile *tile = &w->keys;
    const local_keys *keys = f->pass->keys;
    job->n_keys = tile->n;
    job->seen = tile->seen;
    bool in_place = plan->config.kv_type == FV_FLOAT32 && tile->contiguous && !strand->rows &&
                    ((uintptr_t)keys->k | (uintptr_t)keys->v) % sizeof(float) == 0;
    if (in_place) {
        size_t offset = f->k_at.base + (size_t)(strand_row(strand, tile->first) * f->k_at.row);
        job->k = (const float *)keys->k + offset;
        job->v = (const float *)keys->v + offset;
        job->k_stride = job->v_stride = strand->row_step * f->k_at.row;
        return true;
    }
    for (int i = 0; i < tile->n; i++) {
        int64_t index = tile->contiguous ? tile->first + i : tile->index[i];
        size_t offset = f->k_at.base + (size_t)(strand_row(strand, index) * f->k_at.row);
        kv_load(plan, keys->k, offset, w->k + (ptrdiff_t)i * plan->d_padded);
        kv_load(plan, keys->v, offset, w->v + (ptrdiff_t)i * plan->d_padded);
    }
    job->k = w->k;
    job->v = w->v;
    job->k_stride = job->v_stride = plan->d_padded;
    return false;
}

// Asks for the keys that come next, unless another tile of queries did.
static void look_ahead(front *f, const attention_walk *walk, tile_job *job) {
    attention_interval next = walk_ahead(walk);
    if (next.low >= f->fetched.low && next.low <= f->fetched.high)
        next.low = f->fetched.high;
    else
        f->fetched = next;
    if (next.low >= next.high) return;
    job->ahead = next.low - f->worker->keys.first;
    job->n_ahead = (int)(next.high - next.low);
    f->fetched.high = next.high;
}

// The next keys of one tile of queries; false where it has met them all.
static bool meet_keys(front *f, query_state *s, const attention_strand *strand) {
    const fv_attention *plan = f->pass->plan;
    attention_worker *w = f->worker;
    if (!walk_next(&s->walk, &w->keys)) return false;
    if (!s->loaded) load_state(f, s);
    tile_job job = {.d = (int)plan->config.d_head,
                    .score = plan->score,
                    .qt = s->qt,
                    .p = w->p,
                    .ot = s->ot,
                    .largest = s->largest,
                    .sum = s->sum};
    if (point_at_keys(f, strand, &job)) look_ahead(f, &s->walk, &job);
    plan->kernels->tile(&job);
    w->work.pairs += w->keys.pairs;
    w->work.tiles++;
    return true;
}

// Neighbouring tiles of queries -----------------------------------------------------------------

static front front_of(const forward_pass *pass, int64_t number, int worker) {
    fv_attention *plan = pass->plan;
    const fv_attention_config *c = &plan->config;
    int64_t head = number / pass->n_fronts;
    front f = {.pass = pass, .worker = &plan->workers[worker], .head = head};
    f.q_at = head_rows_of(plan, placement_rows(&pass->queries->at), c->n_head, head / c->n_head,
                          head % c->n_head);
    f.k_at = head_rows_of(plan, placement_rows(&pass->keys->at), c->n_kv_head, head / c->n_head,
                          head % c->n_head / plan->group);
    // The last tiles of a causal mask have the most keys: they go first.
    int64_t tile = (pass->n_fronts - 1 - number % pass->n_fronts) * pass->abreast;
    for (; f.n < pass->abreast && tile < pass->n_tiles; f.n++, tile++) {
        query_state *s = &f.worker->states[f.n];
        s->strand = phase_tile(pass->phase, tile, &s->first);
        s->loaded = false;
        query_tile_set(&plan->mask, s->strand, s->first, FV_BAND, &s->queries);
    }
    return f;
}

static void meet_strand(front *f, const attention_strand *keys) {
    const attention_mask *mask = &f->pass->plan->mask;
    query_state *states = f->worker->states, *walking[FV_MOST_ABREAST];
    int n = 0;
    f->fetched = (attention_interval){0, 0};
    for (int i = 0; i < f->n; i++) {
        query_state *s = &states[i];
        if (keys->residue != s->strand->residue) continue;
        query_tile_set(mask, s->strand, s->first, keys->kind, &s->queries);
        s->walk.gather = true;
        walk_start(&s->walk, mask, &s->queries, keys, 0, keys->n);
        walking[n++] = s;
    }
    while (n > 0) {
        int left = 0;
        for (int i = 0; i < n; i++)
            if (meet_keys(f, walking[i], keys)) walking[left++] = walking[i];
        n = left;
    }
}

static void forward_piece(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    front f = front_of(pass, pass->first_piece + piece, worker);
    for (int i = 0; i < pass->phase->n_keys; i++) meet_strand(&f, &pass->phase->keys[i]);
    for (int i = 0; i < f.n; i++) {
        query_state *s = &f.worker->states[i];
        if (!s->loaded && pass->fresh) clear_state(&f, s);
        if (s->loaded || pass->fresh) store_state(&f, s);
    }
}

// The whole ---------------------------------------------------------------------------------------

// Zeros and -infinity, where there are rows that no phase visits: padding.
static void clear_padding(const fv_attention *plan, const local_queries *queries) {
    const fv_attention_config *c = &plan->config;
    const attention_phase *first = &plan->phases.phase[0];
    int64_t local = placement_rows(&queries->at), n = 0, rows = c->n_batch * c->n_head * local;
    for (int i = 0; i < first->n_queries; i++) n += first->queries[i].n;
    if (n == local) return;
    memset(queries->o, 0, (size_t)(rows * c->d_head) * sizeof *queries->o);
    float none = -INFINITY;
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)queries->row_log_sum + (size_t)i * sizeof none, &none, sizeof none);
}

// Fewer tiles together where there are too few to keep all workers busy; one alone where each has
// random blocks of its own and would only push the others' out of the cache.
static int abreast_of(const fv_attention *plan, int64_t n_tiles) {
    enum { PIECES = 4 }; // of a worker
    const attention_mask *mask = &plan->mask;
    bool alike = mask->everything || mask->window > 0 || mask->stride > 0 || mask->bitmap;
    if (!alike) return 1;
    int64_t n = n_tiles / ((int64_t)PIECES * plan->n_workers);
    if (n < 1) return 1;
    return n < plan->abreast ? (int)n : plan->abreast;
}

void tiles_forward(fv_attention *plan, const local_queries *queries, const local_keys *keys,
                   bool fresh) {
    const fv_attention_config *c = &plan->config;
    int64_t heads = c->n_batch * c->n_head;
    phases_set(&plan->mask, &queries->at, &keys->at, &plan->phases);
    if (fresh) clear_padding(plan, queries);
    for (int i = 0; i < plan->phases.n; i++) {
        forward_pass pass = {.plan = plan,
                             .queries = queries,
                             .keys = keys,
                             .phase = &plan->phases.phase[i],
                             .fresh = fresh && i == 0,
                             .n_tiles = phase_tiles(&plan->phases.phase[i])};
        pass.abreast = abreast_of(plan, pass.n_tiles * heads);
        pass.n_fronts = (pass.n_tiles + pass.abreast - 1) / pass.abreast;
        int64_t n = pass.n_fronts * heads;
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
    attention_phases phases = {0};
    attention_walk walk = {.gather = true,
                           .intervals = malloc(walk_capacity(mask) * sizeof *walk.intervals)};
    query_tile tile;
    attention_key_tile key_tile;
    if (walk.intervals == NULL || phases_create(mask, &phases, NULL) != FV_OK) {
        free(walk.intervals);
        return (fv_attention_work){-1, -1};
    }
    phases_set(mask, queries, keys, &phases);
    for (int i = 0; i < phases.n; i++) {
        const attention_phase *phase = &phases.phase[i];
        int64_t n = phase_tiles(phase), first_query;
        for (int64_t t = 0; t < n; t++) {
            const attention_strand *strand = phase_tile(phase, t, &first_query);
            for (int j = 0; j < phase->n_keys && !(any && work.tiles > 0); j++) {
                if (phase->keys[j].residue != strand->residue) continue;
                query_tile_set(mask, strand, first_query, phase->keys[j].kind, &tile);
                walk_start(&walk, mask, &tile, &phase->keys[j], 0, phase->keys[j].n);
                while (walk_next(&walk, &key_tile) && !(any && work.tiles > 0)) {
                    work.pairs += key_tile.pairs;
                    work.tiles++;
                }
            }
        }
    }
    phases_free(&phases);
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
