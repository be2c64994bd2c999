// Activations that are replaced on the way of a forward pass. A layer says where a replacement takes the place
// of what it has computed: in front of whatever reads that. Outside of such a pass tile->edit is NULL.
#ifndef MODEL_ACTIVATION_EDIT_H
#define MODEL_ACTIVATION_EDIT_H

#include "model/hooks.h"

typedef struct model_edit {
    hook_site *sites; // [n], in the order of the pass
    int n;
    fv_activation_edit function;
    void *context;
    int n_sequences; // in the tile
    float *values;   // [n_sequences][the largest of the sites], as the function left it
    real *made;      // [G][the same][16]: where a site is that lies in no buffer
} model_edit;

// Calls the function for the activation of the layer that a site names; false where none does, or nothing is
// replaced. What lies in a buffer is replaced there; else edit->made has it. edit->values stays until the next
// call.
bool edit_apply(const model_layer *layer, const model_tile *tile, const char *name);

static inline bool tile_edit(const model_layer *layer, const model_tile *tile, const char *name) {
    return tile->edit != NULL && edit_apply(layer, tile, name);
}

// What the layer adds to the stream is replaced: y = made, or x + made where it adds. Whether it was.
bool tile_edit_output(const model_layer *layer, const model_tile *tile, const char *name);

// Those of the model's `all` sites that names or shell patterns name, and room for n_sequences of them. Takes
// `all` (malloc). FV_USAGE for a name that is no activation, or of one that no layer lets be replaced.
fv_status edit_create(hook_site *all, int n_all, const char *const *names, int n_names,
                      int n_sequences, model_edit *edit, fv_error *error);
void edit_free(model_edit *edit);

#endif
