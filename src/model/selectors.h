// Which of the keys that it sees a query keeps: one descriptor a selector, each in a file of its own,
// selector_<name>.c. A selector gives every unit of keys a rank, and those of the largest rank are kept: a
// unit is a block of model.selector_block neighbouring positions, or a single one. From two positions on a
// query's own block is always kept, as one of the model.selector_k.
//
// The choice itself is not differentiated: keys that are not kept have weight 0 and get no gradient.
#ifndef MODEL_SELECTORS_H
#define MODEL_SELECTORS_H

#include "model/layers.h"

// What a selector sees of one group's samples in one head. Rows of queries and keys stand at ascending
// positions; a unit is a position / block.
typedef struct selection {
    const model_layer *layer;
    const model_tile *tile;
    int head, group, block, n_units; // units up to that of the last key
    const int *query_at, *key_at;    // positions of rows
    const kernel_attend *attend;     // of all groups: queries, keys, and which keys a query sees
    const real *weights;   // [query][key][16] of a softmax over all that it sees; others 0
    real *means;           // [unit][d_key][16], scratch of those that ask for it
    const int *n_units_of; // [query] units up to its own
    real *ranks;           // [query][unit][16]: to be filled, from 0 to below 2
} selection;

typedef struct selector_type {
    config_part part;
    bool absent;        // every key is kept
    bool single;        // keys are kept one by one, whatever model.selector_block says
    bool reads_weights; // of a dense softmax, which is computed for it
    bool reads_means;   // has use for the scratch
    void (*rank)(const selection *s);
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
