// What the files of a recurrent layer share: its tensors, its buffers, and the three strands that make
// queries, keys and values.
#ifndef MODEL_RECURRENCE_PLAN_H
#define MODEL_RECURRENCE_PLAN_H

#include "model/recurrence.h"

enum strand { STRAND_Q, STRAND_K, STRAND_V, N_STRANDS };

// Slots of layer->param and layer->buffer. Those of strand s are the first of their kind plus s.
enum recurrence_param {
    W_STRAND, // [d][features]
    CONV_W = W_STRAND + N_STRANDS,
    CONV_B = CONV_W + N_STRANDS,
    W_RATE = CONV_B + N_STRANDS, // [d][H]
    W_DECAY,                     // [d][H], or [H K] for channels
    B_DECAY,                     // [H] or [H K]
    A_LOG,                       // [H]
    SKIP,                        // [H]
    W_GATE,                      // [d][H V]
    NORM_W,                      // [V], or [H V]
    W_OUT,                       // [H V][d]
    N_RECURRENCE_PARAMS
};

enum recurrence_buffer {
    MAPPED,                         // [rows][features], x W
    CONVOLVED = MAPPED + N_STRANDS, // [in][features]
    CUT = CONVOLVED + N_STRANDS,    // [out][features] of q alone
    POSITIVE = CUT + N_STRANDS,
    UNIT = POSITIVE + N_STRANDS,
    UNIT_RSTD = UNIT + N_STRANDS, // [rows][H]
    D_STRAND = UNIT_RSTD + N_STRANDS,
    D_BEFORE = D_STRAND + N_STRANDS, // the other of two gradients, by turns
    COMPACT = D_BEFORE + N_STRANDS,  // [out][d] inputs at the outputs, where they are no view
    COUNTED,                         // [in][H][V + 1]: v and a 1
    D_COUNTED,
    RATE_RAW, // [in][H]
    RATE,
    D_RATE,
    D_RATE_RAW,
    ONES,      // [in][H]
    DECAY_RAW, // [in][H] or [H K]
    STEP,
    DECAY,
    D_DECAY,
    D_DECAY_RAW,
    FACTOR,   // [H] or [H K], -exp(A_log); then its gradient
    SUMS,     // [out][H][V + 1] before they are divided
    HEADS,    // [out][H V], what the heads give
    NORMED,   // [out][H V]
    RSTD,     // [out][H] or [out]
    GATE_RAW, // [out][H V]
    GATED,    // [out][H V]
    D_OUT,    // [out][H V] or [H][V + 1], by turns
    D_OUT_BEFORE,
    D_GATE,
    D_NORMED_X,   // [in][d]
    UNIT_LENGTHS, // [K]: 1 / sqrt(K)
    NO_BIAS,      // zeros of a convolution's biases; their gradient
    SCRATCH,
    N_RECURRENCE_BUFFERS
};
_Static_assert((int)N_RECURRENCE_PARAMS <= (int)FV_LAYER_PARAMS, "more slots of tensors");
_Static_assert((int)N_RECURRENCE_BUFFERS <= (int)FV_LAYER_BUFFERS, "more slots of buffers");

static inline const recurrence *recurrence_of(const model_layer *layer) {
    return layer->own;
}

static inline real *recurrence_at(const model_layer *layer, const model_tile *tile,
                                  enum recurrence_buffer which) {
    return tile_buffer(tile, layer->buffer[which]);
}

static inline int strand_heads(const recurrence *is, enum strand s) {
    return is->shared && s != STRAND_V ? 1 : is->n_head;
}
static inline int strand_width(const recurrence *is, enum strand s) {
    return s == STRAND_V ? is->n_value : is->n_key;
}
static inline int strand_features(const recurrence *is, enum strand s) {
    return strand_heads(is, s) * strand_width(is, s);
}
// Rows of a group: queries are wanted at the outputs only, and made of more where they are convolved.
static inline int strand_rows(const model_layer *layer, enum strand s) {
    return s == STRAND_Q ? layer->out.n : layer->in.n;
}

static inline int recurrence_decays(const recurrence *is) { // of a head
    return is->decay == RECURRENCE_NO_DECAY ? 0 : is->channels ? is->n_key : 1;
}
static inline int recurrence_outputs(const recurrence *is) {
    return is->n_head * is->n_value;
}

// Reserves a strand's tensors and buffers.
void strand_plan(fv_model *model, model_layer *layer, enum strand s);
// From the normalised input x [G][in][d] to rows [G * strand_rows][features].
kernel_rows strand_forward(const model_layer *layer, const model_tile *tile, enum strand s,
                           real *x);
// From the gradient in D_STRAND to dx [G][in][d], += .
void strand_backward(const model_layer *layer, const model_tile *tile, enum strand s, real *x,
                     real *dx);
// What strand_forward left.
kernel_rows strand_result(const model_layer *layer, const model_tile *tile, enum strand s);

#endif
