// Attention over long sequences: exact, tiled, with memory proportional to the sequence.
//
//     p_ij = softmax over the visible keys j of score(q_i, k_j);    o_i = sum_j p_ij v_j
//
// A mask says which keys a query sees. It is described, never stored as a matrix. Work goes by
// tiles of 64 neighbouring queries and up to 128 keys: one that the mask excludes as a whole is not
// computed, so that time is proportional to the pairs that remain. A query that sees no key has
// o = 0 and a logsumexp of -infinity.
//
// In a tile that the mask cuts, a key has the weight 0 for a query that does not see it, and this
// still multiplies the key's row of v and, in the gradients, the rows of k, q and d_o: a NaN or
// infinity there comes across. What a query does not see must therefore be finite (zeros, as
// padding) where one of its 63 neighbours sees it or other keys of the same tile: up to 63
// positions behind a causal query, and as many before the first key of a window. Decoding reads the
// visible rows alone.
//
// A query or key that is not a number leaves none in the outputs that meet it. With the harmonic
// score neither does infinity, or a squared distance that overflows; with the others a score of
// -infinity is a weight of 0.
//
// Results are the same bits for any number of threads, and on AVX2, AVX-512 and NEON.
//
// The online softmax over tiles and the gradients from its logsumexp are those of FlashAttention-2
// (arXiv 2307.08691); what lies in a vector's lanes, and how masks are cut into dense tiles, are
// not. `logsumexp` is the logsumexp of a query's scores.
#ifndef FOVEA_ATTENTION_H
#define FOVEA_ATTENTION_H

#include <fovea/score.h>
#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Which keys the query at position i sees. The parts that are given (not 0 or NULL) are united: a
// key is visible if any of them shows it. Without any part every key is. `causal` then takes away
// the keys behind the query, j > i. Sliding window with sinks, Longformer (window, dilation,
// globals), BigBird (window, globals, random blocks) and strided patterns are unions of these.
typedef struct fv_attention_mask {
    bool causal;
    int64_t window;         // |i - j| < window; with causal that is the last `window` keys
    int64_t sinks;          // the first `sinks` keys
    int64_t stride;         // i - j is a multiple of stride (dilation) ...
    int64_t stride_window;  // ... and |i - j| < stride * stride_window; 0: at any distance
    const int64_t *globals; // positions that see every key and that every query sees, ascending
    int64_t n_globals;

    // Blocks of positions: block row i / block, block column j / block.
    int64_t block;         // positions in a block; 0 means 64
    int64_t random_blocks; // this many different blocks drawn for each block row, uniformly from
                           // all, or from those not behind it with causal
    uint64_t random_seed;
    const uint8_t *bitmap; // [block rows][(block columns + 7) / 8]: bit c % 8 of byte c / 8 shows
                           // block column c (numpy.packbits(..., axis=1, bitorder="little"))
    size_t bitmap_bytes; // block rows (of positions below first_query + n_query) times bytes a row

    // A bitmap for each batch and head of keys, in place of one for all: none of it shows anything
    // until fv_attention_select has chosen `selected` blocks for every block row, or
    // fv_attention_set_selection says which. 0: there is no such part.
    int64_t selected;
} fv_attention_mask;

typedef enum fv_attention_layout {
    FV_HEADS_FIRST,     // [batch][head][position][d_head]
    FV_POSITIONS_FIRST, // [batch][position][head][d_head]
} fv_attention_layout;

typedef enum fv_number_type {
    FV_FLOAT32,
    FV_BFLOAT16, // the upper half of a float
} fv_number_type;

typedef struct fv_attention_config {
    int64_t n_batch, n_head;
    int64_t n_kv_head; // divides n_head; n_head / n_kv_head heads of queries share a head of keys
    int64_t n_query, n_key;
    int64_t d_head;      // 4096 at most
    int64_t first_query; // position of query 0; key j is at position j
    fv_attention_layout layout;
    fv_number_type kv_type; // of k and v; everything else is float
    int score;              // FV_SCORE_DOT, ... (parts/<name>.score.h), as in the lab:
                            //   scale q.k,  -scale |q - k|^2,  -power / 2 log(|q - k|^2 + floor)
    double scale;           // 0 means 1 / sqrt(d_head) for scores of q.k and 1 for those of |q - k|
    double power, floor;    // of scores that have them: above 0, and 1e-30 or more
    double soft_cap;        // not 0: a score s becomes soft_cap tanh(s / soft_cap); of q.k only
    const double *slopes;   // [n_head], copied, or NULL: then less slope (i - j) (ALiBi)
    fv_attention_mask mask;
    int n_threads; // 0 means all cores that the process may use
} fv_attention_config;

