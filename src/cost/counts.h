// A model as the cost formulas see it: parts, each of a kind with its dimensions, and which layer
// has which parts.
#ifndef COST_COUNTS_H
#define COST_COUNTS_H

#include "cost/kinds.h"

#include <fovea/cost.h>

enum { COST_MAX_PARTS = 512, COST_LAYER_PARTS = 8, COST_MAX_LAYERS = 65536 };

typedef struct cost_part {
    cost_kind kind;
    cost_dims dims;
    uint64_t n_layers, n_copies;
    char name[96];
} cost_part;

typedef struct cost_layer {
    int n;
    uint16_t parts[COST_LAYER_PARTS];
    uint8_t owns[COST_LAYER_PARTS]; // whether the parameters count here
} cost_layer;

struct fv_cost_model {
    const char *family;
    uint64_t max_tokens;
    int n_parts, capacity;
    cost_part *parts;      // [n_parts]
    uint64_t n_layers;     // embedding and unembedding included
    cost_layer *layers;    // [n_layers]
    char *notes;           // "" or lines
    uint64_t stored_bytes; // of a parameter, as the file's dtype has it; 0: it says none
    // Parameters that the file says are packed, and the bytes that they take so.
    fv_cost_number packed, packed_bytes;
};

// Adds a part to a layer: of the parts that exist, the equal one, otherwise a new one. Its
// parameters exist n_copies times, however many layers have it; 0: once for each layer. FV_FORMAT
// where a layer or the model has too many parts, FV_NO_MEMORY.
fv_status cost_model_add(fv_cost_model *model, uint64_t layer, cost_kind kind,
                         const cost_dims *dims, uint64_t n_copies);

#endif
