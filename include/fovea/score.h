// The scores by which attention weighs keys: FV_SCORE_DOT, ... (parts/scores.def).
#ifndef FOVEA_SCORE_H
#define FOVEA_SCORE_H

enum {
#define FV_SCORE(NAME, name, ...) FV_SCORE_##NAME,
#define FV_FIELD(section, name, TYPE, default_text, lowest, highest, help)
#include <fovea/parts/scores.def>
#undef FV_SCORE
#undef FV_FIELD
    FV_SCORE_COUNT
};

#endif
