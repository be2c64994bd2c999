// What can be seen of a layer once it has computed its outputs. Every layer lists its own
// activations beside what computes them; here is how they are described, and the list of a whole
// model. include/fovea/activation_cache.h keeps them.
#ifndef MODEL_HOOKS_H
#define MODEL_HOOKS_H

#include "model/layers.h"

#include <fovea/activation_cache.h>

// Which rows of keys each query sees. Of rows [H][n_queries] of an activation only these columns
// are there, the others are 0.
typedef struct seen_rows {
    int n_queries, n_sinks;
    int *n_keys, *first_key; // [n_queries]: from first_key to n_keys, and the sinks
} seen_rows;

// How an activation lies in a tile: rows of vectors of sixteen samples,
// data[g * group_stride + row * row_stride + column * 16 + lane], strides in reals. The last
// dimension of its shape is the columns, all others together are the rows.
typedef struct model_lanes {
    real *data;
    ptrdiff_t group_stride, row_stride;
    const seen_rows *seen; // NULL: all columns are there
} model_lanes;

enum hook_kind {
    FV_HOOK_LIES,  // in a buffer of the layer
    FV_HOOK_MADE,  // by `lanes`, in scratch
    FV_HOOK_EARLY, // in a buffer that is filled before values are summed: model_tile's stops_early
};

struct layer_hook {
    const char *name;  // behind the layer's place: "attn.hook_q" of "blocks.0.attn.hook_q"
    const char *shape; // a letter for each dimension, of one sequence (hooks.c)
    // After the tile's forward pass: where it lies. `scratch` has room for it [G][shape][16] if it
    // is made there.
    model_lanes (*lanes)(const model_layer *layer, const model_tile *tile, real *scratch);
    enum hook_kind kind;
    bool (*exists)(const model_layer *layer); // NULL: always
};

// Rows [G][rows][width][16] without gaps.
static inline model_lanes lanes_dense(real *data, int rows, int width) {
    ptrdiff_t row = (ptrdiff_t)width * FV_LANES;
    return (model_lanes){data, rows * row, row, NULL};
}

// One sequence of a tile, 0 to 16 G - 1, out of its lanes into values [shape], where what is not there is left as
// it is; and back.
void lanes_leave(const model_lanes *lanes, const fv_hook *is, int sequence, float *out);
void lanes_enter(const model_lanes *lanes, const fv_hook *is, int sequence, const float *in);

// What a norm in front of a layer, or one that is a layer, shows.
bool norm_exists(const model_layer *layer);
model_lanes norm_scale(const model_layer *layer, const model_tile *tile, real *scratch);
model_lanes norm_normalized(const model_layer *layer, const model_tile *tile, real *scratch);
#define FV_NORM_HOOKS(at)                                                                          \
    {at "hook_scale", "T1", norm_scale, FV_HOOK_MADE, norm_exists}, {                              \
        at "hook_normalized", "Td", norm_normalized, FV_HOOK_MADE, norm_exists                     \
    }

// An activation of a model and what it is read from.
typedef struct hook_site {
    fv_hook is;
    int layer; // index among model->layers
    const layer_hook *hook;
} hook_site;

// All of a model whose layers compute n_rows positions each: *n sites, malloc.
fv_status hook_sites(const fv_model *model, int n_rows, hook_site **out, int *n, fv_error *error);

#endif
