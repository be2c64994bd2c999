// What mixes the positions of a sequence in one layer, with the linear maps around it: attention
// (W_Q, W_K, W_V, W_O), or a Mamba block (in-projection, convolution, selective scan, gate,
// out-projection). Neither norm, residual nor MLP: what differs between layers, and nothing else.
//
// A sequence goes in piece by piece, on the calling thread, in memory that does not depend on the
// length of the pieces: a prompt at once, then token by token. Between pieces attention keeps the
// keys and values that its mask can still ask for, Mamba a state of fixed size.
#ifndef FOVEA_MIXER_H
#define FOVEA_MIXER_H

#include <fovea/attention.h>
#include <fovea/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fv_mixer_kind { FV_MIXER_ATTENTION, FV_MIXER_MAMBA } fv_mixer_kind;

// X(name, rows, columns) with d = d_model, E = expand d, N = n_state, R = dt_rank. Vectors stand on
// the left: y = x W. Heads are consecutive columns of W_Q, W_K, W_V and rows of W_O.
#define FV_MIXER_WEIGHT_LIST(X)                                                                    \
    X(W_Q, d, d)                                                                                   \
    X(W_K, d, d)                                                                                   \
    X(W_V, d, d)                                                                                   \
    X(W_O, d, d)                                                                                   \
    X(IN_U, d, E)          /* in-projection to the convolution ... */                              \
    X(IN_Z, d, E)          /* ... and to the gate */                                               \
    X(CONV, E, conv_width) /* the last column weighs the position itself */                        \
    X(CONV_BIAS, 1, E)                                                                             \
    X(TO_STEP, E, R)                                                                               \
    X(TO_B, E, N)                                                                                  \
    X(TO_C, E, N)                                                                                  \
    X(STEP, R, E)                                                                                  \
    X(STEP_BIAS, 1, E)                                                                             \
    X(A, E, N) /* negative */                                                                      \
    X(D, 1, E)                                                                                     \
    X(OUT, E, d)
#define FV_MIXER_WEIGHT(name, rows, columns) FV_MIXER_##name,
typedef enum fv_mixer_weight {
    FV_MIXER_WEIGHT_LIST(FV_MIXER_WEIGHT) FV_MIXER_N_WEIGHTS
} fv_mixer_weight;
#undef FV_MIXER_WEIGHT

typedef struct fv_mixer_config {
    fv_mixer_kind kind;
    int64_t n; // positions that a sequence may have
    int64_t d_model;
    int64_t n_head;         // divides d_model
    fv_attention_mask mask; // causal; no bitmap
    int64_t expand, n_state, conv_width;
    int64_t dt_rank; // 0: d_model / 16, rounded up
    // [rows][columns]; those that are NULL are drawn as a new layer's are. Copied.
    const float *weights[FV_MIXER_N_WEIGHTS];
    uint64_t seed; // of those drawn
} fv_mixer_config;

// Causal attention of one head and d_model = 64 over one position; of Mamba expand 2, a state of 16
// and a convolution of 4: set what differs.
FV_API void fv_mixer_config_init(fv_mixer_config *config);

// A layer and the sequence that it has seen so far. One call at a time may use it.
typedef struct fv_mixer fv_mixer;

// FV_USAGE with a sentence for sizes below 1, heads that do not divide, a mask that is not causal
// or that attention refuses, and sizes that overflow.
FV_API fv_status fv_mixer_create(const fv_mixer_config *config, fv_mixer **out, fv_error *error);
FV_API void fv_mixer_free(fv_mixer *mixer);

// The sequence's next `count` positions: x and y [count][d_model]. FV_USAGE beyond config.n.
FV_API fv_status fv_mixer_forward(fv_mixer *mixer, int64_t count, const float *x, float *y,
                                  fv_error *error);

// Forgets the sequence's positions from `n_seen` on. FV_USAGE where they cannot be forgotten: a
// state goes back to 0 only, and a window has dropped the keys before it.
FV_API fv_status fv_mixer_rewind(fv_mixer *mixer, int64_t n_seen, fv_error *error);

// Bytes that the layer holds, by purpose; x and y are the caller's.
typedef struct fv_mixer_memory {
    size_t weights;
    size_t kept; // keys and values, or state and the convolution's past: what the next token needs
    size_t working; // a forward pass beside that
} fv_mixer_memory;
FV_API fv_mixer_memory fv_mixer_bytes(const fv_mixer *mixer);

#ifdef __cplusplus
}
#endif
#endif
