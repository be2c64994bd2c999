// What each part of a model can do, found out by doing it: `fovea help --parts` and docs/parts.md.
#ifndef FOVEA_PARTS_TABLE_H
#define FOVEA_PARTS_TABLE_H

#include <fovea/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// X(NAME, heading, what is tried)
#define FV_CAPABILITY_LIST(X)                                                                      \
    X(FORWARD, "forward", "logits are finite, and no position sees a later one")                   \
    X(GRADIENT, "gradient",                                                                        \
      "the loss changes along the gradient as it says, by central differences")                    \
    X(LONG, "long",                                                                                \
      "512 positions go by tiles and have the logits of the textbook's arrangement within 1e-4")   \
    X(DECODE, "decode", "read piece by piece, a sequence has the same logits within 1e-4")         \
    X(COST, "cost", "operations of a training step are counted")                                   \
    X(EXPORT, "export", "a checkpoint has every parameter once")                                   \
    X(THEIRS, "TransformerLens", "its configuration can say what the model computes")

typedef enum fv_capability {
#define FV_CAPABILITY(NAME, heading, tried) FV_CAN_##NAME,
    FV_CAPABILITY_LIST(FV_CAPABILITY)
#undef FV_CAPABILITY
        FV_N_CAPABILITIES
} fv_capability;

// A part, and what came of it in a small model that has it.
typedef struct fv_part_row {
    char part[64]; // "model.activation: silu"
    bool can[FV_N_CAPABILITIES];
    char why_not[FV_N_CAPABILITIES][256]; // a refusal, where it cannot
} fv_part_row;

// Row i, i from 0; false behind the last. All parts of model.* that are chosen from lists, then further
// fields of the model. `row` is filled by training, decoding and comparing: some milliseconds a row.
FV_API bool fv_part_row_at(int i, fv_part_row *row);

#ifdef __cplusplus
}
#endif
#endif
