// The math of the lab, with the sample in the lane.
//
// Sixteen samples travel together: an activation is [G][rows][features][16], G groups of sixteen
// samples, the lane innermost, 64-byte aligned:
//
//     group 0, position 0:  feature 0: s0 s1 ... s15 | feature 1: s0 s1 ... s15 | ...
//              position 1:  ...
//     group 1, position 0:  ...
//
// Every per-sample operation is then a unit-stride vector loop for any vocabulary, width and
// context; weights are broadcast; no shuffles, except where sixteen accumulators are summed over
// their lanes (weight gradients) or sixteen rows of a table are turned into lanes (embeddings).
#ifndef KERNELS_LAB_KERNELS_H
#define KERNELS_LAB_KERNELS_H

#include "kernels/activation_formulas.h"
#include "kernels/common.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A matrix of rows [n][features][16] at equal distance: row r, feature f begins at
// data + r * stride + f * 16. A gradient of the same shape has the same form.
typedef struct kernel_rows {
    real *data;
    ptrdiff_t stride; // reals between rows
} kernel_rows;

// Y = X W + bias, or Y += X W + bias. W is read at w[k * w_in + n * w_out], which covers W (w_in =
// n_out, w_out = 1) and its transpose (w_in = 1, w_out = n_in) alike.
typedef struct kernel_map {
    int n_rows, n_in, n_out;
    kernel_rows x, y;
    const real *w;
    ptrdiff_t w_in, w_out;
    const real *bias; // [n_out] or NULL
    bool accumulate;  // Y += instead of Y =
} kernel_map;

// dW[k * w_in + n * w_out] += sum over rows and lanes of X[k] dY[n].
typedef struct kernel_map_gradient {
    int n_rows, n_in, n_out;
    kernel_rows x, dy;
    real *dw;
    ptrdiff_t w_in, w_out;
} kernel_map_gradient;

// Two maps, one after the other: mid = X W1 and Y = mid W2, or Y += .
typedef struct kernel_chain {
    int n_rows, n_in, n_mid, n_out;
    kernel_rows x, mid, y;
    const real *w1, *w2; // as kernel_map reads them
    ptrdiff_t w1_in, w1_out, w2_in, w2_out;
    bool accumulate;
} kernel_chain;

// Their way back, mid being as it was left and y not touched:
//   dW2 += mid^T dY,  dmid = dY W2^T,  dW1 += X^T dmid,  dX = dmid W1^T, or dX += with `accumulate`
// dmid may be mid.
typedef struct kernel_chain_gradient {
    kernel_chain forward;
    kernel_rows dy, dmid, dx;
    real *dw1, *dw2; // like w1 and w2
    bool accumulate;
} kernel_chain_gradient;

// Logits from distances to the columns of W, which is read as kernel_map reads it:
//   squares[r][n] = floor + sum_k (x[r][k] - W[k][n])^2,   y[r][n] = -factor log(squares[r][n])
typedef struct kernel_distances {
    int n_rows, n_in, n_out;
    kernel_rows x;
    const real *w;
    ptrdiff_t w_in, w_out;
    real factor, floor;     // floor above 0 and normal
    kernel_rows squares, y; // both of n_out features; y may be the same rows
} kernel_distances;

// dx = ..., dw += ... from dy * scale, scale [rows][16] being a factor of each row; dy is overwritten.
typedef struct kernel_distances_gradient {
    kernel_distances forward; // y is not touched
    kernel_rows dy;
    const real *scale;
    kernel_rows dx;
    real *dw;
} kernel_distances_gradient;

// One head of causal attention for G groups:
//
//     P[i][j] = softmax_j(score(q_i, k_j)) over the keys j that i sees;  Z[i] = sum_j P[i][j] v_j
//
// or what another normaliser makes of the scores. Of the keys that a query sees, those that it does not
// keep have weight 0; it must keep one of them, if it sees any. `stretch` holds a number for every query that its
// scores are multiplied by.
//
// Query i sees the keys of its window, first_key[i] <= j < n_keys[i], and those of the n_sinks
// first rows that lie before it: work and memory traffic are proportional to the keys seen. Every
// pointer addresses feature 0 of row 0 of group 0; a group lies group_stride further. q, k, v may
// share memory with each other (k = v = x pools the inputs themselves).
typedef struct kernel_attend_rows {
    real *data;
    ptrdiff_t row_stride, group_stride;
} kernel_attend_rows;

