// How a model knows the order of positions: by what is added to the embeddings of tokens, by turning
// queries and keys, or by what distances take off scores. One descriptor a kind, which has one of
// these functions.
#ifndef MODEL_POSITIONS_H
#define MODEL_POSITIONS_H

#include "model/layers.h"
#include "model/rotary.h"

typedef struct positions_type {
    config_part part;
    // Of positions that are no parameters: rows [n][d] of positions first, first + 1, ...
    void (*fill)(int64_t first, int64_t n, int d, real *rows);
    // Of learned ones, of which there are as many as the longest context: reserves the parameter
    // FV_EMBEDDING_POSITIONS of the embedding layer.
    void (*plan)(fv_model *model, model_layer *embedding);
    // How queries and keys are turned, in a model of up to `longest` positions; to->frequency has room for every pair of a head.
    void (*turn)(const fv_config *config, int longest, rotary *to);
    // What a distance of 1 takes off the scores of each head, [n_head].
    void (*slopes)(int n_head, double *slope);
    bool none;
} positions_type;

// The type of FV_POSITIONS_<kind>.
const positions_type *positions_type_of(int kind);

// Whether anything is added to the embeddings of tokens.
static inline bool positions_are_added(const positions_type *type) {
    return type->fill != NULL || type->plan != NULL;
}

// Those that have no end: "none or sinusoidal".
void positions_without_table(char *text, size_t size);

#define FV_PART_POSITIONS(NAME, name) extern const positions_type positions_##name;
#include <fovea/fields.def>

#endif
