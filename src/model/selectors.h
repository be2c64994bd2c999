// Which of the keys that it sees a query keeps: one descriptor a selector, each in a file of its own,
// selector_<name>.c. A selector gives every unit of keys a rank, and those of the largest rank are kept: a
// unit is a block of model.selector_block neighbouring positions, or a single one. From two positions on a
// query's own block is always kept, as one of the model.selector_k.
//
// The choice itself is not differentiated: keys that are not kept have weight 0 and get no gradient. A
// selector with parameters has a loss of its own, which reaches these parameters and nothing else.
#ifndef MODEL_SELECTORS_H
#define MODEL_SELECTORS_H

#include "model/layers.h"

// What the lab's stage shows beside that to those that learn: one group's samples in one choice.
typedef struct selection_lab {
    const model_layer *layer;
    const model_tile *tile;
    const kernel_attend *attend; // of all groups: which keys a query sees
    int group, choice;           // of selectors without n_choices the choice is the head
} selection_lab;

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
    bool queries_in_lanes;    // lane l stands l positions behind its row's
    uint32_t step, sample;    // of training, 0 elsewhere; of the first lane
    const real *weights;      // [query][key][16] of a softmax over all that it sees; others 0
    real *ranks;              // [query][unit][16]: to be filled, from 0 to below 2
    const selection_lab *lab; // NULL in a decoder
} selection;

// Where lane l of query row i stands.
static inline int selection_query_at(const selection *s, int i, int l) {
    return s->query_at[i] + (s->queries_in_lanes ? l : 0);
}

// What a selector with a loss learns from, of one group's samples in one choice.
typedef struct selection_lesson {
    // [query][key][16] what attention gave to the keys, all heads of the choice together, adding up to 1
    // (a query without keys: to 0); no gradient goes through it.
    const real *target;
    const uint16_t
        *compared; // [query][key] bits: keys that were kept; while train.indexer_warmup lasts all
                   // that a query sees
    const real *weight; // [16] of a query's loss in the gradient; 0 where no gradient is wanted
    real *loss;         // [16] += of all queries, unweighted
} selection_lesson;

struct key_index;
typedef struct selector_type {
    config_part part;
    bool absent;        // every key is kept
    bool single;        // keys are kept one by one, whatever model.selector_block says
    bool reads_weights; // of a dense softmax, which is computed for it
    bool whole_only;    // has parameters, and no index: not for decoders
    bool ranks_means;   // ranks come as the weights of a softmax over the means of units' keys
    void (*rank)(const selection *s); // NULL: they stay so

    // The index of keys by which it ranks, of a layer with n_kv heads of keys: decoders keep its keys beside
    // attention's own and rank by it (model/key_index.h) instead of calling `rank`. NULL: none.
    struct key_index (*index)(const fv_model_config *config, int n_kv);

    // --- of those whose heads choose together, and of those that learn; NULL: not wanted

    // Choices that a layer makes, each for as many neighbouring heads. NULL: every head its own.
    int (*n_choices)(const model_layer *layer);
    // Adds parameters, layer->param[SELECTOR_PARAM + i] (selector_add), and buffers, layer->buffer
    // [SELECTOR_BUFFER + i]. Is called twice, as a layer's plan is.
    fv_status (*plan)(fv_model *model, model_layer *layer, fv_error *error);
    void (*free)(model_layer *layer);
    // Once for every tile, before anything is ranked: x [G][in.n][d][16] are the layer's inputs, as its
    // queries and keys are made of them.
    void (*prepare)(const model_layer *layer, const model_tile *tile, real *x);
    // On the way back, group by group and choice by choice, each of which has been ranked: the loss, and
    // what its gradient needs.
    void (*learn)(const selection *s, const selection_lesson *lesson);
    // Once for every tile, behind the last of these: the gradients of its parameters.
    void (*differentiate)(const model_layer *layer, const model_tile *tile, real *x);
    // Multiply-adds that ranking adds to a sequence of which queries see `pairs` keys.
    double (*cost)(const model_layer *layer, double pairs);
} selector_type;

// Slots of a layer's parameters and buffers that are its selector's.
enum { SELECTOR_PARAM = 24, SELECTOR_PARAMS = 8, SELECTOR_BUFFER = 40, SELECTOR_BUFFERS = 8 };

// model_add for a parameter that only the selector's loss reaches, [rows][columns] from fan_in = rows.
size_t selector_add(fv_model *model, const model_layer *layer, const char *name, int rows,
                    int columns);

// The type of FV_SELECTOR_<kind>, and that of a layer's.
const selector_type *selector_type_of(int kind);
const selector_type *selector_of_layer(const model_layer *layer);

// Ranks that are weights of a softmax are 0 from 44 below the largest score on, where no sum could tell
// them from nothing. Another choice can: the own block is kept whatever its mean says, and a normaliser may
// weigh what a softmax does not. Whether the k largest of a row are so not known,
bool selection_is_flat(const selection *s, int k);
// and what ranks of 0 become, of ranks from scores times FLATTENED: below all others, and in their order.
#define FV_FLATTENED 0x1p-10f
void selection_mend(const selection *s, const real *flattened);
// Whether anything but the largest weights counts for a layer of that normaliser.
bool selector_reads_far(int normaliser, const selector_type *type);

// A number on (0, 1) for a query and a unit of keys, by positions, of one head: the rank that random_topk
// gives. `step` and `sample` are 0 where it is drawn once.
void selector_noise(uint64_t seed, int layer, int head, uint32_t step, uint32_t sample, int query,
                    int n_units, real *ranks, ptrdiff_t stride);

#define FV_PART_SELECTOR(NAME, name) extern const selector_type selector_##name;
#include <fovea/fields.def>

#endif
