// What an attention layer owns: the slots of its parameters and buffers, which keys its queries
// see, and the way in which it computes. Shared by what plans it (attention_keys.c), computes it
// (attention_ways.h), shows it (attention_hooks.c), and knows its configuration
// (attention_config.c).
#ifndef MODEL_ATTENTION_LAYER_H
#define MODEL_ATTENTION_LAYER_H

#include "attention/tiles.h"
#include "model/attention_keys.h"
#include "model/hooks.h"
#include "model/rotary.h"
#include "model/token_tables.h"

// Behind the weights their biases, in one order.
enum param {
    W_Q,
    W_K,
    W_V,
    W_O,
    B_Q,
    B_K,
    B_V,
    B_O,
    LOG_POWER,
    ALPHA_LOGIT,
    STRETCH_BY,    // s of heads, or W_beta
    STRETCH_POWER, // W_gamma
    SINK_LOGITS,
    W_G,
    B_G
};
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
    LOGSUMEXPS,
    LONG,
    STRETCH,
    D_STRETCH,
    STRETCH_RAW,
    D_STRETCH_RAW,
    RANKS,      // [out.n][units][16] of one group
    FAR_RANKS,  // the same, of scores that are far apart, behind a window
    UNITS_KEPT, // [out.n][units] bits of one group
    KEYS_KEPT,  // [choices][G][out.n][keys] bits; where every head chooses for itself of one head
    COMPARED,   // [out.n][keys] bits of one group
    MEANS,      // [units][d][16]
    RAW_Q,      // queries and keys as they were projected; without a norm those of the softmax
    RAW_K,
    GATES,
    D_GATES,
    GATED, // what W_O reads; without a gate Z
    SINK_P,
    N_BUFFERS // up to those of selectors
};

// Which code computes the attention itself; all give the same function.
typedef enum attention_way {
    FV_ATTEND_LANES,  // textbook: probabilities of all pairs are kept, samples in the lanes
    FV_ATTEND_POOLED, // inputs are pooled before they are projected, samples in the lanes
    FV_ATTEND_TILES,  // no probabilities are kept, positions in the lanes: attention_long.h
} attention_way;

typedef struct attention_selector {
    int kind, k, block, n_units;
    int *n_units_of; // [out.n] up to that of the query itself
    void *own;       // what only its type knows
} attention_selector;

typedef struct attention_layer {
    attention_selector selector;
    attention_heads heads;
    attention_sight sight;
    seen_rows seen; // of `in`, by each position of `out`
    real *log_n;    // [out.n] of the keys that each sees, where its scores are stretched by it
    attention_way way;
    token_tables tables;
    int normaliser, qk_norm, sink_logit, gate; // FV_NORMALISER_*, ...
    double soft_cap;
    norm_part q_norm, k_norm;
    rotary rotary;
    real *turned_q, *turned_k;         // cosines, then sines, of `out` and of `in`
    double *slopes;                    // [heads.n] of positions, or NULL
    attention_placement queries, keys; // in tiles: where `out` and `in` stand in the sequence
} attention_layer;

static inline attention_layer *model_attention_of(const model_layer *layer) {
    return layer->own;
}

// Makes and frees what the layer owns; `i` is its place in the list of layers.
fv_status attention_layer_create(model_layer *layer, int i, fv_error *error);
void attention_layer_free(model_layer *layer);

// The positions that those of `out` are or see, in the order of the sequence.
fv_status attention_needs(const model_layer *layer, model_positions *in, fv_error *error);

// Once `in` and `out` are known: which rows each query sees, and which way the layer takes.
fv_status attention_plan_keys(model_layer *layer, fv_error *error);

// Keys that layer i of the list keeps together, and whether it keeps all of them.
int selector_block_of(const fv_model_config *config, int i);
bool selector_present(const model_layer *layer);

// For the descriptor (attention_config.c).
int attention_reach(const fv_config *config, int i);
double attention_state(const fv_config *config, int i);
void attention_settle_windows(fv_config *config);
void attention_settle_options(fv_config *config);
void attention_settle_d_score(fv_config *config);
void attention_settle_normaliser(fv_config *config);
fv_status attention_check(const config_checking *checking, int i);
int attention_numerics(const fv_config *config);

extern const layer_hook attention_hooks[];

#endif
