// The scores by which attention weighs keys: FV_SCORE_DOT, ... (parts/scores.def).
#ifndef FOVEA_SCORE_H
#define FOVEA_SCORE_H

enum {
#define FV_PART_SCORE(NAME, name) FV_SCORE_##NAME,
#include <fovea/fields.def>
    FV_SCORE_COUNT
};

#endif
