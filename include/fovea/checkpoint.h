// Checkpoints: safetensors files with TransformerLens names and shapes.
#ifndef FOVEA_CHECKPOINT_H
#define FOVEA_CHECKPOINT_H

#include <fovea/model.h>

#ifdef __cplusplus
extern "C" {
#endif

// Writes the parameters as F32 safetensors, names and shapes as TransformerLens loads them
// ("blocks.0.attn.W_Q" [H][d][d_head], "unembed.W_U" [d][V], ...); tensors that TransformerLens
// expects and the model does not have (W_pos, biases) are written as zeros. The configuration goes
// into __metadata__ (every field as text under its dotted key, and "format": "fovea"), and the
// HookedTransformer configuration as JSON under "transformer_lens". The file appears whole or not
// at all. Models whose tensors are others there (without residual stream, which is widened, with rotary
// positions, shared heads, norms of queries and keys, sinks: docs/checkpoints.md) are exported for it only
// with `widen`; without it they are written in their own shapes for Fovea itself. `widen` demands a
// file for TransformerLens: FV_USAGE with the reason where it cannot represent the model.
FV_API fv_status fv_checkpoint_write(const char *path, const fv_model *model, const float *params,
                                     bool widen, fv_error *error);

// Whether TransformerLens can represent the model, so that fv_checkpoint_write with the same
// `widen` writes a file for it: FV_USAGE with the reason where not.
FV_API fv_status fv_checkpoint_transformerlens(const fv_config *config, bool widen,
                                               fv_error *error);

// Reads a file written by fv_checkpoint_write (not widened): its configuration, a new model and its
// parameters (malloc; the caller frees both). Every size in the file is checked before use.
FV_API fv_status fv_checkpoint_read(const char *path, fv_config *config, fv_model **model,
                                    float **params, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
