// A prepared attention (fv_attention): what it was made for, its mask, and its working memory.
#ifndef ATTENTION_PLAN_H
#define ATTENTION_PLAN_H

#include "attention/mask.h"
#include "base/arena.h"
#include "base/pool.h"
#include "kernels/kernels.h"

#include <stdatomic.h>

enum { FV_MOST_BLOCK_TILES = 8 };

// A tile of queries on its way through the keys.
typedef struct query_state {
    query_tile queries;
    attention_walk walk;
    const index_list *list; // of the queries; forward only
    int64_t first;          // of them in the list
    bool loaded;            // has met keys, and what follows is filled
    float *qt, *ot;         // [d_padded][64]: queries, running output
    float *largest, *sum;   // [64]; backward: logsumexps, deltas
    float *bias;            // [64], of slopes
} query_state;

// One worker's memory. Rows are padded to d_padded features; the padding stays zero.
typedef struct attention_worker {
    query_state *states; // [block_tiles]; backward and decoding use the first
    attention_key_tile keys;
    float *q, *g, *o;           // [64][d_padded]: queries, gradients of the output, output or dq
    float *gt;                  // [d_padded][64]: the gradients as columns
    float *p, *ds;              // [128][64]
    float *k, *v;               // [128][d_padded]: keys and values that cannot be read in place
    float *chunk_k, *chunk_v;   // [chunk][d_padded]: the keys of a backward piece
    float *chunk_dk, *chunk_dv; // and their gradients from the last few tiles of queries
    float *total_dk, *total_dv; // and from the tiles before
    float *factors;             // [64]
    float *key_bias;            // [128], of slopes
    float *decode_q, *decode_paired; // [group][d_padded]
    float *decode_p, *decode_bias;   // [group][128]
    fv_attention_work work;
} attention_worker;

struct fv_attention {
    fv_attention_config config; // its mask's arrays are NULL: `mask` has the copies
    attention_mask mask;
    attention_mask *selections; // the mask with the bitmap of each head of keys; NULL without
    mask_components components;
    const kernel_set *kernels;
    tile_score score;
    double *slopes;      // [n_head], or NULL
    float column_factor; // what queries are multiplied by on their way into columns
    int d_padded, group; // heads of queries that share a head of keys
    int chunk;           // keys of a piece of the backward pass: they stay in the cache
    int block_tiles;     // tiles of queries that go through the keys together, at most
    thread_pool *pool;
    int n_workers;
    attention_worker *workers;
    query_state *states; // of all workers
    memory_arena arena;
    _Atomic int64_t *progress; // of backward pieces, see tiles_backward.c
    int64_t n_progress;
};

// What the queries of a head of keys see; heads of all batches are numbered through.
static inline const attention_mask *mask_of(const fv_attention *plan, int64_t shared) {
    return plan->selections ? &plan->selections[shared] : &plan->mask;
}

// What positions add to scores of a head, less its slope (i - j) in units of log 2: of queries and of
// keys, counted from the first of the queries, so that near ones are exact.
void bias_of_queries(const fv_attention *plan, int64_t head, const query_tile *queries,
                     float *bias);
void bias_of_keys(const fv_attention *plan, int64_t head, int64_t from, const index_list *list,
                  const attention_key_tile *keys, float *bias);

// Where row 0 of one head lies, and how far rows are apart, in numbers.
typedef struct attention_head_rows {
    size_t base;
    ptrdiff_t row;
} attention_head_rows;

static inline attention_head_rows head_rows_of(const fv_attention *plan, int64_t n_rows,
                                               int64_t n_heads, int64_t batch, int64_t head) {
    size_t d = (size_t)plan->config.d_head;
    if (plan->config.layout == FV_POSITIONS_FIRST)
        return (attention_head_rows){(size_t)(batch * n_rows * n_heads + head) * d,
                                     (ptrdiff_t)(n_heads * (int64_t)d)};
    return (attention_head_rows){(size_t)((batch * n_heads + head) * n_rows) * d, (ptrdiff_t)d};
}

// Heads of keys with bitmaps of their own (select.c): nothing where the mask has no such part.
fv_status selections_create(fv_attention *plan, fv_error *error);

// Copies rows of floats, at any address, into padded rows and back.
void head_rows_load(const fv_attention *plan, const float *from, attention_head_rows at,
                    const int64_t *rows, int n, float *to);
void head_rows_store(const fv_attention *plan, const float *from, attention_head_rows at,
                     const int64_t *rows, int n, float *to);
void head_rows_add(const fv_attention *plan, const float *from, attention_head_rows at,
                   const int64_t *rows, int n, float *to);

// fv_attention_decode with a logit for each of the queries' heads [n_batch][n_head] that joins the
// softmax's sum and has no value, or NULL.
fv_status attention_decode(fv_attention *plan, int64_t n_cached, const float *q, const void *k,
                           const void *v, const double *sinks, float *o, fv_error *error);

// One row of keys or values, of the plan's kv_type, as floats.
void kv_load(const fv_attention *plan, const void *from, size_t offset, float *to);

// Tiles of 64 queries that a component's lists of queries have, and the list of tile i.
int64_t component_tiles(const mask_component *component);
const index_list *component_tile(const mask_component *component, int64_t tile,
                                 int64_t *first_query);

#endif
