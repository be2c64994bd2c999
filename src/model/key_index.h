// An index of keys: small queries and keys of its own, made of a layer's inputs, which say cheaply which
// keys attention would weigh most. Shared by the selectors that learn one (selector_indexer.c,
// selector_group_indexer.c); what they differ in is here.
//
//     index(i, j) = sum over heads h of w_h(i) relu(q_h(i) . k(j)) / sqrt(width heads)    weighted
//     index(i, j) = q(i) . k(j) / sqrt(width)                                             not
//
// q, k and w are linear in the inputs; rotary positions turn q and k as they turn attention's own. A
// block's rank is that of its best key. The loss of a query is the divergence KL(attention || softmax of the
// index) over the keys that are compared, of which both add up to 1; its gradient goes to the three maps and
// stops at the inputs.
#ifndef MODEL_KEY_INDEX_H
#define MODEL_KEY_INDEX_H

#include "model/rotary.h"
#include "model/selectors.h"

typedef struct key_index {
    int n_choices, n_heads, width; // heads of each choice
    bool weighted;
} key_index;

fv_status index_plan(fv_model *model, model_layer *layer, const key_index *index, fv_error *error);
void index_free(model_layer *layer);
void index_prepare(const model_layer *layer, const model_tile *tile, const key_index *index,
                   real *x);
void index_rank(const selection *s, const key_index *index);
void index_learn(const selection *s, const key_index *index, const selection_lesson *lesson);
void index_differentiate(const model_layer *layer, const model_tile *tile, const key_index *index,
                         real *x);
double index_cost(const model_layer *layer, const key_index *index, double pairs);

// What turns the index's queries and keys by rotary positions: all of its features, whatever
// model.rope_width leaves of attention's. `longest` as in rotary_create.
fv_status index_turning(const fv_config *config, const key_index *index, int longest, rotary *to,
                        fv_error *error);

// For decoders as for the lab, so that both have the same bits. Lane by lane to [16] = the index of a query
// q [heads][width][16] with weights w [heads][16] (NULL: not weighted) and a key k [width][16].
void index_of_pair(const key_index *index, const real *q, const real *w, const real *k, real *to);
// From a query's index row [key][16], -INFINITY of keys that it does not see, the ranks [unit][16]: a unit's
// best key, as a share of the query's best, in (0, 1] and in the same order.
void index_rank_row(const selection *s, const kernel_set *kernels, const real *row, real *ranks);

// What must hold of a configuration with an index: it has a loss to learn from, and pairs to turn.
fv_status index_check(const config_checking *c, const char *selector);

#endif
