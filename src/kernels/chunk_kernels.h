// Recurrences whose state is a matrix, over one long sequence: 64 positions at a time as products
// of matrices (the chunked forms of 2405.21060 and 2406.06484).
//
//     S_t  = a_t S_{t-1} + k_t w_t'          a_t = exp(log_decay_t), 0 below 2^-64
//     w_t  = rate_t v_t                      or, by the delta rule,
//     w_t  = rate_t (v_t - a_t S_{t-1}' k_t)
//     y_t  = scale S_t' q_t
//
// With D[t][s] the decay from position s to t, B[t] that from before the chunk to t, and E[s] that
// from s to its end, all W of a chunk solve (1 + L) W = rate (V - B K S) with L = rate D K K'
// below the diagonal (W = rate V without the delta rule), and then
//
//     Y = P W + B Q S,   P = scale D Q K' with the diagonal,   S becomes E[-1] S + (E K)' W
//
// Every decay is a power of a difference of sums, so none grows and none is divided by.
#ifndef KERNELS_CHUNK_KERNELS_H
#define KERNELS_CHUNK_KERNELS_H

#include "kernels/common.h"

#include <stdbool.h>
#include <stddef.h>

enum { FV_CHUNK = 64, FV_CHUNK_WIDEST = 256 };

// Rows of a matrix of `width` columns: a multiple of sixteen, and one cache line more, as rows
// whose distance is a power of two share few sets of the first-level cache. States are [padded
// key][row of values]; what is beside the keys and values is 0.
static inline int chunk_padded(int width) {
    return (width + FV_LANES - 1) / FV_LANES * FV_LANES;
}
static inline int chunk_row(int width) {
    return chunk_padded(width) + FV_LANES;
}
static inline size_t chunk_state(int n_key, int n_value) { // floats
    return (size_t)chunk_padded(n_key) * (size_t)chunk_row(n_value);
}

// Floats of scratch of a gradient; a forward pass needs no more.
enum { FV_CHUNK_KEYS = 5, FV_CHUNK_VALUES = 7, FV_CHUNK_SQUARES = 5, FV_CHUNK_LINES = 10 };
static inline size_t chunk_scratch(int n_key, int n_value) {
    size_t key = (size_t)chunk_row(n_key), value = (size_t)chunk_row(n_value);
    size_t square = FV_CHUNK * (size_t)chunk_row(FV_CHUNK);
    return FV_CHUNK * (FV_CHUNK_KEYS * key + FV_CHUNK_VALUES * value + FV_CHUNK_LINES) +
           FV_CHUNK_SQUARES * square +
           (size_t)chunk_row(FV_CHUNK) * (size_t)(chunk_padded(n_key) + chunk_padded(n_value)) +
           2 * (size_t)chunk_padded(n_value) * key;
}

typedef struct kernel_chunk {
    int n, n_key, n_value; // positions, 1 to FV_CHUNK; both widths 1 to FV_CHUNK_WIDEST
    bool replaces;         // the delta rule
    float scale;
    const float *q, *k, *v;                 // position t at t * key_row, t * value_row
    const float *log_decay, *rate;          // position t at t * head_row, or NULL: 0 and 1
    ptrdiff_t key_row, value_row, head_row; // floats
    float *state;                           // before the chunk and then after it
    float *y;                               // like v, or NULL: the state alone moves on
    int next; // positions to the chunk that follows, whose rows are fetched; or 0
    float *scratch;
} kernel_chunk;

// The gradient; forward.state is the state before the chunk, and stays.
typedef struct kernel_chunk_gradient {
    kernel_chunk forward;
    const float *dy;
    float *dstate;             // of the state after the chunk; then of that before it
    bool adds;                 // dq and dk +=, for heads that share them
    float *dq, *dk, *dv;       // like q, k and v
    float *dlog_decay, *drate; // like log_decay and rate, or NULL
} kernel_chunk_gradient;

#endif
