// Models in the folders of transformers: config.json and model.safetensors. What a family calls a part, which
// tensors it has and how they lie is said once, for both ways.
#ifndef MODEL_HF_H
#define MODEL_HF_H

#include "base/safetensors.h"

#include <fovea/model.h>

// X(NAME, model_type, architecture)
#define HF_FAMILY_LIST(X)                                                                          \
    X(GPT2, "gpt2", "GPT2LMHeadModel")                                                             \
    X(LLAMA, "llama", "LlamaForCausalLM")                                                          \
    X(QWEN3, "qwen3", "Qwen3ForCausalLM")                                                          \
    X(MAMBA, "mamba", "MambaForCausalLM")

typedef enum hf_family {
#define HF_FAMILY_ENUM(NAME, type, architecture) HF_##NAME,
    HF_FAMILY_LIST(HF_FAMILY_ENUM)
#undef HF_FAMILY_ENUM
        HF_FAMILY_COUNT
} hf_family;

const char *hf_family_name(hf_family family);

// The family that has all parts of the model. FV_USAGE with, for each, the part that has no place in it.
fv_status hf_family_of(const fv_config *config, hf_family *family, fv_error *error);

// config.json of a model of that family, as text (malloc); NULL without memory.
char *hf_config_write(const fv_config *config, hf_family family);

// FV_ACTIVATION_* of what transformers calls an activation, of a gate with `gated`; -1: Fovea has none.
int hf_activation(const char *theirs, bool gated);

// What a config.json says of a model besides what a configuration says.
typedef struct hf_given {
    hf_family family;
    int length;     // positions that it was made for
    double epsilon; // of its norms
} hf_given;

// Fills the fields of the model and the vocabulary; task and training are left as they are, and so is the
// context. `path` begins messages. FV_FORMAT for what no model of transformers says so, FV_USAGE for a family
// or a setting that Fovea does not have.
fv_status hf_config_read(const char *path, const json_t *given, fv_config *config, hf_given *hf,
                         fv_error *error);

// --- tensors ------------------------------------------------------------------------------------

// How a tensor of Fovea, [rows][columns], lies in theirs: as it is, turned into [columns][rows], as
// [rows][1][columns]; or, in a table of positions, as its first rows.
typedef enum hf_layout { HF_SAME, HF_TURNED, HF_SPREAD, HF_FIRST_ROWS } hf_layout;

typedef enum hf_absent { HF_ZEROS, HF_ONES } hf_absent;

// One tensor of Fovea in one of theirs, which may hold several side by side.
typedef struct hf_piece {
    char theirs[72], ours[48]; // ours: "" where the block lacks this half
    int rows, columns;         // 1 row: of a vector
    int n_dims;                // of ours
    hf_layout layout;
    int part, parts;
    hf_absent absent; // what theirs holds where ours is not there
    bool optional;    // a bias, without which the file means zeros
    bool in_stream;   // what it makes is added to the residual stream
    bool normed;      // a norm of heads follows what it makes
} hf_piece;

// All pieces of a model, malloc: those of one tensor of theirs follow each other. NULL without memory.
hf_piece *hf_pieces(const fv_config *config, hf_family family, int *n);

#endif