// One causal head of n = 1 and d_head = 64: set what differs.
FV_API void fv_attention_config_init(fv_attention_config *config);

// A checked description with its mask prepared and its working memory allocated. The mask's arrays
// are copied. One call at a time may use it.
typedef struct fv_attention fv_attention;

// FV_USAGE with a sentence for sizes below 1, heads that do not divide, a negative window, a bitmap
// of the wrong size, globals outside the sequence, and sizes that overflow; FV_NO_MEMORY.
FV_API fv_status fv_attention_create(const fv_attention_config *config, fv_attention **out,
                                     fv_error *error);
FV_API void fv_attention_free(fv_attention *attention);

// q and o hold [n_batch][n_head][n_query][d_head], k and v [n_batch][n_kv_head][n_key][d_head], in
// the order of the layout; no pointer needs any alignment. `logsumexp` [n_batch][n_head][n_query]
// receives log sum_j exp(score_ij), which the gradients need; it may be NULL. o is overwritten.
// Fails only without logsumexp, with FV_NO_MEMORY for an array of its size.
FV_API fv_status fv_attention_forward(fv_attention *attention, const float *q, const void *k,
                                      const void *v, float *o, float *logsumexp, fv_error *error);

// The gradients from d_o, given what forward left in o and logsumexp. Probabilities are computed
// again tile by tile. dq is like q; dk and dv are like k and v but float; all are overwritten.
// FV_USAGE without logsumexp, FV_NO_MEMORY for an array of its size.
FV_API fv_status fv_attention_backward(fv_attention *attention, const float *q, const void *k,
                                       const void *v, const float *o, const float *logsumexp,
                                       const float *d_o, float *dq, float *dk, float *dv,
                                       fv_error *error);

// Chooses blocks of keys: for every block row and head of keys the mask's `selected` block columns of
// the largest score of means, that of the queries (of all heads that share the keys) and that of the
// keys; the first among equals. Scores are products, or negative distances. The row's own column is
// always one of them, and with causal none lies behind it, so that early rows have fewer. q and k are
// as in forward. Costs a pass over q and k and one score for each pair of blocks. FV_USAGE without
// `selected`, FV_NO_MEMORY for the means.
FV_API fv_status fv_attention_select(fv_attention *attention, const float *q, const void *k,
                                     fv_error *error);

// Says which blocks are selected: as many as one likes, [n_batch][n_kv_head][block rows][bytes a row]
// as in the mask's bitmap. It is copied. FV_USAGE for another number of bytes, without `selected`.
FV_API fv_status fv_attention_set_selection(fv_attention *attention, const uint8_t *bitmap,
                                            size_t bytes, fv_error *error);

// The same array as it is now, the plan's own; NULL and 0 bytes without `selected`.
FV_API const uint8_t *fv_attention_selection(const fv_attention *attention, size_t *bytes);

// One new query for each batch and head against a cache: k and v hold n_key rows, of which the
// first n_cached are filled; q and o hold [n_batch][n_head][d_head]. The query's position is
// n_cached - 1, the mask is that of the whole sequence. Reads each visible key and value once.
// FV_USAGE for n_cached below 1, above n_key or above first_query + n_query, and with a selection,
// which is of whole sequences; FV_NO_MEMORY for a list of the visible tiles.
FV_API fv_status fv_attention_decode(fv_attention *attention, int64_t n_cached, const float *q,
                                     const void *k, const void *v, float *o, fv_error *error);

// The pairs of query and key that the mask leaves, of one head (their mean over heads where each has a
// selection): a forward pass needs 4 d_head
// operations for each, a backward pass 10 d_head. -1 without memory for the count.
FV_API double fv_attention_pairs(const fv_attention *attention);

// What was computed since the plan was made: pairs, and pairs of tiles of 64 queries x 128 keys.
typedef struct fv_attention_work {
    int64_t pairs, tiles;
} fv_attention_work;
FV_API fv_attention_work fv_attention_worked(const fv_attention *attention);

#ifdef __cplusplus
}
#endif
#endif
