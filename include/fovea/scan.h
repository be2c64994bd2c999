// The selective scan of Mamba over long sequences: memory proportional to the sequence, a state of
// fixed size from one call to the next.
//
//     step_t  = log(1 + exp(delta_t + bias))               or delta_t + bias without softplus
//     h_t[s]  = exp(step_t A[s]) h_{t-1}[s] + step_t u_t B_t[s]        of every channel
//     y_t     = (sum_s h_t[s] C_t[s] + D u_t) silu(z_t)
//
// The semantics of selective_scan_ref (Gu & Dao, 2023): B by Euler's rule, B and C shared by all
// channels. All arrays are float, row-major, and need no alignment. Results are the same bits for
// any number of threads, and on AVX2, AVX-512 and NEON.
#ifndef FOVEA_SCAN_H
#define FOVEA_SCAN_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_selective_scan_config {
    int64_t n_batch, n, n_channels; // n: positions
    int64_t n_state;                // numbers in a channel's state, at most 256
    bool softplus;
    int64_t chunk;    // positions between the states that are kept for the gradient; 0 means 32
    int64_t segments; // the sequence is cut into so many, scanned side by side and then joined;
                      // 0: one, or up to 8 of 2048 positions or more where channels alone are too
                      // few to share out. Results of other numbers differ by rounding.
    int n_threads;    // 0 means all cores that the process may use
} fv_selective_scan_config;

// One sequence of one position and channel, a state of 16, softplus: set what differs.
FV_API void fv_selective_scan_config_init(fv_selective_scan_config *config);

// A checked description with its working memory. One call at a time may use it.
typedef struct fv_selective_scan fv_selective_scan;

// FV_USAGE with a sentence for sizes below 1, a state above 256 and sizes that overflow.
FV_API fv_status fv_selective_scan_create(const fv_selective_scan_config *config,
                                          fv_selective_scan **out, fv_error *error);
FV_API void fv_selective_scan_free(fv_selective_scan *scan);

// Bytes that the object holds. The first call that needs them adds, for every sequence and every
// 128 channels (fewer count as 128), so many floats:
//
//     forward with `keep`   128 n_state ceil(n / chunk)       the states
//     backward              2 n n_state                       parts of dB and dC
//                           + 128 n_state + 256, rounded up   parts of dA, dD and dbias
//                             to a multiple of 16
//
// A longer chunk saves states only: at 32 the parts of dB and dC take half as much as they do.
FV_API size_t fv_selective_scan_bytes(const fv_selective_scan *scan);

typedef struct fv_selective_scan_input {
    const float *u, *delta; // [batch][n][channels]
    const float *A;         // [channels][state], negative
    const float *B, *C;     // [batch][n][state]
    const float *D;         // [channels], or NULL for 0
    const float *bias;      // [channels], or NULL for 0
    const float *z;         // [batch][n][channels], or NULL for no gate
    const float *initial;   // [batch][state][channels], h before position 0, or NULL for 0
} fv_selective_scan_input;

// Writes y [batch][n][channels]; the last state to `final` [batch][state][channels] unless NULL
// (it may be the same memory as input->initial). With `keep` the object keeps the states that the
// gradient starts from, one every `chunk` positions. FV_NO_MEMORY for these.
FV_API fv_status fv_selective_scan_forward(fv_selective_scan *scan,
                                           const fv_selective_scan_input *input, float *y,
                                           float *final, bool keep, fv_error *error);

// All overwritten; the shapes of what they are the gradients of. dD, dbias and dz may be NULL.
typedef struct fv_selective_scan_gradient {
    float *du, *ddelta, *dA, *dB, *dC, *dD, *dbias, *dz;
} fv_selective_scan_gradient;

// The gradients from dy [batch][n][channels], after a forward that kept its states, with the same
// input. The initial state is taken for a constant. FV_USAGE without such a forward; FV_NO_MEMORY
// for the sums that the first call allocates (fv_selective_scan_bytes).
FV_API fv_status fv_selective_scan_backward(fv_selective_scan *scan,
                                            const fv_selective_scan_input *input, const float *dy,
                                            const fv_selective_scan_gradient *gradient,
                                            fv_error *error);

// One more position of every sequence, as a model that writes does it: u, delta, z, y [batch]
// [channels], B, C [batch][state], input->initial ignored; `state` [batch][state][channels] is read
// and overwritten. The configuration's n does not matter.
FV_API fv_status fv_selective_scan_step(fv_selective_scan *scan,
                                        const fv_selective_scan_input *input, float *state,
                                        float *y, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