typedef struct kernel_attend {
    int n_groups, n_queries, n_rows_keys; // n_rows_keys = max of n_keys
    int d_key, d_value;                   // d_value 0: only P is wanted
    const int *n_keys;    // [n_queries], not decreasing; a query without keys has z = 0
    const int *first_key; // [n_queries], not decreasing, at most n_keys; NULL: all 0
    int n_sinks;
    kernel_score score;
    real scale, power, floor;
    kernel_normaliser normaliser;
    real alpha;                 // of normalisers that have it, in (1, 2]
    kernel_attend_rows stretch; // [G][n_queries][16]; data NULL: all 1
    const uint16_t *kept; // [G][n_queries][n_rows_keys], bit l: lane l keeps the key; NULL: all do
    kernel_attend_rows q, k, v, z;
    kernel_attend_rows p; // [G][n_queries][n_rows_keys][16]; entries of unseen keys are unspecified
    // Like p: of metric scores d score / d |q - k|^2, with a cap d capped score / d score.
    kernel_attend_rows slopes;
    // What becomes of a score before its stretch and the normaliser, in this order:
    real cap;                     // not 0: cap tanh(score / cap); not of metric scores
    real bias;                    // not 0: less bias (query_at[i] - key_at[j])
    const int *query_at, *key_at; // [n_queries], [n_rows_keys] positions; of bias only
    // What joins the softmax's sum and has no value: a logit, or NULL. With no other normaliser.
    const real *sink;
    real *sink_p; // [G][n_queries][16], its probabilities; of a sink only
} kernel_attend;

// Whether scores pass through once more before the softmax.
static inline bool attend_is_shaped(const kernel_attend *a) {
    return a->cap != 0 || a->bias != 0 || a->sink != NULL;
}

static inline bool attend_sees(const kernel_attend *a, int query, int key) {
    bool within = a->first_key == NULL || key >= a->first_key[query] || key < a->n_sinks;
    return within && key < a->n_keys[query];
}

// Its gradients from dz: dq = ..., dk += ..., dv += ..., or dk = ..., dv = ... with `overwrite`
// (then dk and dv may still be the same rows, which receive the sum of both). P and slopes are as
// attend left them; their unspecified entries are overwritten. `scratch` holds
// [n_queries][n_rows_keys][16]. Of a score with a power also *dlog_power += dL / d log(power), of a
// normaliser with an alpha *dalpha +=, of a sink *dsink +=, unless they are NULL. With a stretch
// dstretch = ..., 0 where the stretch is 0.
typedef struct kernel_attend_gradient {
    kernel_attend forward;
    kernel_attend_rows dz, dq, dk, dv;
    bool overwrite;
    real *scratch;
    real *dlog_power;
    real *dalpha, *dsink;
    kernel_attend_rows dstretch;
} kernel_attend_gradient;

// Keeps the k largest of every row's ranks, lane by lane, the first among equals: bit l of kept[r][u] is
// set where lane l keeps unit u. Ranks are below 2; one below 0 does not stand for choice.
typedef struct kernel_select {
    int n_rows, n_units, k;
    const real *ranks; // [rows][units][16]
    uint16_t *kept;    // [rows][units]
} kernel_select;

// What the scores of a query are multiplied by, 1 + beta L^gamma with beta = log(1 + exp(raw[0])),
// gamma = 3 tanh(raw[1]) and L = log n of the query's row; 1 where L is not above 0. Rows of groups lie
// one after the other, row r having log_n[r % n_rows].
typedef struct kernel_stretch {
    int n_groups, n_rows;
    const real *log_n;   // [rows]
    kernel_rows raw;     // [G * rows][2][16]
    kernel_rows stretch; // [G * rows][1][16]
} kernel_stretch;

// `stretch` holds the gradient of it; draw is overwritten.
typedef struct kernel_stretch_gradient {
    kernel_stretch forward;
    kernel_rows draw;
} kernel_stretch_gradient;

// Turns pairs of features by the angle of their row, in place: every head of a row has n_pairs of
// them, pair m at the features m * step and m * step + apart of the head:
//
//     (a, b) -> (a cos - b sin, a sin + b cos);  with `back` by the negative angle
//
// Cosines and sines may have a common factor. Features of no pair stay as they are.
typedef struct kernel_rotate {
    int n_groups, n_rows, n_heads, n_pairs;
    int head_width, step, apart;
    real *x;                     // [G][n_rows][n_heads * head_width][16]
    const real *cosines, *sines; // [n_rows][n_pairs]
    bool back;
} kernel_rotate;

