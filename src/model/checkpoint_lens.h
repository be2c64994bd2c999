// What TransformerLens can express of a model (docs/checkpoints.md).
#ifndef FOVEA_MODEL_CHECKPOINT_LENS_H
#define FOVEA_MODEL_CHECKPOINT_LENS_H

#include "model/checkpoint_map.h"

#include <jansson.h>

// Why TransformerLens cannot represent the model, or NULL where it can. `widen` as in checkpoint.h.
const char *checkpoint_obstacle(const fv_config *config, bool widen);

// Whether a file for TransformerLens has other tensors than Fovea's own: a stream as wide as all layers, keys
// and values of shared heads under other names, no table of positions beside rotary ones, norms and sinks in
// blocks that have no attention.
bool checkpoint_is_laid_out_anew(const fv_config *config);

// What `map` says of the attentions of a file for TransformerLens; all of it is off without `widen`.
void checkpoint_lens_attention(const fv_config *config, bool widen, checkpoint_map *map);

// The keyword arguments of a HookedTransformerConfig that computes what the model computes, where there is
// no obstacle; NULL without memory.
json_t *checkpoint_lens_config(const fv_config *config, const checkpoint_map *map);

#endif
