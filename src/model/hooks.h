// What can be seen of a layer once it has computed its outputs. Every layer lists its own
// activations beside what computes them; here is how they are described, and the list of a whole
// model. include/fovea/activation_cache.h keeps them.
#ifndef MODEL_HOOKS_H
#define MODEL_HOOKS_H

#include "model/layers.h"

#include <fovea/activation_cache.h>

// Which rows of keys each query sees. Of rows [H][n_queries] of an activation only these columns
// are there, the others are 0.
typedef struct fv_seen_rows {
    int n_queries, n_sinks;
    int *n_keys, *first_key; // [n_queries]: from first_key to n_keys, and the sinks
} fv_seen_rows;

// How an activation lies in a tile: rows of vectors of sixteen samples,
// data[g * group_stride + row * row_stride + column * 16 + lane], strides in reals. The last
// dimension of its shape is the columns, all others together are the rows.
typedef struct fv_lanes {
    const real *data;
    ptrdiff_t group_stride, row_stride;
    const fv_seen_rows *seen; // NULL: all columns are there
} fv_lanes;

enum fv_hook_kind {
    FV_HOOK_LIES,  // in a buffer of the layer
    FV_HOOK_MADE,  // by `lanes`, in scratch
    FV_HOOK_EARLY, // in a buffer that attention fills before it sums values: fv_tile's stops_early
};

struct fv_layer_hook {
    const char *name;  // behind the layer's place: "attn.hook_q" of "blocks.0.attn.hook_q"
    const char *shape; // a letter for each dimension, of one sequence (hooks.c)
    // After the tile's forward pass: where it lies. `scratch` has room for it [G][shape][16] if it
    // is made there.
    fv_lanes (*lanes)(const fv_layer *layer, const fv_tile *tile, real *scratch);
    enum fv_hook_kind kind;
    bool (*exists)(const fv_layer *layer); // NULL: always
};

// Rows [G][rows][width][16] without gaps.
static inline fv_lanes fv_lanes_dense(const real *data, int rows, int width) {
    ptrdiff_t row = (ptrdiff_t)width * FV_LANES;
    return (fv_lanes){data, rows * row, row, NULL};
}

// What a norm in front of a layer, or one that is a layer, shows.
bool fv_norm_exists(const fv_layer *layer);
fv_lanes fv_norm_scale(const fv_layer *layer, const fv_tile *tile, real *scratch);
fv_lanes fv_norm_normalized(const fv_layer *layer, const fv_tile *tile, real *scratch);
#define FV_NORM_HOOKS(at)                                                                          \
    {at "hook_scale", "T1", fv_norm_scale, FV_HOOK_MADE, fv_norm_exists}, {                        \
        at "hook_normalized", "Td", fv_norm_normalized, FV_HOOK_MADE, fv_norm_exists               \
    }

// An activation of a model and what it is read from.
typedef struct fv_hook_site {
    fv_hook is;
    int layer; // index among model->layers
    const fv_layer_hook *hook;
} fv_hook_site;

// All of a model whose layers compute n_rows positions each: *n sites, malloc.
fv_status fv_hook_sites(const fv_model *model, int n_rows, fv_hook_site **out, int *n,
                        fv_error *error);

#endif