// y = x / (1 + exp(-g)): each gate multiplies `width` features.
typedef struct kernel_sigmoid_gate {
    size_t n_gates; // in all rows
    int width;
    const real *g; // [n_gates][16]
    const real *x; // [n_gates][width][16]
    real *y;       // like x, and may be x
} kernel_sigmoid_gate;

// dg and dx = ..., dx may be dy; y is not touched, and x is as it was before it.
typedef struct kernel_sigmoid_gate_gradient {
    kernel_sigmoid_gate forward;
    const real *dy;
    real *dg, *dx;
} kernel_sigmoid_gate_gradient;

// Token embedding plus positions: x[g][t][f] = table[tokens[g][t]][f] + positions[t][f].
typedef struct kernel_embed {
    int n_groups, n_rows, n_embd, vocab_size;
    const int32_t *tokens; // [G][rows][16], group_stride apart
    ptrdiff_t tokens_group_stride;
    const real *table;     // [V][d]
    const real *positions; // [rows][d] or NULL
    real *x;               // [G][rows][d][16]
} kernel_embed;

// dtable[token] += dx, dpositions[t] += dx summed over groups and lanes (NULL: not wanted).
typedef struct kernel_embed_gradient {
    kernel_embed forward; // x holds dx
    real *dtable, *dpositions;
} kernel_embed_gradient;

// Softmax cross-entropy of logits [rows][V][16] at the targets [rows][16] (-1: no target).
//   losses[r]  = log sum_n exp(logits[n]) - logits[target]; 0 without target
//   correct[r] = 1 where the target's logit is the largest (first among equals), else 0;
//                `correct` may be NULL
// With `inverse` not NULL the logits are overwritten by the unscaled gradient e_n - [n = target] s
// and inverse[r] = weight / s, where e_n = exp(logit_n - max), s = sum e_n. Without target inverse
// is 0 and the gradient is finite. dlogits = gradient * inverse: whoever uses it scales once
// instead of V times.
typedef struct kernel_cross_entropy {
    int n_rows, vocab_size;
    real *logits;
    const int32_t *targets; // [rows][16]
    real weight;
    real *losses;  // [rows][16]
    real *correct; // [rows][16] or NULL
    real *inverse; // [rows][16] or NULL
} kernel_cross_entropy;

// Logits, their cross-entropy, and with dw the way back, as a map, a cross-entropy and the map's
// gradients would compute them one after the other (parts.h):
//   logits = X W,  dW[k * w_in + n * w_out] += sum over rows and lanes of X[k] dlogits[n],
//   dx = dlogits W^T
// X and dx share no memory. What is left in the scratch has no meaning.
typedef struct kernel_readout {
    int n_rows, n_in, n_out;
    kernel_rows x;
    const real *w; // as kernel_map reads it
    ptrdiff_t w_in, w_out;
    const int32_t *targets; // these four as of kernel_cross_entropy
    real weight;
    real *losses, *correct;
    real *dw;      // NULL: forward only
    real *dx;      // [rows][n_in][16]
    real *logits;  // scratch [rows][n_out][16]
    real *inverse; // scratch [rows][16] and [rows][n_in][16], of the way back
    real *scaled;
} kernel_readout;

// Layer norm (center) or RMS norm over features:
//   y = (x - mean) * rstd * w + b,  rstd = 1 / sqrt(variance + 1e-5)   (RMS: mean 0, no b)
typedef struct kernel_norm {
    int n_rows, n_features;
    bool center;
    const real *w, *b; // b is NULL for RMS
    kernel_rows x, y;
    real *mean, *rstd; // [rows][16], kept for the gradient; mean is not touched for RMS
} kernel_norm;

typedef struct kernel_norm_gradient {
    kernel_norm forward;
    kernel_rows dy, dx; // dx is overwritten
    real *dw, *db;      // += ; db is NULL for RMS
} kernel_norm_gradient;

