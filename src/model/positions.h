// Positional embeddings: what is added to the embeddings of tokens. One descriptor a kind.
#ifndef MODEL_POSITIONS_H
#define MODEL_POSITIONS_H

#include "model/layers.h"

typedef struct fv_positions_type {
    fv_part part;
    // Reserves the parameters of the embedding layer, or makes the table. NULL: nothing to do.
    fv_status (*plan)(fv_model *model, fv_layer *embedding, fv_error *error);
    // The table [n_positions][d]; NULL: there is none.
    const real *(*table)(const fv_tile *tile);
    bool learned; // it is the parameter FV_EMBEDDING_POSITIONS of the embedding layer
} fv_positions_type;

// The type of FV_POSITIONS_<kind>.
const fv_positions_type *fv_positions_type_of(int kind);

#define FV_PART_POSITIONS(NAME, name) extern const fv_positions_type fv_positions_##name;
#include <fovea/fields.def>

#endif
