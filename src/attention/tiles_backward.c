// The tile loop, backward: each piece of work is one chunk of keys of one head, whose keys, values
// and gradients stay in the cache while the tiles of queries that see it pass by.
//
//     for a chunk of keys:    for every tile of queries:   p, ds again;  dk, dv += ..;  dq += ..
//
// dq is shared by the chunks of a head, and its sums must not depend on who is faster: a chunk adds
// to a tile of queries only when every chunk before it has passed that tile. Sinks and globals
// stand among the columns and again in the band, so a chunk moves its sums to dk and dv only when
// every chunk before it has done so. `progress` says how far each chunk is. Chunks are taken in
// order, so the first unfinished one never waits; with one thread nobody does.
//
// Sums over very many queries are made in two levels, as the rounding of one long sum grows with
// the root of its length: a few tiles of queries add to the chunk's gradients, which then move to
// its totals. With 65,537 queries the error of dk falls from 1e-5 of its norm to below 1e-6.
#include "attention/plan.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <string.h>

static const double LOG2_E = 1.4426950408889634;

enum { TILES_OF_SUM = 8 }; // tiles of queries that add to the gradients before these move

// A chunk's progress behind the last tile of queries, and with its sums in dk and dv.
static const int64_t HAS_PASSED = INT64_MAX - 1, HAS_ENDED = INT64_MAX;

typedef struct backward_pass {
    fv_attention *plan;
    const local_gradients *queries;
    const local_keys *keys;
    float *dk, *dv;
    const mask_component *component;
    int64_t n_tiles;  // of queries of one head
    int64_t n_chunks; // of keys of one head
    int64_t n_shared; // heads of keys, batches included
} backward_pass;

// One chunk's place in the work.
typedef struct piece {
    const backward_pass *pass;
    attention_worker *worker;
    int64_t number, chunk, shared;
    const index_list *list;
    int64_t low, high; // keys of the list
    int64_t settled;   // chunks below it were seen finished
    int n_summed;      // tiles of queries in the chunk's gradients
} piece;

static int64_t chunks_of(const fv_attention *plan, const index_list *list) {
    return (list->n + plan->chunk - 1) / plan->chunk;
}

static const index_list *list_of_chunk(const backward_pass *pass, int64_t chunk, int64_t *low) {
    const index_list *s = pass->component->keys;
    for (int64_t n; chunk >= (n = chunks_of(pass->plan, s)); s++) chunk -= n;
    *low = chunk * pass->plan->chunk;
    return s;
}

// Turns -------------------------------------------------------------------------------------------

static _Atomic int64_t *progress_of(const piece *p, int64_t chunk) {
    return &p->pass->plan->progress[chunk * p->pass->n_shared + p->shared];
}

// Waits until the chunks before this one that meet the same queries have passed tile `turn`.
static void wait_for_turn(piece *p, int64_t turn) {
    if (p->pass->plan->n_workers == 1) return;
    int64_t first = 0;
    for (const index_list *s = p->pass->component->keys; first < p->chunk; s++) {
        int64_t end = first + chunks_of(p->pass->plan, s);
        if (end > p->chunk) end = p->chunk;
        int64_t chunk = first > p->settled ? first : p->settled;
        for (; chunk < end && s->residue == p->list->residue; chunk++) {
            int64_t at;
            while ((at = atomic_load_explicit(progress_of(p, chunk), memory_order_acquire)) <= turn)
                sched_yield();
            if (at == HAS_ENDED && chunk == p->settled) p->settled = chunk + 1;
        }
        first = end;
    }
}

static void report(const piece *p, int64_t turn) {
    atomic_store_explicit(progress_of(p, p->chunk), turn, memory_order_release);
}

// One tile of queries -----------------------------------------------------------------------------

static float number_at(const float *x, int64_t i) {
    float y;
    memcpy(&y, (const char *)x + (size_t)i * sizeof y, sizeof y);
    return y;
}

static void load_queries(const piece *p, attention_head_rows at, int64_t head) {
    const fv_attention *plan = p->pass->plan;
    const local_gradients *queries = p->pass->queries;
    attention_worker *w = p->worker;
    query_state *s = &w->states[0];
    const query_tile *tile = &s->queries;
    int64_t rows = placement_rows(&queries->at);
    head_rows_load(plan, queries->q, at, tile->rows, tile->n, w->q);
    head_rows_load(plan, queries->d_o, at, tile->rows, tile->n, w->g);
    plan->kernels->to_columns(plan->d_padded, w->q, plan->column_factor, s->qt);
    plan->kernels->to_columns(plan->d_padded, w->g, 1, w->gt);
    for (int i = 0; i < FV_TILE_QUERIES; i++) {
        // A place without a query gets a logsumexp that leaves nothing of its weights.
        float logsumexp = -INFINITY, delta = 0;
        if (i < tile->n) {
            logsumexp = number_at(queries->logsumexp, head * rows + tile->rows[i]);
            delta = number_at(queries->delta, head * rows + tile->rows[i]);
        }
        s->largest[i] = logsumexp == -INFINITY ? 1e30f : (float)(logsumexp * LOG2_E);
        s->sum[i] = delta;
    }
    memset(w->o, 0, (size_t)(FV_TILE_QUERIES * plan->d_padded) * sizeof *w->o);
    if (plan->slopes) bias_of_queries(plan, head, tile, s->bias);
}

