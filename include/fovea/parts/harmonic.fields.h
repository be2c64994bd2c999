// harmonic and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(SCORE, HARMONIC, harmonic)
FV_FIELD(model, score_power, REAL, "2.0", 1e-3, 1000, "harmonic: power of the distance")
FV_FIELD(model, score_floor, REAL, "1e-3", 1e-9, 1e6, "harmonic: added to the squared distance, so that coincident points weigh finitely")
FV_FIELD(model, score_power_learned, BOOL, "false", 0, 0, "harmonic: every head learns its power, starting from score_power")
