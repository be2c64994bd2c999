// How attention weighs a key: one descriptor a score, made from the list of
// include/fovea/parts/scores.def.
#ifndef MODEL_SCORES_H
#define MODEL_SCORES_H

#include "config/part.h"
#include "kernels/kernels.h"

#include <fovea/attention.h>

typedef struct score_type {
    config_part part;
    bool theirs; // TransformerLens weighs keys so
    // What the score, its scale, power and floor are for heads of this width, for kernels with the
    // sample in the lane and for tiles, each in its own precision.
    void (*on_lanes)(const fv_model_config *config, int d_head, kernel_attend *attend);
    void (*on_tiles)(const fv_model_config *config, int d_head, fv_attention_config *attention);
} score_type;

// The type of FV_SCORE_<kind>; kernels number scores alike.
const score_type *score_type_of(int kind);

#endif
