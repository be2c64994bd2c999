// step and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(SCHEDULE, STEP, step)
FV_FIELD(train, decay_every, INT, "1000", 1, 1000000000, "step: steps between two decays")
FV_FIELD(train, decay_factor, REAL, "0.1", 0, 1, "step: factor of each decay")
