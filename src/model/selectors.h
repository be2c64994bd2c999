// Which of the keys that it sees a query keeps: one descriptor a selector, each in a file of its own,
// selector_<name>.c. A selector gives every unit of keys a rank, and those of the largest rank are kept: a
// unit is a block of model.selector_block neighbouring positions, or a single one. From two positions on a
// query's own block is always kept, as one of the model.selector_k.
//
// The choice itself is not differentiated: keys that are not kept have weight 0 and get no gradient.
#ifndef MODEL_SELECTORS_H
#define MODEL_SELECTORS_H

#include "model/layers.h"

// What a selector sees of one head: of one group's samples in the lab, where lanes are samples; in a
// decoder of up to sixteen neighbouring queries of one sequence, where they are rows of their own. Rows of
// queries and keys stand at ascending positions; a unit is a position / block.
typedef struct selection {
    const fv_config *config;
    int layer, head;       // among the attention layers; of the layer
    int n_queries, n_keys; // rows
    int block, n_units;    // units up to that of the last key
    const int *query_at;   // positions of rows, in a decoder of its first lane
    const int *key_at;
    bool queries_in_lanes; // lane l stands l positions behind its row's
    uint32_t step, sample; // of training, 0 elsewhere; of the first lane
    const real *weights;   // [query][key][16] of a softmax over all that it sees; others 0
    real *ranks;           // [query][unit][16]: to be filled, from 0 to below 2
} selection;

// Where lane l of query row i stands.
static inline int selection_query_at(const selection *s, int i, int l) {
    return s->query_at[i] + (s->queries_in_lanes ? l : 0);
}

typedef struct selector_type {
    config_part part;
    bool absent;        // every key is kept
    bool single;        // keys are kept one by one, whatever model.selector_block says
    bool reads_weights; // of a dense softmax, which is computed for it
    bool whole_only;    // reads more than a selection has: not for decoders
    bool ranks_means;   // ranks come as the weights of a softmax over the means of units' keys
    void (*rank)(const selection *s); // NULL: they stay so
} selector_type;

// The type of FV_SELECTOR_<kind>.
const selector_type *selector_type_of(int kind);

// A number on (0, 1) for a query and a unit of keys, by positions, of one head: the rank that random_topk
// gives. `step` and `sample` are 0 where it is drawn once.
void selector_noise(uint64_t seed, int layer, int head, uint32_t step, uint32_t sample, int query,
                    int n_units, real *ranks, ptrdiff_t stride);

#define FV_PART_SELECTOR(NAME, name) extern const selector_type selector_##name;
#include <fovea/fields.def>

#endif
