// The scores of include/fovea/parts/scores.def without the fields that they bring along. Whoever
// includes this defines FV_SCORE(NAME, name, ...), and finds it undefined afterwards.
#define FV_FIELD(section, name, TYPE, default_text, lowest, highest, help)
#include <fovea/parts/scores.def>
#undef FV_FIELD
#undef FV_SCORE
