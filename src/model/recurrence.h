// A layer with a matrix for its state: queries, keys and values as attention has them, but what was seen
// is written into a state S [K][V] of each head, and read from there (kernels/recurrence_kernels.h).
//
//     q, k, v = strands of the input: a map; where there are taps a causal convolution and SiLU; where
//               they are positive elu + 1; where they are of length 1 a division by their length
//     S       = decay S + k rate (v - what is held for k)
//     y       = S' q, of each head; normed and gated; times W_O
//
// Each kind of layer is one file that says which of these it has (linear_attention.c, deltanet.c, ...).
#ifndef MODEL_RECURRENCE_H
#define MODEL_RECURRENCE_H

#include "model/hooks.h"

typedef enum recurrence_decay {
    RECURRENCE_NO_DECAY,
    RECURRENCE_FIXED_DECAY, // 1 - 2^(-5 - h) in head h
    RECURRENCE_ROOT_DECAY,  // sigmoid(x W)^(1/16)
    RECURRENCE_STEP_DECAY,  // exp(-exp(A_log) step), step = softplus(x W + bias)
} recurrence_decay;

typedef enum recurrence_rate {
    RECURRENCE_NO_RATE,
    RECURRENCE_SIGMOID_RATE, // sigmoid(x W)
    RECURRENCE_STEP_RATE,    // the decay's step
} recurrence_rate;

typedef enum recurrence_norm {
    RECURRENCE_NO_NORM,
    RECURRENCE_HEAD_NORM,  // RMS norm of each head's output, then the gate, silu(x W_G)
    RECURRENCE_WHOLE_NORM, // the gate, then RMS norm of all heads' outputs together
} recurrence_norm;

// What a kind of layer is in a configuration.
typedef struct recurrence {
    const char *name;             // of its tensors: "blocks.0.<name>.W_Q"
    int n_head, n_key, n_value;   // heads, rows and columns of the state of each
    int taps;                     // of the convolutions, or 0
    bool taps_biased;             // they have biases
    bool positive, unit;          // q and k: elu + 1; of length 1
    bool counts;                  // y is divided by what the keys themselves sum up to
    bool scaled;                  // q k / sqrt(K)
    bool replaces, shared, skips; // the delta rule; one q and k for all heads; D v added
    bool channels;                // a decay for each number of a key, not of each head
    recurrence_decay decay;
    recurrence_rate rate;
    recurrence_norm norm;
    bool gated;
} recurrence;

// Fills *is, which is zero, for a configuration.
typedef void recurrence_describe(const fv_config *config, recurrence *is);

// The three fields that all of them read.
#define FV_RECURRENCE_READS                                                                        \
    FV_READS(model.residual), FV_READS(model.recurrent_key), FV_READS(model.recurrent_conv)

// Heads of n_embd / n_head values and model.recurrent_key keys, `taps` where model.recurrent_conv
// leaves them to the layer.
void recurrence_heads(const fv_config *config, int taps, recurrence *is);

fv_status recurrence_create(model_layer *layer, recurrence_describe *describe, fv_error *error);
void recurrence_free(model_layer *layer);
fv_status recurrence_plan(fv_model *model, model_layer *layer, fv_error *error);
void recurrence_forward(const model_layer *layer, const model_tile *tile);
void recurrence_backward(const model_layer *layer, const model_tile *tile);
void recurrence_cost(const model_layer *layer, double *textbook, double *executed, double *exps);
fv_status recurrence_check(const config_checking *c, int i);
// Numbers that it hands on from token to token.
double recurrence_state(const recurrence *is);
int recurrence_reach(const fv_config *config, int i);

// layer_<name> of the function `describe`, which the file has; the rest are members of its part.
#define FV_RECURRENCE_LAYER(name, ...)                                                             \
    static fv_status create(model_layer *layer, int i, fv_error *error) {                          \
        (void)i;                                                                                   \
        return recurrence_create(layer, describe, error);                                          \
    }                                                                                              \
    static double state(const fv_config *config, int i) {                                          \
        (void)i;                                                                                   \
        recurrence is = {0};                                                                       \
        describe(config, &is);                                                                     \
        return recurrence_state(&is);                                                              \
    }                                                                                              \
    static const layer_hook hooks[] = {FV_NORM_HOOKS("ln_" #name "."), {0}};                       \
    const layer_type layer_##name = {                                                              \
        .create = create,                                                                          \
        .free = recurrence_free,                                                                   \
        .needs = needs_all_before,                                                                 \
        .plan = recurrence_plan,                                                                   \
        .forward = recurrence_forward,                                                             \
        .backward = recurrence_backward,                                                           \
        .cost = recurrence_cost,                                                                   \
        .reach = recurrence_reach,                                                                 \
        .state = state,                                                                            \
        .hooks = hooks,                                                                            \
        .part = {.check = recurrence_check, __VA_ARGS__},                                          \
    }

#endif
