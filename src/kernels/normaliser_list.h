// The normalisers of include/fovea/parts/normalisers.def without the fields that they bring along.
// Whoever includes this defines FV_NORMALISER(NAME, name, ...), and finds it undefined afterwards.
#define FV_FIELD(section, name, TYPE, default_text, lowest, highest, help)
#include <fovea/parts/normalisers.def>
#undef FV_FIELD
#undef FV_NORMALISER
