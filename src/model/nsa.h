// Native sparse attention (arXiv 2502.11089): every query looks at the sequence in three ways, each with keys
// and values of its own, and a gate for each head says how much of each it takes:
//
//     compressed   blocks of model.compress_block keys, each made one by a learned map (compress.h)
//     selected     single keys of the model.compress_k blocks that the compressed branch weighed most
//     window       the last model.compress_window keys
//
//     z = sum over branches of sigmoid(x W_G) * branch,   y = z W_O
//
// A block of model.nsa_block keys stands for choice once it is whole, by the weights of the entries that share rows
// with it; a query always keeps its own block and the first model.nsa_first ones, as some of the compress_k. Heads
// that share keys (model.n_kv_head) choose together, by the mean of their weights. The choice is not
// differentiated: what it depends on learns through the compressed branch, which is why it has no loss of its
// own. Rotary positions turn queries and keys of the last two branches; the compressed one knows places within
// a block by its map alone, and compares what was not turned.
//
// The paper's own sizes are compress_block 32, compress_stride 16, nsa_block 64, compress_k 16, nsa_first 1 and
// compress_window 512; besides the first block and its own it always keeps the one before its own.
#ifndef MODEL_NSA_H
#define MODEL_NSA_H

#include "model/attention_keys.h"
#include "model/compress.h"
#include "model/rotary.h"

typedef enum nsa_branch { NSA_COMPRESSED, NSA_SELECTED, NSA_WINDOW, NSA_BRANCHES } nsa_branch;

enum nsa_param { W_Q, W_O, W_K, W_V = W_K + NSA_BRANCHES, W_G = W_V + NSA_BRANCHES };
enum nsa_buffer {
    Q,        // [out.n][d]
    TURNED_Q, // the same, turned
    K,        // [in.n][kv] of every branch
    V = K + NSA_BRANCHES,
    ENTRIES_K = V + NSA_BRANCHES, // [n_blocks][kv]
    ENTRIES_V,
    P,                          // [heads out.n][keys] of every branch
    Z = P + NSA_BRANCHES,       // [out.n][d]
    GATES = Z + NSA_BRANCHES,   // [out.n][heads]
    SUM = GATES + NSA_BRANCHES, // [out.n][d]
    GATED,                      // [out.n][d] of one branch
    RANKS,                      // [out.n][units][16] of one group
    FAR_RANKS,                  // the same, of what has no weight
    UNITS,                      // [out.n][units] bits of one group
    KEPT,                       // [heads of keys][G][out.n][in.n] bits
    COMPACT,                    // [out.n][d]
    D_K,
    D_V = D_K + NSA_BRANCHES,
    D_ENTRIES_K = D_V + NSA_BRANCHES,
    D_ENTRIES_V,
    D_GATES, // of one branch
    D_SUM = D_GATES + NSA_BRANCHES,
    D_Z,
    D_Q,
    D_TURNED_Q,
    D_PART,  // of queries, by one branch
    SCRATCH, // [out.n][in.n][16]
    D_NORMED,
};

typedef struct nsa {
    attention_heads heads;
    int block, k, first, window;       // of what is selected
    compression map[2];                // of keys and of values
    int n_blocks, n_units;             // entries, and blocks that have begun
    int *n_whole, *n_keys, *first_key; // [out.n]: entries; keys
    int *n_past;                       // [out.n]: blocks before the query's own
    rotary rotary;
    real *turned_q, *turned_k; // cosines, then sines, of `out` and of `in`
} nsa;

static inline nsa *nsa_of(const model_layer *layer) {
    return layer->own;
}

// Keys of every group of heads that the queries keep, once the compressed branch has its weights.
void nsa_select(const model_layer *layer, const model_tile *tile);
kernel_attend nsa_attend(const model_layer *layer, const model_tile *tile, nsa_branch b, int h);
fv_status nsa_plan(fv_model *model, model_layer *layer, fv_error *error);
void nsa_cost(const model_layer *layer, double *textbook, double *executed, double *exps);
int nsa_block_of(const fv_model_config *config);

#endif