// Causal depthwise convolution and SiLU, x / (1 + exp(-x)), over G groups of n_rows positions:
//   y[t][f] = silu(b[f] + sum_k w[f][k] x[t - width + 1 + k][f]), x before position 0 being 0
typedef struct kernel_conv {
    int n_groups, n_rows, n_features, width; // width at most FV_CONV_MAX_WIDTH
    bool plain;                              // without SiLU
    const real *x;                           // [G][rows][features][16]
    const real *w, *b;                       // [features][width], [features] or NULL
    real *y;                                 // like x
} kernel_conv;

enum { FV_CONV_MAX_WIDTH = 16, FV_SCAN_MAX_STATE = 256 };

// dy is overwritten by the gradient before SiLU.
typedef struct kernel_conv_gradient {
    kernel_conv forward; // y is not touched
    real *dy, *dx;       // like x; dx is overwritten
    real *dw, *db;       // +=
} kernel_conv_gradient;

// Selective scan of G groups: of every channel f, with a state h [N] that begins at 0,
//
//     delta_t = log(1 + exp(raw_t + bias))
//     h_t[n]  = exp(delta_t a[n]) h_{t-1}[n] + delta_t u_t b_t[n]
//     sum_o   = sum_n h_t[n] c_o[n] + skip u_t,   y_o = sum_o silu(z_o),   t = rows[o]
//
// The outputs are asked for at some rows only. All arrays but a, bias and skip are lanes.
typedef struct kernel_scan {
    int n_groups, n_rows, n_outputs, n_channels, n_state; // n_state at most FV_SCAN_MAX_STATE
    const int *rows;                                      // [outputs], increasing
    const real *a, *skip, *bias;                          // [channels][N], [channels], [channels]
    const real *u, *raw;                                  // [G][rows][channels][16]
    kernel_rows b;                                        // G * rows rows of N
    const real *c;                                        // [G][outputs][N][16]
    const real *z;                                        // [G][outputs][channels][16]
    real *delta;                                          // like u
    real *sum, *y;                                        // like z
} kernel_scan;

// Its gradients from dy; delta and sum are as scan left them. du, draw, dz, db and dc are
// overwritten; da, dskip += . (dbias is the sum of draw over rows and lanes.)
enum { FV_SCAN_SCRATCH = 16 }; // rows [16] of scratch for every position
typedef struct kernel_scan_gradient {
    kernel_scan forward;
    const real *dy;
    real *du, *draw, *dz;
    kernel_rows db;
    real *dc, *da, *dskip;
    real *scratch; // [rows][FV_SCAN_SCRATCH][16]
} kernel_scan_gradient;

// y = f(x) u over n reals, a multiple of 16: the hidden features of a gated layer.
typedef struct kernel_gate {
    kernel_activation kind;
    size_t n;
    const real *x, *u;
    real *y;
} kernel_gate;

// dx = dy u f'(x), du = dy f(x); y is not touched.
typedef struct kernel_gate_gradient {
    kernel_gate forward;
    const real *dy;
    real *dx, *du; // not x, u or dy
} kernel_gate_gradient;

// One Adam update over n parameters (Kingma & Ba; decoupled weight decay = Loshchilov & Hutter):
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   p = p - decay p - rate m / (sqrt(v) * root_correction + epsilon)
// rate holds learning_rate / (1 - b1^t), root_correction 1 / sqrt(1 - b2^t), decay learning_rate
// times weight decay (0 for Adam). The shares 1 - b are taken before they are rounded: that of a
// rounded b2 of 0.999 would be off by 1.3e-5, and the correction would not fit it.
//
// m and p are 0 below FV_LEAST, v below FV_LEAST_SQUARE. Gradients are 0 below least_gradient,
// whose square alone makes that v: what moves m also moves v.
typedef struct kernel_adam {
    size_t n;
    real *params, *m, *v;
    const real *gradient;
    const real *rate_scale; // [n] factors of rate and decay, or NULL
    real share1, share2;    // 1 - b1, 1 - b2
    real least_gradient;    // sqrt(FV_LEAST_SQUARE / share2)
    real rate, root_correction, epsilon, decay;
} kernel_adam;

// Uniform tokens on [0, vocab_size), tokens[g][t][lane], of samples first_sample, first_sample + 1,
// ... : word t % 4 of the Philox block (sample, t / 4, step, stream), scaled by multiplication.
typedef struct kernel_draw {
    uint64_t seed;
    uint32_t stream, step, first_sample;
    int n_groups, n_rows;
    uint32_t vocab_size;
    int32_t *tokens;
} kernel_draw;

#endif
