// Checkpoints: safetensors files with TransformerLens names and shapes.
#ifndef FOVEA_CHECKPOINT_H
#define FOVEA_CHECKPOINT_H

#include <fovea/model.h>
#include <stdbool.h>

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

// The same for transformers: FOLDER/config.json and FOLDER/model.safetensors (F32), which open there as GPT-2,
// Llama, Qwen 3 or Mamba, whichever has a place for every part of the model; what a block lacks is there as
// zeros. The folder is made where there is none. FV_USAGE, naming the parts, where no family has a place for
// them.
FV_API fv_status fv_checkpoint_write_hf(const char *folder, const fv_model *model,
                                        const float *params, fv_error *error);

// Whether it is a folder with a config.json.
FV_API bool fv_checkpoint_is_hf(const char *folder);

// Opens such a folder: F32, F16 and BF16, in one file or several, mapped into memory and brought to F32. A
// folder that fv_checkpoint_write_hf wrote gives back the model's configuration and its parameters bit for
// bit. Of others the model reads `length` positions at a time, 0: as many as it was made for, at most 65536;
// its task is `needle` (`copy` below 3 positions). Norms there may have another epsilon than Fovea's 1e-5:
// then what is added to the residual stream is scaled by the root of their ratio, which makes all that is
// read from it what it is there. The caller frees model and parameters (malloc). FV_NOT_FOUND, FV_IO,
// FV_FORMAT for a damaged file and for tensors that lack or do not belong to the model, FV_USAGE for families
// and settings that Fovea does not have.
FV_API fv_status fv_checkpoint_read_hf(const char *folder, int length, fv_config *config,
                                       fv_model **model, float **params, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
