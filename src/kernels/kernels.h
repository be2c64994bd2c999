// Every kernel, once. Jobs and what becomes of them are described where they are declared:
//
//   lab_kernels.h    the lab, sixteen samples in the lanes
//   recurrence_kernels.h  recurrences whose state is a matrix, in the lab
//   tile_kernels.h   attention over one long sequence, queries in the lanes; decoding
//   chunk_kernels.h  recurrences whose state is a matrix over one long sequence, in chunks
//   scan_kernels.h   the selective scan over one long sequence, channels in the lanes
//
// All variants but the reference share their bodies (body*.h), built once per instruction set.
// AVX2, AVX-512 and NEON give bit-identical results: same operations, same order, every
// multiply-add fused.
// Kernels only compute: arguments are checked above, nothing is allocated. Builds with assertions
// check them once more at every call (contracts.h).
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "kernels/chunk_kernels.h"
#include "kernels/lab_kernels.h"
#include "kernels/recurrence_kernels.h"
#include "kernels/scan_kernels.h"
#include "kernels/tile_kernels.h"

#include <fovea/arithmetic.h>

// X(variant, result, name, parameters, arguments): `variant` is handed through. A kernel is one
// line here, one function `KERNEL(name)` in the reference and one in a body, and one that says what
// its arguments must be (contracts.h); whoever leaves one out does not link.
#define FV_LAB_KERNEL_LIST(X, variant)                                                             \
    X(variant, void, draw, (const kernel_draw *job), (job))                                        \
    X(variant, void, embed, (const kernel_embed *job), (job))                                      \
    X(variant, void, embed_gradient, (const kernel_embed_gradient *job), (job))                    \
    X(variant, void, map, (const kernel_map *job), (job))                                          \
    X(variant, void, map_gradient, (const kernel_map_gradient *job), (job))                        \
    X(variant, void, chain, (const kernel_chain *job), (job))                                      \
    X(variant, void, chain_gradient, (const kernel_chain_gradient *job), (job))                    \
    X(variant, void, distances, (const kernel_distances *job), (job))                              \
    X(variant, void, distances_gradient, (const kernel_distances_gradient *job), (job))            \
    /* db[n] += sum over rows and lanes of dy[n] */                                                \
    X(variant, void, bias_gradient, (int n_rows, int n_out, kernel_rows dy, real *db),             \
      (n_rows, n_out, dy, db))                                                                     \
    X(variant, void, attend, (const kernel_attend *job), (job))                                    \
    X(variant, void, attend_gradient, (const kernel_attend_gradient *job), (job))                  \
    X(variant, void, select, (const kernel_select *job), (job))                                    \
    X(variant, void, stretch, (const kernel_stretch *job), (job))                                  \
    X(variant, void, stretch_gradient, (const kernel_stretch_gradient *job), (job))                \
    X(variant, void, rotate, (const kernel_rotate *job), (job))                                    \
    X(variant, void, sigmoid_gate, (const kernel_sigmoid_gate *job), (job))                        \
    X(variant, void, sigmoid_gate_gradient, (const kernel_sigmoid_gate_gradient *job), (job))      \
    X(variant, void, cross_entropy, (const kernel_cross_entropy *job), (job))                      \
    X(variant, void, readout, (const kernel_readout *job), (job))                                  \
    X(variant, void, norm, (const kernel_norm *job), (job))                                        \
    X(variant, void, norm_gradient, (const kernel_norm_gradient *job), (job))                      \
    /* y = f(x) elementwise over n reals, a multiple of 16, and dx = dy f'(x) */                   \
    X(variant, void, activate, (kernel_activation kind, size_t n, const real *x, real *y),         \
      (kind, n, x, y))                                                                             \
    X(variant, void, activate_gradient,                                                            \
      (kernel_activation kind, size_t n, const real *x, const real *dy, real *dx),                 \
      (kind, n, x, dy, dx))                                                                        \
    X(variant, void, gate, (const kernel_gate *job), (job))                                        \
    X(variant, void, gate_gradient, (const kernel_gate_gradient *job), (job))                      \
    /* y[r][f] = x[r][f] * scale[r] for rows of n_features */                                      \
    X(variant, void, scale_rows,                                                                   \
      (int n_rows, int n_features, kernel_rows x, const real *scale, kernel_rows y),               \
      (n_rows, n_features, x, scale, y))                                                           \
    X(variant, void, adam, (const kernel_adam *job), (job))                                        \
    /* n multiple of 16; exp: at most 2 ulp on [-87, 88]; log: x > 0 and normal */                 \
    X(variant, void, exp_array, (size_t n, const real *x, real *y), (n, x, y))                     \
    X(variant, void, log_array, (size_t n, const real *x, real *y), (n, x, y))                     \
    /* Independent multiply-adds and exponentials for measuring the core's limits; both return */  \
    /* what they computed so that no compiler can drop it. */                                      \
    X(variant, double, peak_fma, (long n, double *flops), (n, flops))                              \
    X(variant, double, peak_exp, (long n, double *exps), (n, exps))                                \
    X(variant, void, conv, (const kernel_conv *job), (job))                                        \
    X(variant, void, conv_gradient, (const kernel_conv_gradient *job), (job))                      \
    X(variant, void, scan, (const kernel_scan *job), (job))                                        \
    X(variant, void, scan_gradient, (const kernel_scan_gradient *job), (job))                      \
    X(variant, void, recurrence, (const kernel_recurrence *job), (job))                            \
    X(variant, void, recurrence_gradient, (const kernel_recurrence_gradient *job), (job))          \
    X(variant, void, decay, (const kernel_decay *job), (job))                                      \
    X(variant, void, decay_gradient, (const kernel_decay_gradient *job), (job))                    \
    X(variant, void, ratio, (const kernel_ratio *job), (job))                                      \
    X(variant, void, ratio_gradient, (const kernel_ratio_gradient *job), (job))