static kernel_tile_gradient gradient_of(const piece *p) {
    const fv_attention *plan = p->pass->plan;
    const attention_worker *w = p->worker;
    const query_state *s = &w->states[0];
    return (kernel_tile_gradient){.d = (int)plan->config.d_head,
                                  .d_padded = plan->d_padded,
                                  .score = plan->score,
                                  .qt = s->qt,
                                  .gt = w->gt,
                                  .q = w->q,
                                  .g = w->g,
                                  .logsumexp = s->largest,
                                  .delta = s->sum,
                                  .p = w->p,
                                  .ds = w->ds,
                                  .dq = w->o};
}

static void move(int64_t n, float *restrict from, float *restrict to) {
    for (int64_t i = 0; i < n; i++) {
        to[i] += from[i];
        from[i] = 0;
    }
}

static void move_to_totals(piece *p) {
    attention_worker *w = p->worker;
    int64_t n = (p->high - p->low) * p->pass->plan->d_padded;
    move(n, w->chunk_dk, w->total_dk);
    move(n, w->chunk_dv, w->total_dv);
    p->n_summed = 0;
}

// `turn` numbers the tile among all tiles of the heads that share the keys.
static void visit(piece *p, const index_list *queries, int64_t tile, int64_t head, int64_t turn) {
    const backward_pass *pass = p->pass;
    fv_attention *plan = pass->plan;
    const fv_attention_config *c = &plan->config;
    attention_worker *w = p->worker;
    query_state *s = &w->states[0];
    attention_head_rows at = head_rows_of(plan, placement_rows(&pass->queries->at), c->n_head,
                                          head / c->n_head, head % c->n_head);
    kernel_tile_gradient g = gradient_of(p);
    bool loaded = false;
    report(p, turn);
    const attention_mask *mask = mask_of(plan, p->shared);
    query_tile_set(mask, queries, tile * FV_TILE_QUERIES, p->list->kind, &s->queries);
    s->walk.gather = false;
    walk_start(&s->walk, mask, &s->queries, p->list, p->low, p->high);
    while (walk_next(&s->walk, &w->keys)) {
        if (!loaded) load_queries(p, at, head);
        loaded = true;
        ptrdiff_t first = (w->keys.first - p->low) * plan->d_padded;
        g.n_keys = w->keys.n;
        g.seen = w->keys.seen;
        if (plan->slopes) {
            bias_of_keys(plan, head, s->queries.positions[0], p->list, &w->keys, w->key_bias);
            g.query_bias = s->bias;
            g.key_bias = w->key_bias;
        }
        g.k = w->chunk_k + first;
        g.v = w->chunk_v + first;
        g.dk = w->chunk_dk + first;
        g.dv = w->chunk_dv + first;
        plan->kernels->tile_gradient(&g);
        w->work.pairs += w->keys.pairs;
        w->work.tiles++;
    }
    if (!loaded) return;
    if (++p->n_summed == TILES_OF_SUM) move_to_totals(p);
    wait_for_turn(p, turn);
    head_rows_add(plan, w->o, at, s->queries.rows, s->queries.n, pass->queries->dq);
}

// One chunk of keys -------------------------------------------------------------------------------

static void load_chunk(const piece *p, attention_head_rows at) {
    const fv_attention *plan = p->pass->plan;
    attention_worker *w = p->worker;
    for (int64_t i = p->low; i < p->high; i++) {
        size_t offset = at.base + (size_t)(index_list_row(p->list, i) * at.row);
        ptrdiff_t to = (i - p->low) * plan->d_padded;
        kv_load(plan, p->pass->keys->k, offset, w->chunk_k + to);
        kv_load(plan, p->pass->keys->v, offset, w->chunk_v + to);
    }
    size_t bytes = (size_t)((p->high - p->low) * plan->d_padded) * sizeof(float);
    float *const sums[] = {w->chunk_dk, w->chunk_dv, w->total_dk, w->total_dv};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) memset(sums[i], 0, bytes);
}

