// What an attention layer owns: the slots of its parameters and buffers. Shared by what computes
// them (attention.c) and what shows them (attention_hooks.c).
#ifndef MODEL_ATTENTION_LAYER_H
#define MODEL_ATTENTION_LAYER_H

#include "model/hooks.h"

enum param { W_Q, W_K, W_V, W_O, B_Q, B_K, B_V, B_O, LOG_POWER };
enum buffer {
    COMPACT,
    Q,
    K,
    V,
    P,
    Z,
    CARRIED,
    POOLED,
    D_NORMED,
    D_K,
    D_V,
    D_SCRATCH,
    SLOPES,
    LOG_SUMS,
    LONG
};

extern const fv_layer_hook fv_attention_hooks[];

#endif
