// How attention weighs a key: one descriptor a score. The formulas themselves are the kernels'.
#ifndef MODEL_SCORES_H
#define MODEL_SCORES_H

#include "config/part.h"
#include "kernels/kernels.h"

typedef struct fv_score_type {
    fv_part part;
    // What the kernel's scale is for heads of this width.
    real (*scale)(const fv_model_config *config, int d_head);
} fv_score_type;

// The type of FV_SCORE_<kind>.
const fv_score_type *fv_score_type_of(int kind);

#define FV_PART_SCORE(NAME, name) extern const fv_score_type fv_score_##name;
#include <fovea/fields.def>

#endif
