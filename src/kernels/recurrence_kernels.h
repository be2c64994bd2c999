// Recurrences whose state is a matrix (linear attention and what came after it), sixteen samples in the
// lanes, and the small operations around them. Rows are positions of groups: row g * n_rows + t.
#ifndef KERNELS_RECURRENCE_KERNELS_H
#define KERNELS_RECURRENCE_KERNELS_H

#include "kernels/lab_kernels.h"

// Of every head, with a state S [K][V] that begins at 0,
//
//     S   = diag(decay_t) S
//     S  += k_t rate_t (v_t - S' k_t)     replaces: the delta rule takes out what is held for k_t
//     S  += k_t rate_t v_t                otherwise
//     y_o = scale S' q_o + skip v_t,      t = rows[o]
//
// The outputs are asked for at some rows only. S is taken column by column of V: they do not meet.
enum { FV_RECURRENCE_MAX_KEY = 256 };

typedef struct kernel_recurrence {
    int n_groups, n_rows, n_outputs, n_heads, n_key, n_value;
    const int *rows;   // [outputs], increasing
    bool replaces;     // the delta rule
    bool shared;       // one q and one k for all heads
    int n_decay;       // numbers of decay a head: none, 1 for the whole state, or K
    real scale;        // of what the state gives
    const real *skip;  // [H], or NULL
    kernel_rows q;     // G * outputs rows of [H][K], or of [K] where they are shared
    kernel_rows k;     // G * rows rows of the same
    kernel_rows v;     // G * rows rows of [H][V]
    kernel_rows decay; // G * rows rows of [H][n_decay], from 0 to 1
    kernel_rows rate;  // G * rows rows of [H]; without data 1
    kernel_rows y;     // G * outputs rows of [H][V]
} kernel_recurrence;

// Columns of the state that go together; reals of scratch for every position and number of a key, and
// one number more.
enum { FV_RECURRENCE_COLUMNS = 4, FV_RECURRENCE_SCRATCH = FV_RECURRENCE_COLUMNS * FV_LANES };

// All gradients are overwritten, but for dskip +=. ddecay and drate have no data where the forward
// kernel's have none; y is not touched.
typedef struct kernel_recurrence_gradient {
    kernel_recurrence forward;
    kernel_rows dy, dq, dk, dv, ddecay, drate;
    real *dskip;   // [H], or NULL
    real *scratch; // [rows][K + 1][FV_RECURRENCE_SCRATCH]
} kernel_recurrence_gradient;

// One head of one sequence at one position, columns in the lanes: the state moves on, and where q is not
// NULL y = S' q. All rows of columns begin on whole vectors; columns beside the values are 0.
typedef struct kernel_state_step {
    int n_key, n_columns; // a multiple of 16
    bool replaces;
    int n_decay; // 0, 1 or n_key
    float rate;
    const float *decay; // [n_decay]
    const float *q, *k; // [K]
    const float *v;     // [columns]
    float *state;       // [K][columns]
    float *y;           // [columns]
    float *room;        // [2][columns], where the state comes from memory; NULL: from caches
} kernel_state_step;

// Time steps and decays: step = softplus(x + bias), or of -x + bias; decay = exp(factor step).
typedef struct kernel_decay {
    int n_rows, n_features;
    bool negative;
    const real *factor; // [features], below 0
    const real *bias;   // [features], or NULL
    kernel_rows x, step, decay;
} kernel_decay;

// dx is overwritten, dfactor and dbias += where they are not NULL.
typedef struct kernel_decay_gradient {
    kernel_decay forward;
    kernel_rows dstep; // no data: nothing reads the steps
    kernel_rows ddecay, dx;
    real *dfactor, *dbias;
} kernel_decay_gradient;

// y[r][f] = x[r][f] / (x[r][n] + FV_RATIO_LEAST): what the last feature of a row counts.
#define FV_RATIO_LEAST 1e-6f

typedef struct kernel_ratio {
    int n_rows, n_features; // of y; x has one more
    kernel_rows x, y;
} kernel_ratio;

typedef struct kernel_ratio_gradient {
    kernel_ratio forward; // y as it was left
    kernel_rows dy, dx;   // dx is overwritten
} kernel_ratio_gradient;

#endif