#define FV_LONG_KERNEL_LIST(X, variant)                                                            \
    /* columns[f][q] = factor * rows[q][f] for 64 rows of n features, a multiple of 16 */          \
    X(variant, void, to_columns, (int n, const float *rows, float factor, float *columns),         \
      (n, rows, factor, columns))                                                                  \
    /* rows[q][f] = columns[f][q] * factors[q] */                                                  \
    X(variant, void, to_rows, (int n, const float *columns, const float *factors, float *rows),    \
      (n, columns, factors, rows))                                                                 \
    X(variant, void, tile, (const tile_job *job), (job))                                           \
    X(variant, void, tile_gradient, (const kernel_tile_gradient *job), (job))                      \
    X(variant, void, decode, (const decode_job *job), (job))                                       \
    X(variant, void, state_step, (const kernel_state_step *job), (job))                            \
    /* Scans a chunk. With `correction` the drive is taken for zero and y += : what the state */   \
    /* before the chunk adds to outputs that were computed without it. */                          \
    X(variant, void, long_scan, (const kernel_scan_chunk *job), (job))                             \
    X(variant, void, long_scan_gradient, (const scan_chunk_gradient *job), (job))                  \
    X(variant, void, chunk, (const kernel_chunk *job), (job))                                      \
    X(variant, void, chunk_gradient, (const kernel_chunk_gradient *job), (job))

// Only the lab is built in double precision (base/real.h).
#ifdef FOVEA_DOUBLE
#define FV_KERNEL_LIST(X, variant) FV_LAB_KERNEL_LIST(X, variant)
#else
#define FV_KERNEL_LIST(X, variant) FV_LAB_KERNEL_LIST(X, variant) FV_LONG_KERNEL_LIST(X, variant)
#endif

typedef struct kernel_set {
    const char *name;
    fv_arithmetic arithmetic; // tables of one kind give the same bits
#define FV_KERNEL_MEMBER(variant, result, name, parameters, arguments) result(*name) parameters;
    FV_KERNEL_LIST(FV_KERNEL_MEMBER, )
#undef FV_KERNEL_MEMBER
} kernel_set;

// The chosen variant; picked at the first call from FOVEA_CPU and the CPU.
const kernel_set *kernels_get(void);

// All variants this build has and this CPU runs, slowest (reference) first; NULL-terminated.
const kernel_set *const *kernels_available(void);

// The variant of that name, or NULL where this build or CPU has none.
const kernel_set *kernels_named(const char *name);

#endif
