// The arithmetic of one tile of attention, 64 queries x 128 keys, with the query in the lane:
//
//     columns of queries  qt [d][64]      feature 0:  q0 q1 ... q63
//     scores              p [128][64]     key 0:      q0 q1 ... q63
//     running output      ot [d][64]
//
// A key's feature is one number for all queries of a vector: it is broadcast, and K and V are read
// where they lie. Nothing is summed across lanes, no row needs a maximum of its own, and a block of
// 4 keys x 64 queries stays in registers. The gradients of K, V and Q have the feature in the lane
// instead, as their sums run over queries or keys.
//
// The body (body_tile.h) is written once and built per instruction set; the reference is plain C in
// double precision. Kernels only compute: arguments are checked above.
#ifndef KERNELS_TILE_KERNELS_H
#define KERNELS_TILE_KERNELS_H

#include "kernels/common.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FV_TILE_QUERIES = 64, FV_TILE_KEYS = 128 };

// Scores (kernels/score_formulas.h) in units of log 2, so that exp is a power of two. A score of
// products is q . k itself, as q was scaled by factor when it was turned into columns.
typedef struct tile_score {
    kernel_score kind;
    float factor, floor; // factor: times log2(e)
    float slope;         // of products the factor, of distances twice that, without log2(e)
    float cap;           // not 0: cap tanh(score / cap), in units of log 2; of products
} tile_score;

typedef struct tile_job {
    int d, n_keys;
    tile_score score;
    const float *qt;              // [d][64]
    const float *k, *v;           // rows of d
    ptrdiff_t k_stride, v_stride; // floats between rows
    ptrdiff_t ahead;              // the row, counted from k and v, from which on
    int n_ahead;                  // so many rows will be wanted next
    const uint64_t *seen;         // [n_keys], bit q: query q sees the key; NULL: all do
    // What positions add to scores: the sum of both, [64] and [n_keys]; NULL: nothing.
    const float *query_bias, *key_bias;
    float *p;                  // [128][64], scratch
    float *ot, *largest, *sum; // [d][64], [64], [64]: the running state
} tile_job;

// The backward tile: rows padded to d_padded features (a multiple of 16, zeros behind d).
typedef struct kernel_tile_gradient {
    int d, d_padded, n_keys;
    tile_score score;
    const float *qt, *gt;   // [d][64]: queries as above, gradients of the output
    const float *q, *g;     // [64][d_padded]
    const float *logsumexp; // [64] in units of log 2; large where the query is not live
    const float *delta;     // [64]
    const float *k, *v;     // [n_keys][d_padded]
    const uint64_t *seen;
    const float *query_bias, *key_bias; // as above
    float *p, *ds;                      // [128][64], scratch
    float *dq;                          // [64][d_padded] +=
    float *dk, *dv;                     // [n_keys][d_padded] +=
} kernel_tile_gradient;

// One query for each of n_heads heads that share keys (grouped-query attention): rows padded to
// d_padded.
typedef struct decode_job {
    int d_padded, n_heads, n_keys;
    int n_rows; // n_keys, and what lies behind them and may be prefetched
    tile_score score;
    const float *q;               // [n_heads][d_padded]; dot: scaled by factor
    const char *k, *v;            // rows of d_padded numbers, float or bfloat16, at any address
    ptrdiff_t k_stride, v_stride; // bytes between rows
    bool bfloat16;
    const float *bias;        // [n_heads][128], added to scores, or NULL
    float *p, *paired;        // [n_heads][128], [n_heads][d_padded], scratch
    float *o, *largest, *sum; // [n_heads][d_padded], [n_heads], [n_heads]: the running state
} decode_job;

// The widest head: its rows have fixed places in working memory.
enum { FV_MAX_HEAD_WIDTH = 4096 };

// No score is below it; a running maximum starts here.
#define FV_NO_SCORE (-3.40282347e38f)

// How far a logsumexp may be from its value before it was rounded to a float, twice, as a share of
// it: backward, scores so close to it are taken for equal.
#define FV_LOGSUMEXP_ERROR 0x1p-22f

#endif
