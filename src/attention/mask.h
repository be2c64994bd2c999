// A mask as work: which tiles of queries meet which tiles of keys, and which pairs in them count.
//
// A mask is decomposed into block-sparse components: each pair that it leaves belongs to exactly
// one of them, and the pairs of a component lie in dense tiles:
//
//     COLUMNS  every query x the keys that all queries see (sinks, globals), gathered
//     BAND     every query x the keys in place: window, blocks, or everything
//     STRIDE   one residue class of positions x the same class of keys: a window again
//     ROWS     the global queries, gathered, x the keys in place
//
// An index list has rows in ascending order, mostly at constant steps; a component pairs index
// lists of queries with index lists of keys. The seen pairs of a tile are one 64-bit word for each
// key, bit q for the tile's query q.
#ifndef ATTENTION_MASK_H
#define ATTENTION_MASK_H

#include "attention/tiles.h"

typedef struct attention_mask {
    bool causal, everything; // everything: no part restricts what is seen
    bool has_blocks;
    int64_t end_query, end_key; // positions from here on do not exist
    int64_t window, sinks, stride;
    int64_t stride_reach; // |i - j| must be below it in the stride's part
    int64_t n_globals;
    int64_t *globals; // ascending, each once
    int64_t block, n_block_rows, n_block_columns;
    size_t bitmap_row; // bytes
    uint8_t *bitmap;   // [n_block_rows][bitmap_row], or NULL
    int64_t
        n_selected; // bitmaps are chosen, and `bitmap` has one for each of n_bitmaps heads of keys
    int64_t n_bitmaps;
    int64_t n_random;
    int32_t *random; // [n_block_rows][n_random] ascending block columns, -1 for none
} attention_mask;

// Checks the configuration's mask (its sizes are already checked) and copies it.
fv_status mask_create(const fv_attention_config *config, attention_mask *mask, fv_error *error);
void mask_free(attention_mask *mask);

// The number of keys that every query sees in the COLUMNS component, at most.
int64_t mask_columns(const attention_mask *mask);

typedef enum component_kind { FV_COLUMNS, FV_BAND, FV_STRIDE, FV_ROWS } component_kind;

typedef struct index_list {
    int64_t n;
    int64_t row, row_step, position, step; // of row i: row + i row_step, position + i step
    const int64_t *rows, *positions;       // or listed, where not NULL
    component_kind kind;                   // of a list of keys
    int64_t residue; // of positions by the stride; -1 where it does not matter
} index_list;

static inline int64_t index_list_row(const index_list *s, int64_t i) {
    return s->rows ? s->rows[i] : s->row + i * s->row_step;
}
static inline int64_t index_list_position(const index_list *s, int64_t i) {
    return s->positions ? s->positions[i] : s->position + i * s->step;
}

// Every list of queries meets every list of keys of equal residue.
typedef struct mask_component {
    int n_queries, n_keys;
    index_list *queries, *keys;
} mask_component;

enum { FV_MAX_COMPONENTS = 3 };

// The components of local queries and keys, and the memory they lie in.
typedef struct mask_components {
    int n;
    mask_component component[FV_MAX_COMPONENTS];
    index_list *lists;
    int64_t *listed;
} mask_components;

fv_status components_create(const attention_mask *mask, mask_components *components,
                            fv_error *error);
void components_free(mask_components *components);
void components_set(const attention_mask *mask, const attention_placement *queries,
                    const attention_placement *keys, mask_components *components);

// Up to 64 queries of one list.
typedef struct query_tile {
    int n;
    uint64_t live; // bits of the queries that take part in this component
    int64_t rows[FV_TILE_QUERIES], positions[FV_TILE_QUERIES];
    bool affine;  // positions at constant steps
    int n_groups; // of equal block row
    int64_t group_row[FV_TILE_QUERIES];
    uint64_t group_bits[FV_TILE_QUERIES];
} query_tile;

void query_tile_set(const attention_mask *mask, const index_list *queries, int64_t first,
                    component_kind kind, query_tile *tile);

// Up to 128 keys of one list.
typedef struct attention_key_tile {
    int n;
    bool contiguous; // keys first .. first + n - 1 of the list
    int64_t first;
    int64_t index[FV_TILE_KEYS]; // in the list
    const uint64_t *seen;        // [n], or NULL where all live queries see all keys
    uint64_t bits[FV_TILE_KEYS];
    int64_t pairs; // seen
} attention_key_tile;

// The key tiles that a query tile meets, one after the other: walk_start, then walk_next
// until it returns false.
typedef struct attention_interval {
    int64_t low, high;
} attention_interval;

typedef struct attention_walk {
    const attention_mask *mask;
    const query_tile *queries;
    const index_list *keys;
    bool gather;                   // short intervals may share a tile
    attention_interval *intervals; // merged, ascending, of indices in the list
    int n, at;
} attention_walk;

// Memory for the intervals of one walk.
size_t walk_capacity(const attention_mask *mask);

// Only keys low .. high - 1 of the list are visited.
void walk_start(attention_walk *walk, const attention_mask *mask, const query_tile *queries,
                const index_list *keys, int64_t low, int64_t high);
bool walk_next(attention_walk *walk, attention_key_tile *tile);

// The keys that the next tile begins with, as far as they lie together; empty at the end.
attention_interval walk_ahead(const attention_walk *walk);

// A range of query indices of the list outside of which no query sees keys low .. high - 1.
attention_interval walk_queries(const attention_mask *mask, const index_list *queries,
                                const index_list *keys, int64_t low, int64_t high);

#endif
