// Recurrences whose state is a matrix over long sequences, forward and gradient, in chunks of 64
// positions as products of matrices: SSD, the recurrence of Mamba-2 (2405.21060), and the gated
// delta rule (2412.06464). Memory is proportional to the sequence, the state of fixed size from
// one call to the next.
//
//     S_t = a_t S_{t-1} + k_t w_t'           a_t = exp(log_decay_t)
//     w_t = rate_t v_t                       SSD: rate is the time step
//     w_t = rate_t (v_t - a_t S_{t-1}' k_t)  the gated delta rule
//     y_t = scale S_t' q_t
//
// Without log decays SSD is linear attention, the other the delta rule. What stands around it
// (convolutions, norms of q and k, D v, gates) is the caller's. All arrays are float, row-major,
// and need no alignment. Results are the same bits for any number of threads, and on AVX2, AVX-512
// and NEON. Decays below 2^-64 from one position to another count as 0.
#ifndef FOVEA_RECURRENCE_H
#define FOVEA_RECURRENCE_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fv_recurrence_rule { FV_RECURRENCE_SSD, FV_RECURRENCE_GATED_DELTA } fv_recurrence_rule;

typedef struct fv_recurrence_config {
    int rule;               // fv_recurrence_rule
    int64_t n_batch, n;     // n: positions
    int64_t n_head;         // states
    int64_t n_key_head;     // divides n_head: n_head / n_key_head heads in a row share q and k;
                            // 0: n_head
    int64_t d_key, d_value; // at most 256 each
    double scale;           // 0 means 1 / sqrt(d_key)
    int64_t checkpoint; // positions between the states that are kept for the gradient, which finds
                        // those between once more; a multiple of 64. 0: 64, or more where states
                        // would take over 64 MiB
    int64_t segments;   // the sequence is cut into so many, whose states are found side by side and
                        // then joined; below 3: one. 0: one, or up to 8 of 2048 positions or more
                        // where states of SSD are too few to share out. Results of other numbers
                        // differ by rounding.
    int n_threads;      // 0 means all cores that the process may use
} fv_recurrence_config;

// SSD over one position, one head, widths of 64: set what differs.
FV_API void fv_recurrence_config_init(fv_recurrence_config *config);

// A checked description with its working memory. One call at a time may use it.
typedef struct fv_recurrence fv_recurrence;

// FV_USAGE with a sentence for an unknown rule, sizes below 1, widths above 256, heads that
// n_key_head does not divide, and sizes that overflow.
FV_API fv_status fv_recurrence_create(const fv_recurrence_config *config, fv_recurrence **out,
                                      fv_error *error);
FV_API void fv_recurrence_free(fv_recurrence *recurrence);

// Bytes that the object holds. The first forward with `keep` adds, for every sequence and head and
// every `checkpoint` positions, a state of K (V + 16) floats, where K and V are d_key and d_value
// rounded up to multiples of 16; the first gradient adds as many for every thread and 64 positions
// of `checkpoint`.
FV_API size_t fv_recurrence_bytes(const fv_recurrence *recurrence);

typedef struct fv_recurrence_input {
    const float *q, *k;     // [batch][n][key heads][d_key]
    const float *v;         // [batch][n][heads][d_value]
    const float *log_decay; // [batch][n][heads], 0 or below, or NULL for 0
    const float *rate;      // [batch][n][heads], or NULL for 1
    const float *initial;   // [batch][heads][d_key][d_value], S before position 0, or NULL for 0
} fv_recurrence_input;

// Writes y [batch][n][heads][d_value]; the last state to `final` [batch][heads][d_key][d_value]
// unless NULL (it may be the same memory as input->initial): a sequence may be read in pieces.
// With `keep` the object keeps the states that the gradient starts from. FV_NO_MEMORY for these. A
// number that is not finite may be seen in outputs of its chunk of 64 positions before it.
FV_API fv_status fv_recurrence_forward(fv_recurrence *recurrence, const fv_recurrence_input *input,
                                       float *y, float *final, bool keep, fv_error *error);

// All overwritten; the shapes of what they are the gradients of. Those of what may be NULL in the
// input may be NULL.
typedef struct fv_recurrence_gradient {
    float *dq, *dk, *dv, *dlog_decay, *drate, *dinitial;
} fv_recurrence_gradient;

// The gradients from dy [batch][n][heads][d_value] and from dfinal, that of the last state, or
// NULL for 0; after a forward that kept its states, with the same input. FV_USAGE without such a
// forward; FV_NO_MEMORY.
FV_API fv_status fv_recurrence_backward(fv_recurrence *recurrence, const fv_recurrence_input *input,
                                        const float *dy, const float *dfinal,
                                        const fv_recurrence_gradient *gradient, fv_error *error);

// One more position of every sequence, as a model that writes does it: q, k [batch][key
// heads][d_key], v, y [batch][heads][d_value], log_decay, rate [batch][heads], input->initial
// ignored; `state` [batch][heads] [d_key][d_value] is read and overwritten, in place where it
// begins on a multiple of 64 bytes and d_value is one of 16. The configuration's n does not
// matter.
FV_API fv_status fv_recurrence_step(fv_recurrence *recurrence, const fv_recurrence_input *input,
                                    float *state, float *y, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