static void add_chunk(piece *p, attention_head_rows at) {
    const fv_attention *plan = p->pass->plan;
    if (p->n_summed > 0) move_to_totals(p);
    for (int64_t i = p->low; i < p->high; i++) {
        int64_t row = index_list_row(p->list, i);
        ptrdiff_t from = (i - p->low) * plan->d_padded;
        head_rows_add(plan, p->worker->total_dk + from, at, &row, 1, p->pass->dk);
        head_rows_add(plan, p->worker->total_dv + from, at, &row, 1, p->pass->dv);
    }
}

static void visit_all(piece *p) {
    const backward_pass *pass = p->pass;
    const fv_attention *plan = pass->plan;
    for (int64_t i = 0; i < plan->group; i++) {
        int64_t turn = i * pass->n_tiles;
        for (int s = 0; s < pass->component->n_queries; s++) {
            const index_list *queries = &pass->component->queries[s];
            int64_t n_tiles = (queries->n + FV_TILE_QUERIES - 1) / FV_TILE_QUERIES;
            if (queries->residue == p->list->residue) {
                attention_interval range =
                    walk_queries(mask_of(plan, p->shared), queries, p->list, p->low, p->high);
                for (int64_t t = range.low / FV_TILE_QUERIES; t * FV_TILE_QUERIES < range.high; t++)
                    visit(p, queries, t, p->shared * plan->group + i, turn + t);
            }
            turn += n_tiles;
        }
    }
}

static void backward_piece(void *context, int number, int worker) {
    const backward_pass *pass = context;
    fv_attention *plan = pass->plan;
    const fv_attention_config *c = &plan->config;
    piece p = {.pass = pass,
               .worker = &plan->workers[worker],
               .chunk = number / pass->n_shared,
               .shared = number % pass->n_shared};
    p.list = list_of_chunk(pass, p.chunk, &p.low);
    p.high = p.low + plan->chunk < p.list->n ? p.low + plan->chunk : p.list->n;
    attention_head_rows at = head_rows_of(plan, placement_rows(&pass->keys->at), c->n_kv_head,
                                          p.shared / c->n_kv_head, p.shared % c->n_kv_head);
    load_chunk(&p, at);
    visit_all(&p);
    report(&p, HAS_PASSED);
    wait_for_turn(&p, HAS_PASSED);
    add_chunk(&p, at);
    report(&p, HAS_ENDED);
}

void tiles_backward(fv_attention *plan, const local_gradients *queries, const local_keys *keys,
                    float *dk, float *dv) {
    const fv_attention_config *c = &plan->config;
    components_set(&plan->mask, &queries->at, &keys->at, &plan->components);
    for (int i = 0; i < plan->components.n; i++) {
        const mask_component *component = &plan->components.component[i];
        backward_pass pass = {.plan = plan,
                              .queries = queries,
                              .keys = keys,
                              .dk = dk,
                              .dv = dv,
                              .component = component,
                              .n_tiles = component_tiles(component),
                              .n_shared = c->n_batch * c->n_kv_head};
        for (int j = 0; j < component->n_keys; j++)
            pass.n_chunks += chunks_of(plan, &component->keys[j]);
        int64_t n = pass.n_chunks * pass.n_shared;
        assert(n <= plan->n_progress);
        for (int64_t j = 0; j < n; j++)
            atomic_store_explicit(&plan->progress[j], -1, memory_order_relaxed);
        pool_run(plan->pool, (int)n, backward_piece, &pass);
    }
}

// Delta -------------------------------------------------------------------------------------------

typedef struct delta_pass {
    const fv_attention *plan;
    int64_t rows;
    const float *o, *d_o;
    float *delta;
} delta_pass;

static void delta_piece(void *context, int head, int worker) {
    (void)worker;
    const delta_pass *pass = context;
    const fv_attention_config *c = &pass->plan->config;
    attention_head_rows at =
        head_rows_of(pass->plan, pass->rows, c->n_head, head / c->n_head, head % c->n_head);
    for (int64_t i = 0; i < pass->rows; i++) {
        int64_t row = (int64_t)at.base + i * at.row;
        double sum = 0;
        for (int64_t f = 0; f < c->d_head; f++)
            sum += (double)number_at(pass->o, row + f) * number_at(pass->d_o, row + f);
        float delta = (float)sum;
        memcpy((char *)pass->delta + (size_t)(head * pass->rows + i) * sizeof delta, &delta,
               sizeof delta);
    }
}

void tiles_delta(fv_attention *plan, int64_t rows, const float *o, const float *d_o, float *delta) {
    delta_pass pass = {plan, rows, o, d_o, delta};
    pool_run(plan->pool, (int)(plan->config.n_batch * plan->config.n_head), delta_piece, &pass);
}
