// Positional embeddings: what is added to the embeddings of tokens. One descriptor a kind.
#ifndef MODEL_POSITIONS_H
#define MODEL_POSITIONS_H

#include "model/layers.h"

typedef struct positions_type {
    config_part part;
    // Of positions that are no parameters: rows [n][d] of positions first, first + 1, ...
    void (*fill)(int64_t first, int64_t n, int d, real *rows);
    // Of learned ones, of which there are as many as the longest context: reserves the parameter
    // FV_EMBEDDING_POSITIONS of the embedding layer.
    void (*plan)(fv_model *model, model_layer *embedding);
    bool absent; // nothing is added
} positions_type;

// The type of FV_POSITIONS_<kind>.
const positions_type *positions_type_of(int kind);

// Those that have no end: "none or sinusoidal".
void positions_without_table(char *text, size_t size);

#define FV_PART_POSITIONS(NAME, name) extern const positions_type positions_##name;
#include <fovea/fields.def>

#endif
