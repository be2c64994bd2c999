// How attention weighs a key: one descriptor a score. The formulas themselves are the kernels'.
#ifndef MODEL_SCORES_H
#define MODEL_SCORES_H

#include "config/part.h"
#include "kernels/kernels.h"

typedef struct score_type {
    config_part part;
    // What the kernel's scale is for heads of this width.
    real (*scale)(const fv_model_config *config, int d_head);
} score_type;

// The type of FV_SCORE_<kind>.
const score_type *score_type_of(int kind);

#define FV_PART_SCORE(NAME, name) extern const score_type score_##name;
#include <fovea/fields.def>

#endif
